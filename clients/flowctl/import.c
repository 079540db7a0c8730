/*
 * import: takes over the servers that other MCP clients have, and puts our gateway into their files.
 */

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "clients/flowctl/commands.h"
#include "clients/flowctl/connect.h"
#include "clients/flowctl/merge.h"
#include "clients/flowctl/replace.h"
#include "clients/flowctl/splice.h"
#include "clients/flowctl/suite.h"
#include "clients/flowctl/terminal.h"
#include "clients/flowctl/writer.h"
#include "runtime/config/document.h"
#include "runtime/config/environment.h"
#include "runtime/config/import.h"
#include "runtime/config/options.h"
#include "runtime/json/scan.h"

enum { SOURCES_MOST = FB_IMPORT_SOURCES + FB_OPTION_REST, PRINTED_BYTES = 1 << 20 };

static const char gateway_name[] = "flow-balancer";

struct import_options {
    bool yes;
    bool dry_run;
    bool replace;
    struct fb_strings from;
    const char *write_client;
};

static struct import_options import_options;

static const struct fb_option import_table[] = {
    {"yes", FB_OPTION_BOOL, offsetof(struct import_options, yes),
     .help = "write without asking; needed where nobody can be asked"},
    {"dry_run", FB_OPTION_BOOL, offsetof(struct import_options, dry_run),
     .help = "only show what would be done"},
    {"replace", FB_OPTION_BOOL, offsetof(struct import_options, replace),
     .help = "take entries that differ in place of ours"},
    {"from", FB_OPTION_LIST, offsetof(struct import_options, from),
     .help = "only these clients: claude-code, claude-desktop, cursor, vscode, gemini, ..."},
    {"write_client", FB_OPTION_PATH, offsetof(struct import_options, write_client),
     .help = "instead put the gateway's entry into this file of a client"},
    {.name = NULL},
};

/* --- what there is --- */

/* An entry of a source, and what becomes of it. */
struct item {
    const struct fb_import_source *source;
    struct fb_server_entry entry;
    enum merge_verdict verdict;
};

struct plan {
    /* whence */
    struct fb_import_source sources[SOURCES_MOST];
    struct fb_servers servers[SOURCES_MOST];
    struct fb_status states[SOURCES_MOST];
    size_t source_count;

    /* whither */
    struct fb_text ours_text;
    struct fb_servers ours;

    /* what */
    struct item *items;
    size_t item_count;
    const struct fb_server_entry **taken; /* goes into our file */
    size_t taken_count;
    const struct fb_server_entry **known; /* taken, or ours already */
    size_t known_count;
};

static bool is_wanted(const struct fb_import_source *source)
{
    for (size_t i = 0; i < import_options.from.count; i++) {
        if (strcmp(import_options.from.items[i], source->client) == 0) {
            return true;
        }
    }
    return import_options.from.count == 0;
}

static bool is_listed(const struct plan *plan, const char *path)
{
    for (size_t i = 0; i < plan->source_count; i++) {
        if (strcmp(plan->sources[i].path, path) == 0) {
            return true;
        }
    }
    return false;
}

/* The files that were named, else those that clients are known to keep. */
static void find_sources(const struct run *run, struct plan *plan)
{
    struct fb_import_source known[FB_IMPORT_SOURCES];
    char folder[PATH_MAX];
    size_t count = 0;

    for (size_t i = 0; i < run->arg_count; i++) {
        plan->sources[plan->source_count++] = (struct fb_import_source){
            .client = "file", .title = "file", .path = fb_config_path(run->arena, run->args[i])};
    }
    if (run->arg_count == 0) {
        count = fb_import_sources(fb_config_home(run->arena),
                                  getcwd(folder, sizeof(folder)) == NULL ? NULL : folder,
                                  run->arena, known);
    }
    for (size_t i = 0; i < count; i++) {
        if (is_wanted(&known[i]) && !is_listed(plan, known[i].path) &&
            strcmp(known[i].path, run->config_path) != 0) {
            plan->sources[plan->source_count++] = known[i];
        }
    }
}

