#define _GNU_SOURCE /* renameat2 */

#include "services/session_store/sqlite/operations.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    BACKUP_STEP_PAGES = 256, /* 1 MiB between two looks at who may have lost interest */
    BACKUP_PATH_BYTES = 1200,
};

static struct fb_status fail_errno(struct engine_backup *backup, enum fb_code code,
                                   const char *what)
{
    return fb_arena_fail(&backup->op.arena, code, "path: %s: %s", what, strerror(errno));
}

static struct fb_status fail_sqlite(struct engine_backup *backup, int code)
{
    return database_fail(code, &backup->op.reason);
}

/* Opened before it is filled, so that its mode is right from the start. */
static struct fb_status create_partial(struct engine_backup *backup, const char *partial)
{
    int fd;

    if (access(backup->path, F_OK) == 0) {
        return fb_fail(FB_ALREADY_EXISTS, "path: there is a file of this name");
    }
    fd = open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return fail_errno(backup, FB_FAILED_PRECONDITION, "cannot be created");
    }
    close(fd);
    return fb_ok;
}

static struct fb_status copy_pages(struct engine_backup *backup, sqlite3_backup *copy)
{
    int code = SQLITE_OK;

    while (code == SQLITE_OK) {
        if (backup->cancelled(backup)) {
            return fb_fail(FB_CANCELLED, "the backup was cancelled");
        }
        code = sqlite3_backup_step(copy, BACKUP_STEP_PAGES);
        backup->pages_total = sqlite3_backup_pagecount(copy);
        backup->pages_done = backup->pages_total - sqlite3_backup_remaining(copy);
        if (code == SQLITE_OK) {
            backup->on_progress(backup);
        }
    }
    return code == SQLITE_DONE ? fb_ok : fail_sqlite(backup, code);
}

static struct fb_status copy_into(struct engine_backup *backup, sqlite3 *from, const char *partial)
{
    struct fb_status status = fb_ok;
    sqlite3 *to = NULL;
    sqlite3_backup *copy;
    int code = sqlite3_open_v2(partial, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);

    if (code == SQLITE_OK) {
        /* Nobody sees the file before it is whole; durability comes with one sync at the end. */
        code = sqlite3_exec(to, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF", NULL, NULL,
                            NULL);
    }
    if (code == SQLITE_OK) {
        copy = sqlite3_backup_init(to, "main", from, "main");
        if (copy != NULL) {
            status = copy_pages(backup, copy);
            sqlite3_backup_finish(copy);
        } else {
            code = sqlite3_errcode(to);
        }
    }
    if (code != SQLITE_OK) {
        status = fail_sqlite(backup, code);
    }
    sqlite3_close(to);
    return status;
}

static bool sync_path(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC);
    bool synced = fd >= 0 && fsync(fd) == 0;

    if (fd >= 0) {
        close(fd);
    }
    return synced;
}

static struct fb_status put_in_place(struct engine_backup *backup, const char *partial)
{
    char path[BACKUP_PATH_BYTES];
    struct stat file;

    if (!sync_path(partial, O_RDWR) || stat(partial, &file) != 0) {
        return fail_errno(backup, FB_UNAVAILABLE, "cannot be written to disk");
    }
    backup->size_bytes = file.st_size;
    if (renameat2(AT_FDCWD, partial, AT_FDCWD, backup->path, RENAME_NOREPLACE) != 0) {
        return errno == EEXIST ? fb_fail(FB_ALREADY_EXISTS, "path: there is a file of this name")
                               : fail_errno(backup, FB_UNAVAILABLE, "cannot be named");
    }
    snprintf(path, sizeof(path), "%s", backup->path);
    if (!sync_path(dirname(path), O_RDONLY | O_DIRECTORY)) {
        return fail_errno(backup, FB_UNAVAILABLE, "its directory cannot be written to disk");
    }
    return fb_ok;
}

/* Without a snapshot held open, each append would make the copy begin anew. */
static struct fb_status copy_moment(struct engine_backup *backup, struct database *database,
                                    const char *partial)
{
    struct fb_status status;
    int code = database_do(database, TRANSACTION_READ);

    if (code == SQLITE_OK) {
        code = database_first(database_bind(database, CATALOGUE_LAST_VERSION, ""));
    }
    if (code != SQLITE_ROW) {
        database_rollback(database);
        return fail_sqlite(backup, code);
    }
    database_end(database->prepared[CATALOGUE_LAST_VERSION]);
    status = copy_into(backup, database->handle, partial);
    database_rollback(database);
    return status;
}

void run_backup(const char *path, struct engine_backup *backup)
{
    struct database *database = NULL;
    char partial[BACKUP_PATH_BYTES];
    struct fb_status status;
    int size = snprintf(partial, sizeof(partial), "%s.partial", backup->path);

    if (size < 0 || size >= (int)sizeof(partial)) {
        backup->op.status = fb_fail(FB_INVALID_ARGUMENT, "path: is too long");
        return;
    }
    status = database_open_reader(path, &backup->op.arena, &database);
    if (fb_is_ok(status)) {
        status = create_partial(backup, partial);
    }
    if (fb_is_ok(status)) {
        status = copy_moment(backup, database, partial);
        if (fb_is_ok(status)) {
            status = put_in_place(backup, partial);
        }
        if (!fb_is_ok(status)) {
            unlink(partial);
        }
    }
    backup->op.status = status;
    database_close(database);
}
