#include "services/session_store/serving.h"

#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "runtime/base/clock.h"

enum {
    FINDINGS_TOLD = 1000, /* the contract says so */
    LOOK_MS = 250,
};

/*
 * Backup or Check on its way. The engine's thread leaves word in the atomics of how far it is; the
 * loop looks at them now and then and tells the caller.
 */
struct care {
    struct asked asked;
    struct fb_timer look;
    atomic_bool cancelled;
    bool behind; /* the reader is; what it misses of the progress is no loss */
    void (*tell)(struct care *care);
    void (*conclude)(struct care *care);

    /* backup */
    atomic_llong pages_done;
    atomic_llong pages_total;

    /* check; the findings are the engine's thread's until it is done */
    _Atomic(const char *) stage;
    char *findings[FINDINGS_TOLD];
    size_t finding_count;
};

static void care_answer(struct asked *asked)
{
    struct care *care = (struct care *)asked;

    fb_timer_clear(&care->look);
    if (!fb_is_ok(asked->op.status)) {
        asked_fail(asked);
        return;
    }
    care->conclude(care);
}

static void care_look(struct fb_timer *timer)
{
    struct care *care = (struct care *)((char *)timer - offsetof(struct care, look));
    struct fb_loop *loop = care->asked.store->loop;

    fb_timer_set(loop, timer, fb_loop_now_ms(loop) + LOOK_MS, care_look);
    if (!care->behind && !fb_call_cancelled(care->asked.call)) {
        care->tell(care);
    }
}

static void care_cancelled(struct fb_call *call, void *arg)
{
    struct care *care = arg;

    (void)call;
    atomic_store(&care->cancelled, true);
    asked_cancelled(&care->asked);
}

static void care_drained(struct fb_call *call, void *arg)
{
    struct care *care = arg;

    (void)call;
    care->behind = false;
}

static const struct fb_call_events care_events = {
    .on_cancel = care_cancelled,
    .on_drain = care_drained,
};

static struct care *care_create(struct fb_call *call)
{
    struct care *care = asked_create(call, sizeof(*care), care_answer);
    struct fb_loop *loop = fb_call_loop(call);

    if (care != NULL) {
        atomic_init(&care->stage, "waiting");
        fb_call_watch(call, &care_events, care);
        fb_timer_set(loop, &care->look, fb_loop_now_ms(loop) + LOOK_MS, care_look);
    }
    return care;
}

/* --- Backup --- */

static void backup_progress(struct engine_backup *backup)
{
    struct care *care = (struct care *)backup;

    atomic_store(&care->pages_done, backup->pages_done);
    atomic_store(&care->pages_total, backup->pages_total);
}

static bool backup_cancelled(struct engine_backup *backup)
{
    return atomic_load(&((struct care *)backup)->cancelled);
}

static void backup_tell(struct care *care)
{
    Flowbalancer__V1__BackupResponse response = FLOWBALANCER__V1__BACKUP_RESPONSE__INIT;

    response.pages_done = atomic_load(&care->pages_done);
    response.pages_total = atomic_load(&care->pages_total);
    care->behind = !fb_call_send(care->asked.call, &response.base);
}

static void backup_conclude(struct care *care)
{
    const struct engine_backup *backup = &care->asked.backup;
    Flowbalancer__V1__BackupResponse response = FLOWBALANCER__V1__BACKUP_RESPONSE__INIT;

    response.pages_done = backup->pages_done;
    response.pages_total = backup->pages_total;
    response.done = true;
    response.path = (char *)(uintptr_t)backup->path;
    response.size_bytes = backup->size_bytes;
    asked_reply(&care->asked, &response.base);
}

/* "store-20260728T141530Z.db" */
static char *name_after_the_time(struct fb_arena *arena)
{
    time_t now = (time_t)(fb_clock_unix_ms() / 1000);
    struct tm utc;
    char name[64];

    gmtime_r(&now, &utc);
    strftime(name, sizeof(name), "store-%Y%m%dT%H%M%SZ.db", &utc);
    return fb_arena_copy(arena, name, strlen(name));
}

/* Whether a path climbs, or stays where it is: "..", ".", "" between slashes. */
static bool path_is_plain(const char *path)
{
    while (*path != '\0') {
        size_t size = strcspn(path, "/");

        if (size == 0 || (size == 1 && path[0] == '.') ||
            (size == 2 && path[0] == '.' && path[1] == '.')) {
            return false;
        }
        path += size;
        if (*path == '/') {
            path += 1;
            if (*path == '\0') {
                return false;
            }
        }
    }
    return true;
}

