/*
 * sessions import: a document becomes a session.
 */

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "clients/flowctl/commands.h"
#include "clients/flowctl/message_json.h"
#include "clients/flowctl/sessions/session_call.h"
#include "clients/flowctl/terminal.h"
#include "clients/flowctl/units.h"

enum { CHUNK_BYTES = 256 << 10, ID_BYTES = 64, BAR = 24 };

static const char *const formats[] = {"auto",        "jsonl", "json", "session-file",
                                      "task-master", "beads", NULL};

struct import_options {
    int format;
    const char *session;
    const char *name;
    bool into;
    bool dry_run;
    bool drop_unknown_links;
};

static struct import_options import_options;

static const struct fb_option import_table[] = {
    {"format", FB_OPTION_CHOICE, offsetof(struct import_options, format), .fallback = "auto",
     .choices = formats, .help = "what the document is; auto tells by its content"},
    {"session", FB_OPTION_STRING, offsetof(struct import_options, session),
     .help = "id of the session, in place of one made of the file's name"},
    {"name", FB_OPTION_STRING, offsetof(struct import_options, name),
     .help = "name of the session, in place of what the document says"},
    {"into", FB_OPTION_BOOL, offsetof(struct import_options, into),
     .help = "add to a session that has tasks already"},
    {"dry_run", FB_OPTION_BOOL, offsetof(struct import_options, dry_run),
     .help = "only say what would come in"},
    {"drop_unknown_links", FB_OPTION_BOOL, offsetof(struct import_options, drop_unknown_links),
     .help = "leave out links to tasks that the document does not have, with a warning"},
    {.name = NULL},
};

/* "plans/My tasks.json" gives "My-tasks". */
static const char *id_of(const char *path, struct fb_arena *arena)
{
    const char *slash = strrchr(path, '/');
    const char *stem = slash == NULL ? path : slash + 1;
    const char *dot = strrchr(stem, '.');
    size_t size = dot == NULL || dot == stem ? strlen(stem) : (size_t)(dot - stem);
    char *id;

    size = size > ID_BYTES ? ID_BYTES : size;
    id = fb_arena_copy(arena, stem, size);
    for (size_t i = 0; id != NULL && i < size; i++) {
        if (!isalnum((unsigned char)id[i]) && strchr("._-", id[i]) == NULL) {
            id[i] = '-';
        }
    }
    return id;
}

static void show_progress(uint64_t sent, int64_t total)
{
    char bar[BAR + 1];
    char of[UNITS_ROOM];
    char done[UNITS_ROOM];
    const int full = total <= 0 ? 0 : (int)(sent * BAR / (uint64_t)total);

    if (total <= 0) {
        terminal_progress("sent %s", units_bytes((int64_t)sent, done));
        return;
    }
    for (int i = 0; i < BAR; i++) {
        bar[i] = i < full ? '=' : ' ';
    }
    bar[BAR] = '\0';
    terminal_progress("[%s] %3" PRIu64 " %%  %s of %s", bar, sent * 100 / (uint64_t)total,
                      units_bytes((int64_t)sent, done), units_bytes(total, of));
}

/* Sends the header and the file; false when the file could not be read. */
static bool send_file(struct fb_upload *upload, FILE *file, struct session_call *call,
                      Flowbalancer__V1__FlowImportHeader *header)
{
    Flowbalancer__V1__ImportRequest request = FLOWBALANCER__V1__IMPORT_REQUEST__INIT;
    uint8_t *chunk = fb_arena_alloc(call->run->arena, CHUNK_BYTES);
    struct stat stat;
    const int64_t total =
        fstat(fileno(file), &stat) == 0 && S_ISREG(stat.st_mode) ? (int64_t)stat.st_size : 0;
    uint64_t sent = 0;
    size_t size;

    if (chunk == NULL) {
        return false;
    }
    request.context = &call->context;
    request.header = header;
    if (!fb_flow_import_send(upload, &request)) {
        return true; /* the answer says why */
    }
    request.context = NULL;
    request.header = NULL;
    while ((size = fread(chunk, 1, CHUNK_BYTES, file)) > 0) {
        request.data = (ProtobufCBinaryData){.len = size, .data = chunk};
        if (!fb_flow_import_send(upload, &request)) {
            return true;
        }
        sent += size;
        show_progress(sent, total);
    }
    terminal_progress("checking and keeping it");
    return ferror(file) == 0;
}