/* The folder of the project that a file belongs to; NULL for a file of the user. */
static const char *project_folder(const struct run *run, const struct fb_import_source *source)
{
    const char *home = fb_config_home(run->arena);
    const char *slash = strrchr(source->path, '/');
    const size_t size = slash == NULL ? 0 : (size_t)(slash - source->path);
    char *folder = fb_arena_copy(run->arena, source->path, size);
    char *last = folder == NULL ? NULL : strrchr(folder, '/');

    if (folder == NULL || folder[0] != '/') {
        return NULL;
    }
    if (last != NULL && (strcmp(last, "/.cursor") == 0 || strcmp(last, "/.vscode") == 0 ||
                         strcmp(last, "/.gemini") == 0)) {
        *last = '\0';
    }
    return strcmp(folder, home) == 0 ? NULL : folder;
}

static bool judge_source(const struct run *run, struct plan *plan, size_t source)
{
    const struct fb_servers *servers = &plan->servers[source];
    const char *folder = project_folder(run, &plan->sources[source]);

    for (size_t i = 0; i < servers->count; i++) {
        struct item *item = &plan->items[plan->item_count++];

        *item = (struct item){.source = &plan->sources[source]};
        if (!merge_settle(&servers->items[i], folder, run->arena, &item->entry)) {
            return false;
        }
        item->verdict = merge_judge(&item->entry, &plan->ours, plan->known, plan->known_count,
                                    import_options.replace);
        if (item->verdict == MERGE_ADDED || item->verdict == MERGE_REPLACED) {
            plan->taken[plan->taken_count++] = &item->entry;
        }
        if (item->verdict == MERGE_ADDED || item->verdict == MERGE_REPLACED ||
            item->verdict == MERGE_SAME) {
            plan->known[plan->known_count++] = &item->entry;
        }
    }
    return true;
}

static struct fb_status read_ours(const struct run *run, struct plan *plan)
{
    const struct fb_servers_plan as_written = {.verbatim = true};
    struct fb_status status =
        fb_document_load(run->config_path, FB_DOCUMENT_BYTES, run->arena, &plan->ours_text);

    if (status.code == FB_NOT_FOUND) {
        plan->ours_text = (struct fb_text){.data = NULL};
        return fb_ok;
    }
    if (fb_is_ok(status) && plan->ours_text.size > 0) {
        status = fb_servers_parse(&as_written, run->config_path, plan->ours_text, run->arena,
                                  &plan->ours);
    }
    return status;
}

static struct fb_status make_plan(const struct run *run, struct plan *plan)
{
    struct fb_status status = read_ours(run, plan);
    size_t total = 0;

    if (!fb_is_ok(status)) {
        return status;
    }
    find_sources(run, plan);
    for (size_t i = 0; i < plan->source_count; i++) {
        plan->states[i] = fb_import_read(plan->sources[i].path, run->arena, &plan->servers[i]);
        if (!fb_is_ok(plan->states[i])) {
            const char *why = fb_arena_printf(run->arena, "%s", plan->states[i].why);

            plan->states[i].why = why == NULL ? "" : why;
            plan->servers[i].count = 0;
        }
        total += plan->servers[i].count;
    }
    plan->items = fb_arena_zalloc(run->arena, total + 1, sizeof(*plan->items));
    plan->taken = fb_arena_zalloc(run->arena, total + 1, sizeof(struct fb_server_entry *));
    plan->known = fb_arena_zalloc(run->arena, total + 1, sizeof(struct fb_server_entry *));
    if (plan->items == NULL || plan->taken == NULL || plan->known == NULL) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for the servers");
    }
    for (size_t i = 0; i < plan->source_count; i++) {
        if (!judge_source(run, plan, i)) {
            return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for the servers");
        }
    }
    return fb_ok;
}

/* --- what is shown --- */