/* What is asked for as an absolute path; NULL when it lies outside the folder for backups. */
static const char *backup_path(struct fb_arena *arena, const char *folder, const char *asked)
{
    size_t size = strlen(folder);

    while (size > 0 && folder[size - 1] == '/') {
        size -= 1;
    }
    if (asked[0] == '/') {
        if (strncmp(asked, folder, size) != 0 || asked[size] != '/') {
            return NULL;
        }
        asked += size + 1;
    }
    if (asked[0] == '\0' || !path_is_plain(asked)) {
        return NULL;
    }
    return fb_arena_printf(arena, "%.*s/%s", (int)size, folder, asked);
}

void serve_backup(struct fb_call *call, const ProtobufCMessage *message)
{
    const Flowbalancer__V1__BackupRequest *request =
        (const Flowbalancer__V1__BackupRequest *)message;
    struct session_store *store = fb_call_self(call);
    struct fb_arena *arena = fb_call_arena(call);
    const char *wanted = request->path;
    const char *path;
    struct care *care;

    if (!request_is_good(call, limits_text(arena, "path", wanted, LIMIT_PATH_BYTES))) {
        return;
    }
    if (wanted[0] == '\0') {
        wanted = name_after_the_time(arena);
    }
    path = wanted != NULL ? backup_path(arena, store->config.backup_folder, wanted) : NULL;
    if (path == NULL) {
        fb_call_finish(call, fb_arena_fail(arena, FB_INVALID_ARGUMENT,
                                           "path: is not a plain path in the store's directory "
                                           "for backups, %s",
                                           store->config.backup_folder));
        return;
    }
    care = care_create(call);
    if (care == NULL) {
        return;
    }
    care->tell = backup_tell;
    care->conclude = backup_conclude;
    care->asked.backup.path = path;
    care->asked.backup.on_progress = backup_progress;
    care->asked.backup.cancelled = backup_cancelled;
    asked_submit(&care->asked, ENGINE_BACKUP, 0);
}

/* --- Check --- */

static void check_stage(struct engine_check *check, const char *stage)
{
    struct care *care = (struct care *)check;

    atomic_store(&care->stage, stage);
}

static void check_finding(struct engine_check *check, const char *finding)
{
    struct care *care = (struct care *)check;
    char *kept;

    if (care->finding_count == FINDINGS_TOLD) {
        return;
    }
    kept = fb_arena_copy(&check->op.arena, finding, strlen(finding));
    if (kept != NULL) {
        /* A line each, and a damaged file may put anything into its own words. */
        for (char *at = kept; *at != '\0'; at++) {
            if ((unsigned char)*at < ' ' || (unsigned char)*at >= 0x7f) {
                *at = ' ';
            }
        }
        care->findings[care->finding_count++] = kept;
    }
}

static bool check_cancelled(struct engine_check *check)
{
    return atomic_load(&((struct care *)check)->cancelled);
}

static void check_tell(struct care *care)
{
    Flowbalancer__V1__CheckResponse response = FLOWBALANCER__V1__CHECK_RESPONSE__INIT;

    response.stage = (char *)(uintptr_t)atomic_load(&care->stage);
    care->behind = !fb_call_send(care->asked.call, &response.base);
}

static void check_conclude(struct care *care)
{
    const struct engine_check *check = &care->asked.check;
    Flowbalancer__V1__CheckResponse response = FLOWBALANCER__V1__CHECK_RESPONSE__INIT;

    response.findings = care->findings;
    response.n_findings = care->finding_count;
    response.done = true;
    response.sessions = check->sessions;
    response.events = check->events;
    response.findings_total = check->findings;
    response.schema_version = check->schema_version;
    asked_reply(&care->asked, &response.base);
}

void serve_check(struct fb_call *call, const ProtobufCMessage *message)
{
    const Flowbalancer__V1__CheckRequest *request = (const Flowbalancer__V1__CheckRequest *)message;
    struct care *care = care_create(call);

    if (care == NULL) {
        return;
    }
    care->tell = check_tell;
    care->conclude = check_conclude;
    care->asked.check.quick = request->quick;
    care->asked.check.on_stage = check_stage;
    care->asked.check.on_finding = check_finding;
    care->asked.check.cancelled = check_cancelled;
    asked_submit(&care->asked, ENGINE_CHECK, 0);
}
