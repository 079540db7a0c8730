/*
 * What is left when the power goes: only what was synced. A layer under SQLite keeps beside each file
 * another one that gets a write only when the file is synced; after a kill in full flight the store is
 * opened on those.
 */

#define _GNU_SOURCE /* pipe2 */

#include "tests/services/session_store/world.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

/* --- the layer --- */

/* Part of a file that was written and not yet synced. */
struct range {
    sqlite3_int64 offset;
    size_t size;
};

struct layer_file {
    sqlite3_file base; /* first, as SQLite wants it */
    sqlite3_file *real;
    int synced_fd; /* of the file that holds what is synced; -1 for files that need none */
    struct range *ranges;
    size_t count;
    size_t room;
    sqlite3_int64 truncated; /* to this size since the last sync; -1 when not */
};

static sqlite3_vfs *real_vfs;

static struct layer_file *layer_of(sqlite3_file *file)
{
    return (struct layer_file *)file;
}

static sqlite3_file *real_of(sqlite3_file *file)
{
    return layer_of(file)->real;
}

static int layer_close(sqlite3_file *file)
{
    struct layer_file *layer = layer_of(file);

    if (layer->synced_fd >= 0) {
        close(layer->synced_fd);
    }
    free(layer->ranges);
    return layer->real->pMethods->xClose(layer->real);
}

static int layer_read(sqlite3_file *file, void *data, int size, sqlite3_int64 offset)
{
    return real_of(file)->pMethods->xRead(real_of(file), data, size, offset);
}

static int layer_write(sqlite3_file *file, const void *data, int size, sqlite3_int64 offset)
{
    struct layer_file *layer = layer_of(file);

    if (layer->count == layer->room) {
        layer->room = layer->room > 0 ? 2 * layer->room : 64;
        layer->ranges = realloc(layer->ranges, layer->room * sizeof(*layer->ranges));
    }
    layer->ranges[layer->count++] = (struct range){offset, (size_t)size};
    return layer->real->pMethods->xWrite(layer->real, data, size, offset);
}

static int layer_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    layer_of(file)->truncated = size;
    return real_of(file)->pMethods->xTruncate(real_of(file), size);
}

static int layer_sync(sqlite3_file *file, int flags)
{
    struct layer_file *layer = layer_of(file);
    static _Thread_local uint8_t bytes[1 << 16];

    for (size_t i = 0; i < layer->count && layer->synced_fd >= 0; i++) {
        const struct range *range = &layer->ranges[i];

        if (range->size > sizeof(bytes) ||
            layer->real->pMethods->xRead(layer->real, bytes, (int)range->size, range->offset) !=
                SQLITE_OK ||
            pwrite(layer->synced_fd, bytes, range->size, range->offset) != (ssize_t)range->size) {
            return SQLITE_IOERR_FSYNC;
        }
    }
    if (layer->truncated >= 0 && layer->synced_fd >= 0 &&
        ftruncate(layer->synced_fd, layer->truncated) != 0) {
        return SQLITE_IOERR_FSYNC;
    }
    layer->count = 0;
    layer->truncated = -1;
    return layer->real->pMethods->xSync(layer->real, flags);
}

static int layer_size(sqlite3_file *file, sqlite3_int64 *size)
{
    return real_of(file)->pMethods->xFileSize(real_of(file), size);
}

static int layer_lock(sqlite3_file *file, int kind)
{
    return real_of(file)->pMethods->xLock(real_of(file), kind);
}

static int layer_unlock(sqlite3_file *file, int kind)
{
    return real_of(file)->pMethods->xUnlock(real_of(file), kind);
}

static int layer_reserved(sqlite3_file *file, int *reserved)
{
    return real_of(file)->pMethods->xCheckReservedLock(real_of(file), reserved);
}

static int layer_control(sqlite3_file *file, int what, void *arg)
{
    return real_of(file)->pMethods->xFileControl(real_of(file), what, arg);
}