/* How a verdict is shown. */
static const struct {
    const char *mark;
    enum terminal_colour colour;
    const char *words;
} shown[MERGE_VERDICTS] = {
    [MERGE_ADDED] = {"+", TERMINAL_GOOD, ""},
    [MERGE_SAME] = {"=", TERMINAL_DIM, "  (there already)"},
    [MERGE_DIFFERS] = {"~", TERMINAL_WARN, "  (ours differs and stays; --replace takes this one)"},
    [MERGE_REPLACED] = {"~", TERMINAL_GOOD, "  (in place of ours)"},
    [MERGE_CONFLICT] = {"!", TERMINAL_BAD,
                        "  (not taken: another client above has one of that name)"},
    [MERGE_OURSELF] = {"-", TERMINAL_DIM, "  (our own gateway)"},
    [MERGE_UNUSABLE] = {"!", TERMINAL_BAD,
                        "  (not taken: it names what only its client knows, as ${workspaceFolder} "
                        "outside of a project; write values in their place)"},
};

static void show_item(const struct plan *plan, const struct item *item)
{
    const struct fb_server_entry *present = fb_servers_find(&plan->ours, item->entry.name);
    struct fb_buffer line = {.limit_bytes = PRINTED_BYTES};
    struct fb_buffer inputs = {.limit_bytes = PRINTED_BYTES};

    fb_buffer_printf(&line, "  %s%s%s %-20s ", terminal_colour(shown[item->verdict].colour),
                     shown[item->verdict].mark, terminal_colour(TERMINAL_PLAIN), item->entry.name);
    merge_describe(&item->entry, &line);
    fb_buffer_printf(&line, "%s\n",
                     item->verdict == MERGE_ADDED && item->entry.kind != FB_SERVER_STDIO
                         ? "  (reached by HTTP: left out when the suite runs)"
                         : shown[item->verdict].words);
    merge_inputs(&item->entry, &inputs);
    if (inputs.size > 0 && (item->verdict == MERGE_ADDED || item->verdict == MERGE_REPLACED)) {
        fb_buffer_printf(&line, "    %-21sgive values under flow.inputs of our file: ", "wants:");
        fb_buffer_append(&line, inputs.data, inputs.size);
        fb_buffer_string(&line, "\n");
    }
    fb_buffer_finish(&inputs);
    if ((item->verdict == MERGE_DIFFERS || item->verdict == MERGE_REPLACED) && present != NULL) {
        fb_buffer_printf(&line, "    %-21s", "ours:");
        merge_describe(present, &line);
        fb_buffer_string(&line, "\n");
    }
    terminal_write((struct fb_text){.data = line.data, .size = line.size});
    fb_buffer_finish(&line);
}

static void show_notes(const struct fb_notes *notes)
{
    for (size_t i = 0; i < notes->count; i++) {
        if (notes->items[i].kind != FB_NOTE_HINT) {
            terminal_complain(NULL, "%s", notes->items[i].text);
        }
    }
}

static void show_plan(const struct run *run, const struct plan *plan)
{
    for (size_t i = 0; i < plan->source_count; i++) {
        if (plan->states[i].code == FB_NOT_FOUND && run->arg_count == 0) {
            continue;
        }
        if (!fb_is_ok(plan->states[i])) {
            terminal_complain(NULL, "%s", plan->states[i].why);
            continue;
        }
        terminal_print("%s%s%s  %s\n", terminal_colour(TERMINAL_BOLD), plan->sources[i].title,
                       terminal_colour(TERMINAL_PLAIN), plan->sources[i].path);
        show_notes(&plan->servers[i].notes);
        if (plan->servers[i].count == 0) {
            terminal_print("  no servers\n");
        }
        for (size_t j = 0; j < plan->item_count; j++) {
            if (plan->items[j].source == &plan->sources[i]) {
                show_item(plan, &plan->items[j]);
            }
        }
    }
}