static void show(const struct run *run, const char *session,
                 const Flowbalancer__V1__ImportResponse *response)
{
    char word[32];

    if (run->globals->json) {
        message_json_send(&response->base);
        return;
    }
    for (size_t i = 0; i < response->n_warnings; i++) {
        terminal_complain(NULL, "%s", response->warnings[i]);
    }
    terminal_print("%s%" PRIu32 " tasks%s, %" PRIu64 " events, as %s: %s %s\n",
                   terminal_colour(TERMINAL_BOLD), response->tasks, terminal_colour(TERMINAL_PLAIN),
                   response->events,
                   message_json_word(&flowbalancer__v1__flow_format__descriptor,
                                     (int)response->format, word, sizeof(word)),
                   import_options.dry_run ? "would come into" : "are in", session);
    if (response->line != NULL) {
        session_print_line(response->line);
    }
}

static int import(const struct run *run)
{
    static const struct fb_client_options patiently = {.deadline_ms = INT64_MAX};
    Flowbalancer__V1__FlowImportHeader header = FLOWBALANCER__V1__FLOW_IMPORT_HEADER__INIT;
    const bool is_stdin = strcmp(run->args[0], "-") == 0;
    const char *session = import_options.session;
    const Flowbalancer__V1__ImportResponse *response;
    struct session_call call;
    struct fb_upload *upload;
    FILE *file;
    bool read;
    int code;

    if (is_stdin && session == NULL) {
        terminal_complain("name it with --session", "standard input has no name for the session");
        return EXIT_USAGE;
    }
    file = is_stdin ? stdin : fopen(run->args[0], "re");
    if (file == NULL) {
        terminal_complain(NULL, "%s: %s", run->args[0], strerror(errno));
        return EXIT_NEGATIVE;
    }
    session = session == NULL ? id_of(run->args[0], run->arena) : session;
    code = session_call_begin(&call, run, session, NULL);
    if (code == EXIT_DONE) {
        header.by = &call.by;
        header.format = (Flowbalancer__V1__FlowFormat)import_options.format;
        header.name = (char *)(uintptr_t)(import_options.name == NULL ? "" : import_options.name);
        header.into_existing = import_options.into;
        header.dry_run = import_options.dry_run;
        header.drop_unknown_links = import_options.drop_unknown_links;
        upload = fb_flow_import(call.client, &patiently);
        read = upload != NULL && send_file(upload, file, &call, &header);
        if (!read) {
            fb_upload_close(upload);
            terminal_progress_end();
            terminal_complain(NULL, "%s cannot be read: %s", run->args[0], strerror(errno));
            code = EXIT_NEGATIVE;
        } else {
            response = fb_flow_import_finish(upload, &call.answer);
            terminal_progress_end();
            if (response == NULL) {
                code = session_call_complain(&call, &call.answer);
            } else {
                show(run, session, response);
            }
        }
        session_call_end(&call);
    }
    if (!is_stdin) {
        fclose(file);
    }
    return code;
}

const struct command command_sessions_import = {
    .name = "sessions import",
    .usage = "FILE|-",
    .purpose =
        "make a session of a document: our own, an older session file, Task Master's, beads'",
    .details =
        "Everything comes in, or nothing. What is not understood is kept verbatim and named; "
        "what is wrong\nis named with its line or place. Up to 64 MiB",
    .options = import_table,
    .config = &import_options,
    .least_args = 1,
    .most_args = 1,
    .run = import,
};