static int layer_sector(sqlite3_file *file)
{
    return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int layer_traits(sqlite3_file *file)
{
    return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

static int layer_shm_map(sqlite3_file *file, int region, int size, int extend,
                         void volatile **memory)
{
    return real_of(file)->pMethods->xShmMap(real_of(file), region, size, extend, memory);
}

static int layer_shm_lock(sqlite3_file *file, int offset, int count, int flags)
{
    return real_of(file)->pMethods->xShmLock(real_of(file), offset, count, flags);
}

static void layer_shm_barrier(sqlite3_file *file)
{
    real_of(file)->pMethods->xShmBarrier(real_of(file));
}

static int layer_shm_unmap(sqlite3_file *file, int remove)
{
    return real_of(file)->pMethods->xShmUnmap(real_of(file), remove);
}

static const sqlite3_io_methods layer_methods = {
    .iVersion = 2,
    .xClose = layer_close,
    .xRead = layer_read,
    .xWrite = layer_write,
    .xTruncate = layer_truncate,
    .xSync = layer_sync,
    .xFileSize = layer_size,
    .xLock = layer_lock,
    .xUnlock = layer_unlock,
    .xCheckReservedLock = layer_reserved,
    .xFileControl = layer_control,
    .xSectorSize = layer_sector,
    .xDeviceCharacteristics = layer_traits,
    .xShmMap = layer_shm_map,
    .xShmLock = layer_shm_lock,
    .xShmBarrier = layer_shm_barrier,
    .xShmUnmap = layer_shm_unmap,
};

/* "/folder/store.db-wal" has its synced part in "/folder/synced-store.db-wal". */
static void synced_path(const char *path, char *out, size_t size)
{
    const char *name = strrchr(path, '/') + 1;

    snprintf(out, size, "%.*ssynced-%s", (int)(name - path), path, name);
}

static int layer_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags,
                      int *flags_out)
{
    struct layer_file *layer = layer_of(file);
    int code;

    (void)vfs;
    *layer =
        (struct layer_file){.real = (sqlite3_file *)(layer + 1), .synced_fd = -1, .truncated = -1};
    code = real_vfs->xOpen(real_vfs, path, layer->real, flags, flags_out);
    if (code == SQLITE_OK && (flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL)) != 0) {
        char synced[200];

        synced_path(path, synced, sizeof(synced));
        layer->synced_fd = open(synced, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    }
    layer->base.pMethods = layer->real->pMethods != NULL ? &layer_methods : NULL;
    return code;
}

static void lay(void)
{
    static sqlite3_vfs layer;

    sqlite3_initialize();
    real_vfs = sqlite3_vfs_find(NULL);
    layer = *real_vfs;
    layer.zName = "synced";
    layer.szOsFile = (int)sizeof(struct layer_file) + real_vfs->szOsFile;
    layer.xOpen = layer_open;
    sqlite3_vfs_register(&layer, 1);
}

/* --- writing until the power goes --- */

enum { ROUNDS = 8, WRITERS = 6, EVENT_BYTES = 30000 };

struct writer {
    pthread_t thread;
    struct engine *engine;
    unsigned number;
    int acknowledged_fd;
};

struct acknowledged {
    unsigned writer;
    int64_t sequence;
};

static void session_name(unsigned writer, char name[16])
{
    snprintf(name, 16, "session-%u", writer);
}

static void *write_on(void *arg)
{
    const struct writer *writer = arg;
    struct acknowledged told = {.writer = writer->number};
    char name[16];
    int64_t epoch;

    session_name(writer->number, name);
    epoch = must_acquire(writer->engine, name, "w");
    do {
        told.sequence =
            must_append_noise(writer->engine, name, epoch, told.sequence, 1, EVENT_BYTES);
    } while (write(writer->acknowledged_fd, &told, sizeof(told)) == sizeof(told));
    return NULL;
}

static void write_until_dark(struct world *world, int acknowledged_fd)
{
    struct writer writers[WRITERS];

    lay();
    world_open(world);
    for (unsigned i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){
            .engine = world->engine, .number = i, .acknowledged_fd = acknowledged_fd};
        pthread_create(&writers[i].thread, NULL, write_on, &writers[i]);
    }
    for (unsigned i = 0; i < WRITERS; i++) {
        pthread_join(writers[i].thread, NULL);
    }
    _exit(1);
}

static void turn_off_after(struct world *world, unsigned acknowledgements, int64_t last[WRITERS])
{
    struct acknowledged told;
    unsigned seen = 0;
    int ends[2];
    int how;
    pid_t pid;

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(ends[0]);
        write_until_dark(world, ends[1]);
    }
    close(ends[1]);
    while (read(ends[0], &told, sizeof(told)) == sizeof(told)) {
        last[told.writer] = told.sequence;
        seen += 1;
        if (seen == acknowledgements) {
            kill(pid, SIGKILL);
        }
    }
    close(ends[0]);
    assert_int_equal(waitpid(pid, &how, 0), pid);
    assert_true(WIFSIGNALED(how));
}

static int64_t last_of(struct engine *engine, const char *name)
{
    struct engine_read_session read = {.op = {.kind = ENGINE_READ_SESSION},
                                       .scope = "",
                                       .session_id = name,
                                       .snapshot_after = INT64_MAX};
    int64_t last;

    op_do(engine, &read.op);
    last = read.op.status.code == FB_OK ? read.session.last_sequence : 0;
    op_finish(&read.op);
    return last;
}

/* Enough in the later rounds for the log to be brought into the file and begun anew, several times. */
static void what_was_acknowledged_survives_the_loss_of_all_that_was_not_synced(void **state)
{
    (void)state;
    for (unsigned round = 0; round < ROUNDS; round++) {
        int64_t last[WRITERS] = {0};
        struct world world;

        world_init(&world);
        turn_off_after(&world, 1 + round * round * 37, last);
        snprintf(world.path, sizeof(world.path), "%s/synced-store.db", world.folder);
        world_open(&world);
        for (unsigned i = 0; i < WRITERS; i++) {
            char name[16];

            session_name(i, name);
            assert_true(last_of(world.engine, name) >= last[i]);
        }
        assert_int_equal(findings_of(world.engine), 0);
        world_finish(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_acknowledged_survives_the_loss_of_all_that_was_not_synced),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