static void write_plan(const struct run *run, const struct plan *plan, bool written,
                       const char *backup)
{
    struct writer writer = {.depth = 0};

    writer_open(&writer, '{');
    writer_key_string(&writer, "path", run->config_path);
    writer_key_bool(&writer, "written", written);
    writer_key_string(&writer, "backup", backup);
    writer_key(&writer, "sources");
    writer_open(&writer, '[');
    for (size_t i = 0; i < plan->source_count; i++) {
        if (plan->states[i].code == FB_NOT_FOUND && run->arg_count == 0) {
            continue;
        }
        writer_open(&writer, '{');
        writer_key_string(&writer, "client", plan->sources[i].client);
        writer_key_string(&writer, "path", plan->sources[i].path);
        writer_key_string(&writer, "error", fb_is_ok(plan->states[i]) ? NULL : plan->states[i].why);
        writer_key(&writer, "servers");
        writer_open(&writer, '[');
        for (size_t j = 0; j < plan->item_count; j++) {
            if (plan->items[j].source == &plan->sources[i]) {
                writer_open(&writer, '{');
                writer_key_string(&writer, "name", plan->items[j].entry.name);
                writer_key_string(&writer, "verdict", merge_names[plan->items[j].verdict]);
                writer_close(&writer, '}');
            }
        }
        writer_close(&writer, ']');
        writer_close(&writer, '}');
    }
    writer_close(&writer, ']');
    writer_close(&writer, '}');
    writer_send(&writer);
}

/* --- what is written --- */

/* The entry's JSON as it goes into a file; empty when memory is exhausted. */
static struct fb_text print_entry(const struct fb_server_entry *entry, struct fb_arena *arena)
{
    struct fb_server_entry copy = *entry;
    const struct fb_servers one = {.items = &copy, .count = 1};
    struct fb_buffer text = {.limit_bytes = FB_DOCUMENT_BYTES};
    struct fb_text value = {.data = NULL};
    struct fb_json_walk walk;

    fb_servers_print(&one, &text);
    if (!text.failed && fb_json_find((struct fb_text){.data = text.data, .size = text.size},
                                     "mcpServers", &value)) {
        walk = fb_json_walk(value);
        value = fb_json_next(&walk) ? walk.value : (struct fb_text){.data = NULL};
    }
    if (value.size > 0) {
        value.data = fb_arena_copy(arena, value.data, value.size);
        value.size = value.data == NULL ? 0 : value.size;
    }
    fb_buffer_finish(&text);
    return value;
}

/* What we are about to write must say what it is to say. */
static struct fb_status check_result(const struct run *run, const struct plan *plan,
                                     struct fb_text text)
{
    const struct fb_servers_plan as_written = {.verbatim = true};
    struct fb_servers servers = {.items = NULL};
    const struct fb_status status =
        fb_servers_parse(&as_written, run->config_path, text, run->arena, &servers);

    if (!fb_is_ok(status)) {
        return fb_fail(FB_INTERNAL, "the new file would not be readable; nothing was written");
    }
    for (size_t i = 0; i < plan->taken_count; i++) {
        const struct fb_server_entry *entry = fb_servers_find(&servers, plan->taken[i]->name);

        if (entry == NULL || !merge_equal(entry, plan->taken[i])) {
            return fb_arena_fail(run->arena, FB_INTERNAL,
                                 "server %s would not read back as it is; nothing was written",
                                 plan->taken[i]->name);
        }
    }
    return fb_ok;
}

