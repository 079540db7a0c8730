/*
 * store: the care of what is durable: a copy of it, and whether it is whole.
 */

#include <inttypes.h>

#include "clients/c/session_store.h"
#include "clients/flowctl/commands.h"
#include "clients/flowctl/connect.h"
#include "clients/flowctl/terminal.h"
#include "clients/flowctl/units.h"
#include "clients/flowctl/writer.h"
#include "runtime/base/clock.h"

/* A large store takes its time; what ends this is the person. */
static const struct fb_client_options patiently = {.deadline_ms = INT64_MAX};

/* --- store check --- */

struct check_options {
    bool quick;
};

static struct check_options check_options;

static const struct fb_option check_table[] = {
    {"quick", FB_OPTION_BOOL, offsetof(struct check_options, quick),
     .help = "only the structure, not the content of every record"},
    {.name = NULL},
};

static void show_verdict(const struct run *run, const Flowbalancer__V1__CheckResponse *last,
                         int64_t took_ms, struct writer *writer)
{
    char room[UNITS_ROOM];

    if (run->globals->json) {
        writer_close(writer, ']');
        writer_key_int(writer, "findings_total", last->findings_total);
        writer_key_int(writer, "sessions", last->sessions);
        writer_key_int(writer, "events", last->events);
        writer_key_int(writer, "schema_version", last->schema_version);
        writer_key_int(writer, "took_ms", took_ms);
        writer_close(writer, '}');
        writer_send(writer);
        return;
    }
    terminal_print("%s%s%s: %" PRId64 " sessions, %" PRId64 " events, schema %" PRId32
                   ", examined in %s\n",
                   terminal_colour(last->findings_total == 0 ? TERMINAL_GOOD : TERMINAL_BAD),
                   last->findings_total == 0 ? "whole" : "damaged", terminal_colour(TERMINAL_PLAIN),
                   last->sessions, last->events, last->schema_version, units_ms(took_ms, room));
    if (last->findings_total > 0) {
        terminal_complain("stop the suite with \"flowctl down\", then put a backup in place of the "
                          "database",
                          "%" PRId64 " findings", last->findings_total);
    }
}

static int store_check(const struct run *run)
{
    Flowbalancer__V1__CheckRequest request = FLOWBALANCER__V1__CHECK_REQUEST__INIT;
    const Flowbalancer__V1__CheckResponse *response;
    const int64_t began_ms = fb_clock_ms();
    struct writer writer = {.depth = 0};
    struct fb_client *client;
    struct fb_stream *stream;
    bool done = false;
    int code = connect_or_complain(run, "the store", run->store, &client);

    if (code != EXIT_DONE) {
        return code;
    }
    request.quick = check_options.quick;
    stream = fb_session_store_check(client, &request, &patiently);
    writer_open(&writer, '{');
    writer_key(&writer, "findings");
    writer_open(&writer, '[');
    while (stream != NULL && (response = fb_session_store_check_next(stream)) != NULL) {
        for (size_t i = 0; i < response->n_findings; i++) {
            if (run->globals->json) {
                writer_string(&writer, response->findings[i]);
            } else {
                terminal_write_foreign(fb_text_of(response->findings[i]));
            }
        }
        if (response->done) {
            done = true;
            code = response->findings_total == 0 ? EXIT_DONE : EXIT_NEGATIVE;
            show_verdict(run, response, fb_clock_ms() - began_ms, &writer);
        } else if (response->stage[0] != '\0') {
            terminal_progress("examining %s", response->stage);
        }
    }
    terminal_progress_end();
    if (stream == NULL) {
        code = EXIT_INTERNAL;
    } else if (!done) {
        code = connect_complain(run, "the store", run->store, fb_stream_answer(stream));
        code = code == EXIT_DONE ? EXIT_INTERNAL : code;
    }
    fb_buffer_finish(&writer.text);
    fb_stream_close(stream);
    fb_client_close(client);
    return code;
}

const struct command command_store_check = {
    .name = "store check",
    .usage = "",
    .purpose = "examine what is stored and name what is wrong",
    .details = "The suite goes on working meanwhile. Exit code 1 when something is wrong",
    .options = check_table,
    .config = &check_options,
    .run = store_check,
};

/* --- store backup --- */

static void show_backup(const struct run *run, const Flowbalancer__V1__BackupResponse *last,
                        int64_t took_ms)
{
    struct writer writer = {.depth = 0};
    char size[UNITS_ROOM];
    char took[UNITS_ROOM];

    if (run->globals->json) {
        writer_open(&writer, '{');
        writer_key_string(&writer, "path", last->path);
        writer_key_int(&writer, "size_bytes", last->size_bytes);
        writer_key_int(&writer, "took_ms", took_ms);
        writer_close(&writer, '}');
        writer_send(&writer);
        return;
    }
    terminal_print("%s  %s in %s\n", last->path, units_bytes(last->size_bytes, size),
                   units_ms(took_ms, took));
}

static int store_backup(const struct run *run)
{
    Flowbalancer__V1__BackupRequest request = FLOWBALANCER__V1__BACKUP_REQUEST__INIT;
    const Flowbalancer__V1__BackupResponse *response;
    const int64_t began_ms = fb_clock_ms();
    struct fb_client *client;
    struct fb_stream *stream;
    bool done = false;
    int code = connect_or_complain(run, "the store", run->store, &client);

    if (code != EXIT_DONE) {
        return code;
    }
    request.path = (char *)(uintptr_t)(run->arg_count > 0 ? run->args[0] : "");
    stream = fb_session_store_backup(client, &request, &patiently);
    while (stream != NULL && (response = fb_session_store_backup_next(stream)) != NULL) {
        if (response->done) {
            done = true;
            show_backup(run, response, fb_clock_ms() - began_ms);
        } else if (response->pages_total > 0) {
            terminal_progress("copied %" PRId64 " of %" PRId64 " pages (%" PRId64 " %%)",
                              response->pages_done, response->pages_total,
                              response->pages_done * 100 / response->pages_total);
        }
    }
    terminal_progress_end();
    if (stream == NULL) {
        code = EXIT_INTERNAL;
    } else if (!done) {
        code = connect_complain(run, "the store", run->store, fb_stream_answer(stream));
        code = code == EXIT_DONE ? EXIT_INTERNAL : code;
    }
    fb_stream_close(stream);
    fb_client_close(client);
    return code;
}

const struct command command_store_backup = {
    .name = "store backup",
    .usage = "[PATH]",
    .purpose = "copy the whole store into one file while it goes on working",
    .details =
        "PATH is on the store's machine and within its directory for backups, relative to it or "
        "absolute;\nwithout it the file is named after the time. The file appears only when it is "
        "whole",
    .most_args = 1,
    .run = store_backup,
};
