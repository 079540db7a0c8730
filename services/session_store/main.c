/* flow-store: the durable state of the suite. */

#define _GNU_SOURCE /* SIGXFSZ */

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/arena.h"
#include "runtime/rpc/core/core.h"
#include "runtime/service/service.h"
#include "services/session_store/limits.h"
#include "services/session_store/session_store.h"
#include "services/session_store/sqlite/sqlite_engine.h"

struct store_config {
    const char *database;
    const char *backup_folder;
    int64_t readers;
    int64_t result_budget_bytes;
    int64_t size_limit_bytes;
};

static struct store_config store_config;

static const struct fb_option store_options[] = {
    {"database", FB_OPTION_PATH, offsetof(struct store_config, database),
     .fallback = "~/.local/state/flow-balancer/store.db", .help = "the SQLite file"},
    {"backup_folder", FB_OPTION_PATH, offsetof(struct store_config, backup_folder),
     .help = "where backups may be put; \"backups\" beside the database if not said"},
    {"readers", FB_OPTION_INTEGER, offsetof(struct store_config, readers), .fallback = "2",
     .least = "1", .most = "64", .help = "threads that read beside the one that writes"},
    {"result_budget", FB_OPTION_SIZE, offsetof(struct store_config, result_budget_bytes),
     .fallback = "256MiB", .least = "1MiB", .most = "1024GiB",
     .help = "room for all cached results together"},
    {"size_limit", FB_OPTION_SIZE, offsetof(struct store_config, size_limit_bytes), .fallback = "0",
     .help = "largest size of the database; 0 for as much as the disk has"},
    {.name = NULL},
};

/* What lives from start to destroy. */
struct program {
    struct fb_host *host;
    struct fb_arena arena; /* paths, and the words of a failed start */
    struct session_store *store;
};

static struct program program;

enum { UPKEEP_MS = 5000, PATH_BYTES = 4096 };

/* Makes the folder and those above it, for us alone, where they are missing. */
static bool make_folders(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        int made;

        *slash = '\0';
        made = mkdir(path, 0700);
        *slash = '/';
        if (made != 0 && errno != EEXIST) {
            return false;
        }
    }
    return mkdir(path, 0700) == 0 || errno == EEXIST;
}

/* `path` made absolute; NULL when that cannot be. */
static char *absolute(struct fb_arena *arena, const char *path)
{
    char here[PATH_BYTES];

    if (path[0] == '/') {
        return fb_arena_copy(arena, path, strlen(path));
    }
    return getcwd(here, sizeof(here)) != NULL ? fb_arena_printf(arena, "%s/%s", here, path) : NULL;
}

/* The folder that holds the file, and in it the one for backups; both are made. */
static struct fb_status prepare_folders(struct fb_arena *arena, const char *database,
                                        const char **backup_folder)
{
    char *folder = fb_arena_copy(arena, database, strlen(database));
    char *backups;

    if (folder == NULL) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "out of memory");
    }
    *strrchr(folder, '/') = '\0';
    if (folder[0] != '\0' && !make_folders(folder)) {
        return fb_arena_fail(arena, FB_UNAVAILABLE, "database: folder %s: %s", folder,
                             strerror(errno));
    }
    backups = *backup_folder != NULL ? absolute(arena, *backup_folder)
                                     : fb_arena_printf(arena, "%s/backups", folder);
    if (backups == NULL) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "out of memory");
    }
    if (!make_folders(backups)) {
        return fb_arena_fail(arena, FB_UNAVAILABLE, "backup_folder: %s: %s", backups,
                             strerror(errno));
    }
    *backup_folder = backups;
    return fb_ok;
}

static struct fb_status store_start(struct fb_host *host, void **self)
{
    struct sqlite_engine_config engine_config = {
        .readers = (unsigned)store_config.readers,
        .result_budget_bytes = store_config.result_budget_bytes,
        .size_most_bytes = store_config.size_limit_bytes,
        .upkeep_ms = UPKEEP_MS,
    };
    struct session_store_config config = {
        .backup_folder = store_config.backup_folder,
        .metrics = fb_host_metrics(host),
    };
    struct engine *engine;
    struct fb_status status;

    /* A file at the limit of its size is a disk that failed, and no reason to die. */
    signal(SIGXFSZ, SIG_IGN);
    *self = &program;
    program.host = host;
    fb_arena_init(&program.arena, 0);
    engine_config.path = absolute(&program.arena, store_config.database);
    if (engine_config.path == NULL) {
        return fb_fail(FB_UNAVAILABLE, "database: the working directory cannot be found");
    }
    status = prepare_folders(&program.arena, engine_config.path, &config.backup_folder);
    if (fb_is_ok(status)) {
        status = sqlite_engine_open(&engine_config, &program.arena, &engine);
    }
    if (!fb_is_ok(status)) {
        return status;
    }
    program.store = session_store_create(fb_host_loop(host), engine, &config);
    if (program.store == NULL) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "out of memory");
    }
    fb_host_serve(host, &session_store_service, program.store);
    return fb_ok;
}

static void store_drain(void *self)
{
    session_store_drain(((struct program *)self)->store);
}

/* The arena stays: what a failed start says lies in it until the process has said it. */
static void store_destroy(void *self)
{
    session_store_destroy(((struct program *)self)->store);
}

static const struct fb_service store_service = {
    .name = "store",
    .purpose = "keeps sessions, the catalogue and cached results",
    .transport = &fb_core,
    .listen = "127.0.0.1:7072",
    .limits = {.message_limit_bytes = LIMIT_MESSAGE_BYTES, .send_limit_bytes = 64 << 20},
    .options = store_options,
    .config = &store_config,
    .config_size = sizeof(store_config),
    .metrics = session_store_metrics,
    .start = store_start,
    .drain = store_drain,
    .destroy = store_destroy,
};

int main(int argc, char **argv)
{
    return fb_service_main(argc, argv, &store_service);
}