static struct fb_status write_ours(const struct run *run, const struct plan *plan,
                                   const char **backup)
{
    struct splice_member *members =
        fb_arena_zalloc(run->arena, plan->taken_count, sizeof(*members));
    struct fb_buffer text = {.limit_bytes = FB_DOCUMENT_BYTES};
    struct fb_status status = fb_ok;

    for (size_t i = 0; members != NULL && i < plan->taken_count; i++) {
        members[i] = (struct splice_member){
            .name = plan->taken[i]->name,
            .value = print_entry(plan->taken[i], run->arena),
        };
        if (members[i].value.size == 0) {
            members = NULL;
        }
    }
    if (members == NULL) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for the servers");
    }
    status = splice_put(run->config_path, plan->ours_text, "mcpServers", members, plan->taken_count,
                        run->arena, &text);
    if (fb_is_ok(status) && text.failed) {
        status = fb_fail(FB_RESOURCE_EXHAUSTED, "the new file would be larger than 4 MiB");
    }
    if (fb_is_ok(status)) {
        status = check_result(run, plan, (struct fb_text){.data = text.data, .size = text.size});
    }
    if (fb_is_ok(status)) {
        status =
            replace_file(run->config_path, (struct fb_text){.data = text.data, .size = text.size},
                         run->arena, backup);
    }
    fb_buffer_finish(&text);
    return status;
}

static bool may_write(const struct run *run, const char *question)
{
    if (import_options.dry_run) {
        return false;
    }
    if (import_options.yes || (!run->globals->json && terminal_ask(question))) {
        return true;
    }
    if (!terminal_can_ask() || run->globals->json) {
        terminal_complain("repeat it with --yes", "nothing was written");
    }
    return false;
}

static int fail(const struct fb_status status)
{
    terminal_complain(status.code == FB_INVALID_ARGUMENT ? "mend the file first" : NULL, "%s",
                      status.why);
    return status.code == FB_INVALID_ARGUMENT ? EXIT_CONFIG : connect_exit_code(status.code);
}

static int import_servers(const struct run *run)
{
    struct plan *plan = fb_arena_zalloc(run->arena, 1, sizeof(*plan));
    const char *backup = NULL;
    bool written = false;
    bool found = false; /* any file */
    int code = EXIT_DONE;
    struct fb_status status;

    if (plan == NULL) {
        return EXIT_INTERNAL;
    }
    status = make_plan(run, plan);
    if (!fb_is_ok(status)) {
        return fail(status);
    }
    for (size_t i = 0; i < plan->source_count; i++) {
        const bool is_absent = plan->states[i].code == FB_NOT_FOUND && run->arg_count == 0;

        code = fb_is_ok(plan->states[i]) || is_absent ? code : EXIT_NEGATIVE;
        found = found || !is_absent;
    }
    if (!run->globals->json) {
        show_plan(run, plan);
    }
    if (plan->taken_count > 0 &&
        may_write(run, fb_arena_printf(run->arena, "Write %zu %s into %s?", plan->taken_count,
                                       plan->taken_count == 1 ? "server" : "servers",
                                       run->config_path))) {
        status = write_ours(run, plan, &backup);
        if (!fb_is_ok(status)) {
            return fail(status);
        }
        written = true;
    }
    if (run->globals->json) {
        write_plan(run, plan, written, backup);
    } else if (!found) {
        terminal_print("no file of an MCP client is where such files usually are; name yours: "
                       "flowctl import FILE\n");
    } else if (plan->taken_count == 0) {
        terminal_print("nothing to add to %s\n", run->config_path);
    } else if (written) {
        terminal_print("wrote %s%s%s\nA suite that runs sees it after \"flowctl down\" and "
                       "\"flowctl up\".\n",
                       run->config_path, backup == NULL ? "" : "; the old one is ",
                       backup == NULL ? "" : backup);
    }
    return code;
}

/* --- the other way --- */

/* VS Code calls it `servers`; everybody else `mcpServers`. */
static const char *object_of(const char *path, struct fb_text text, struct fb_arena *arena)
{
    struct fb_document document = {.path = path};
    struct fb_document_member member;
    const char *key = strstr(path, "/.vscode/") != NULL || strstr(path, "/Code/User/") != NULL
                          ? "servers"
                          : "mcpServers";

    if (text.size > 0 && fb_is_ok(fb_document_parse(path, text, arena, &document))) {
        if (fb_document_find(&document, fb_document_root(&document), "mcpServers", &member)) {
            key = "mcpServers";
        } else if (fb_document_find(&document, fb_document_root(&document), "servers", &member)) {
            key = "servers";
        }
    }
    fb_document_finish(&document);
    return key;
}

static struct fb_status put_gateway(const struct run *run, const char *path, struct fb_text before,
                                    struct fb_buffer *entry, struct fb_buffer *after)
{
    const char *gateway = suite_beside("flow-gateway", run->arena);
    const struct splice_member *member;

    if (gateway == NULL || access(gateway, X_OK) != 0) {
        return fb_arena_fail(run->arena, FB_NOT_FOUND,
                             "flow-gateway is not beside flowctl (%s), so there is nothing to name",
                             gateway == NULL ? "no /proc" : gateway);
    }
    suite_client_entry(
        gateway,
        run->globals->state_dir == NULL ? NULL : fb_config_absolute(run->arena, run->state_dir),
        run->config_given ? fb_config_absolute(run->arena, run->config_path) : NULL, entry);
    member = &(struct splice_member){
        .name = gateway_name,
        .value = {.data = entry->data, .size = entry->size},
    };
    return splice_put(path, before, object_of(path, before, run->arena), member, 1, run->arena,
                      after);
}

static int write_client(const struct run *run)
{
    const char *path = fb_config_absolute(run->arena, import_options.write_client);
    struct fb_text before = {.data = NULL};
    struct fb_buffer entry = {.data = NULL};
    struct fb_buffer after = {.limit_bytes = FB_DOCUMENT_BYTES};
    struct writer writer = {.depth = 0};
    const char *backup = NULL;
    bool written = false;
    struct fb_status status = fb_fail(FB_INVALID_ARGUMENT, "--write-client: no folder to be in");

    if (path != NULL) {
        status = fb_document_load(path, FB_DOCUMENT_BYTES, run->arena, &before);
        status = status.code == FB_NOT_FOUND ? fb_ok : status;
    }
    if (fb_is_ok(status)) {
        status = put_gateway(run, path, before, &entry, &after);
    }
    if (fb_is_ok(status) && !run->globals->json) {
        terminal_print("%s\n  %s+%s %s: %.*s\n", path, terminal_colour(TERMINAL_GOOD),
                       terminal_colour(TERMINAL_PLAIN), gateway_name, (int)entry.size, entry.data);
    }
    if (fb_is_ok(status) &&
        may_write(run, fb_arena_printf(run->arena, "Write it into %s?", path))) {
        status = replace_file(path, (struct fb_text){.data = after.data, .size = after.size},
                              run->arena, &backup);
        written = fb_is_ok(status);
    }
    if (fb_is_ok(status) && run->globals->json) {
        writer_open(&writer, '{');
        writer_key_string(&writer, "path", path);
        writer_key_bool(&writer, "written", written);
        writer_key_string(&writer, "backup", backup);
        writer_close(&writer, '}');
        writer_send(&writer);
    } else if (written) {
        terminal_print("wrote %s%s%s\nIts other servers stay: take them over with \"flowctl "
                       "import\", then remove them there.\n",
                       path, backup == NULL ? "" : "; the old one is ",
                       backup == NULL ? "" : backup);
    }
    fb_buffer_finish(&entry);
    fb_buffer_finish(&after);
    return fb_is_ok(status) ? EXIT_DONE : fail(status);
}

static int import(const struct run *run)
{
    return import_options.write_client == NULL ? import_servers(run) : write_client(run);
}

const struct command command_import = {
    .name = "import",
    .usage = "[FILE...]",
    .purpose = "take over the servers of other MCP clients",
    .details = "Looks at the files that Claude Code, Claude Desktop, Cursor, VS Code, Gemini CLI, "
               "LM Studio\n"
               "and Windsurf keep, in the home and in the present folder, or at the FILEs named; "
               "shows what\n"
               "would come into our configuration file, then asks. Their files are not touched. "
               "Values stay\n"
               "as they are written there, ${VAR} too. The file before is kept beside as a backup",
    .options = import_table,
    .config = &import_options,
    .most_args = FB_OPTION_REST,
    .run = import,
};
