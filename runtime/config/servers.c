#include "runtime/config/servers.h"

#include <jansson.h>
#include <string.h>

#include "runtime/config/document.h"
#include "runtime/config/environment.h"
#include "runtime/config/expand.h"
#include "runtime/config/server_entry.h"

enum { FIRST_ROOM = 16 };

/* Where ${NAME} is looked up: the caller's function, or our environment. */
struct variables {
    fb_variable_fn *fn;
    void *context;
};

/* Where ${input:id} is looked up. */
struct inputs {
    const json_t *given;                  /* `flow.inputs`: an object of strings */
    const json_t *declared;               /* VS Code's `inputs`: an array with ids and defaults */
    const struct fb_expansion *expansion; /* for values like ${env:TOKEN} */
    struct fb_arena *arena;
};

/* A file while its servers are collected. */
struct reading {
    const struct fb_servers_plan *plan;
    struct fb_document document;
    struct fb_server_flow fallbacks;
    struct variables variables;
    struct inputs inputs;
    struct fb_expansion expansion;
    struct fb_entry_reader entries;
    struct fb_servers *servers;
    size_t room; /* of servers->items */
    size_t seen; /* entries, also those that were skipped */
    bool no_memory;
};

static const char *look_up_variable(const void *context, const char *name)
{
    const struct variables *variables = context;

    return variables->fn == NULL ? fb_config_environment(name)
                                 : variables->fn(variables->context, name);
}

static const char *look_up_input(const void *context, const char *id)
{
    const struct inputs *inputs = context;
    const char *value = json_string_value(json_object_get(inputs->given, id));

    for (size_t i = 0; value == NULL && i < json_array_size(inputs->declared); i++) {
        const json_t *input = json_array_get(inputs->declared, i);
        const char *each = json_string_value(json_object_get(input, "id"));

        if (each != NULL && strcmp(each, id) == 0) {
            value = json_string_value(json_object_get(input, "default"));
        }
    }
    if (value == NULL || !fb_is_ok(fb_expand(inputs->expansion, value, inputs->arena, &value))) {
        return NULL;
    }
    return value;
}

static const char *directory_of(const char *path, struct fb_arena *arena)
{
    const char *slash = strrchr(path, '/');

    if (slash == NULL) {
        return ".";
    }
    return fb_arena_copy(arena, path, slash == path ? 1 : (size_t)(slash - path));
}

static void note(struct reading *reading, enum fb_note_kind kind, size_t at, const char *path,
                 const char *words)
{
    struct fb_notes *notes = &reading->servers->notes;
    struct fb_arena *arena = reading->entries.arena;
    const char *place = notes->count < FB_NOTES_MOST
                            ? fb_document_place(&reading->document, arena, at)
                            : reading->document.path;

    fb_notes_add(notes, arena, kind, NULL, "%s: %.200s: %s", place, path, words);
}

static void note_nearest(struct reading *reading, size_t at, const char *path, const char *nearest)
{
    const char *words =
        fb_arena_printf(reading->entries.arena, "unknown key, did you mean \"%s\"?", nearest);

    note(reading, FB_NOTE_WARNING, at, path, words == NULL ? "unknown key" : words);
}

static struct fb_server_entry *add(struct reading *reading)
{
    struct fb_servers *servers = reading->servers;

    if (servers->count == reading->room) {
        const size_t room = reading->room == 0 ? FIRST_ROOM : reading->room * 2;
        struct fb_server_entry *items =
            fb_arena_zalloc(reading->entries.arena, room, sizeof(*items));

        if (items == NULL) {
            reading->no_memory = true;
            return NULL;
        }
        if (servers->count > 0) {
            memcpy(items, servers->items, servers->count * sizeof(*items));
        }
        servers->items = items;
        reading->room = room;
    }
    return &servers->items[servers->count];
}

/* The entries of an object of servers at `at`, which `path` leads to. */
static void read_entries(struct reading *reading, const json_t *object, size_t at, const char *path,
                         const char *project)
{
    struct fb_arena *arena = reading->entries.arena;
    struct fb_document_member member;
    size_t cursor = at;

    if (!json_is_object(object)) {
        note(reading, FB_NOTE_ERROR, at, path, "wanted an object of servers in braces");
        return;
    }
    while (!reading->no_memory && fb_document_next(&reading->document, arena, &cursor, &member)) {
        struct fb_server_entry *server = add(reading);
        const char *entry_path = fb_arena_printf(arena, "%s.%.128s", path, member.key);

        if (++reading->seen > FB_SERVERS_MOST) {
            note(reading, FB_NOTE_ERROR, member.key_at, path,
                 "more than 1000 servers; the rest is left out");
            return;
        }
        if (server == NULL || entry_path == NULL) {
            reading->no_memory = true;
            return;
        }
        if (fb_server_entry_read(&reading->entries, member.key, entry_path,
                                 json_object_get(object, member.key), member.value_at, server)) {
            server->project = project;
            reading->servers->count++;
        }
    }
    reading->no_memory = reading->no_memory || cursor == FB_DOCUMENT_EXHAUSTED;
}

/* The member `key` of the object at `at`, if there is one, as an object of servers. */
static void read_section(struct reading *reading, const json_t *object, size_t at, const char *key,
                         const char *path, const char *project)
{
    struct fb_document_member member;

    if (fb_document_find(&reading->document, at, key, &member)) {
        read_entries(reading, json_object_get(object, key), member.value_at, path, project);
    }
}

/* Claude Code keeps servers by project: {"projects": {"/path": {"mcpServers": {…}}}}. */
static void read_projects(struct reading *reading)
{
    const json_t *projects = json_object_get(reading->document.root, "projects");
    struct fb_arena *arena = reading->entries.arena;
    struct fb_document_member member;
    size_t cursor;

    if (!json_is_object(projects) ||
        !fb_document_find(&reading->document, fb_document_root(&reading->document), "projects",
                          &member)) {
        return;
    }
    cursor = member.value_at;
    while (fb_document_next(&reading->document, arena, &cursor, &member)) {
        const char *path = fb_arena_printf(arena, "projects.%.1000s.mcpServers", member.key);

        if (path != NULL) {
            read_section(reading, json_object_get(projects, member.key), member.value_at,
                         "mcpServers", path, member.key);
        }
    }
    reading->no_memory = reading->no_memory || cursor == FB_DOCUMENT_EXHAUSTED;
}

/* VS Code's settings.json keeps what mcp.json has under "mcp". */
static void read_settings(struct reading *reading)
{
    const json_t *mcp = json_object_get(reading->document.root, "mcp");
    struct fb_document_member member;

    if (json_is_object(mcp) &&
        fb_document_find(&reading->document, fb_document_root(&reading->document), "mcp",
                         &member)) {
        read_section(reading, mcp, member.value_at, "servers", "mcp.servers", NULL);
    }
}

/*
 * At the top only what is nearly one of ours is worth a word: users point us at files of clients
 * that keep much else there.
 */
static void check_top(struct reading *reading)
{
    static const char *const known[] = {"flow", "inputs", "mcpServers", "servers"};
    struct fb_document_member member;
    size_t cursor = fb_document_root(&reading->document);

    while (fb_document_next(&reading->document, reading->entries.arena, &cursor, &member)) {
        const char *nearest = fb_text_nearest(member.key, known, sizeof(known) / sizeof(known[0]));

        if (nearest != NULL && strcmp(nearest, member.key) != 0) {
            note_nearest(reading, member.key_at, member.key, nearest);
        }
    }
}

static void check_flow_key(struct reading *reading, const struct fb_document_member *member)
{
    static const char *const known[] = {"flowctl", "gateway", "inputs",     "router",
                                        "servers", "store",   "supervisor", "worker"};
    const size_t count = sizeof(known) / sizeof(known[0]);
    const char *nearest = fb_text_nearest(member->key, known, count);
    const char *path = fb_arena_printf(reading->entries.arena, "flow.%.100s", member->key);

    for (size_t i = 0; i < count; i++) {
        if (strcmp(known[i], member->key) == 0) {
            return;
        }
    }
    if (path == NULL) {
        reading->no_memory = true;
    } else if (nearest != NULL) {
        note_nearest(reading, member->key_at, path, nearest);
    } else {
        note(reading, FB_NOTE_WARNING, member->key_at, path, "unknown key");
    }
}

/* What of the top-level `flow` concerns servers; the programs read their own sections. */
static void read_flow(struct reading *reading)
{
    const json_t *flow = json_object_get(reading->document.root, "flow");
    struct fb_document_member member;
    size_t cursor;

    if (!fb_document_find(&reading->document, fb_document_root(&reading->document), "flow",
                          &member)) {
        return;
    }
    if (!json_is_object(flow)) {
        note(reading, FB_NOTE_ERROR, member.value_at, "flow", "wanted an object in braces");
        return;
    }
    cursor = member.value_at;
    while (fb_document_next(&reading->document, reading->entries.arena, &cursor, &member)) {
        const json_t *value = json_object_get(flow, member.key);

        check_flow_key(reading, &member);
        if (strcmp(member.key, "inputs") == 0) {
            reading->inputs.given = value;
        }
        if (strcmp(member.key, "servers") != 0) {
            continue;
        }
        if (json_is_object(value)) {
            fb_server_flow_read(&reading->entries, NULL, "flow.servers", value, member.value_at,
                                &reading->fallbacks);
        } else {
            note(reading, FB_NOTE_ERROR, member.value_at, "flow.servers",
                 "wanted an object in braces");
        }
    }
    reading->no_memory = reading->no_memory || cursor == FB_DOCUMENT_EXHAUSTED;
}

static int by_name(const void *a, const void *b)
{
    const struct fb_server_entry *first = a;
    const struct fb_server_entry *second = b;
    const int order = strcmp(first->name, second->name);

    if (order != 0) {
        return order;
    }
    return strcmp(first->project == NULL ? "" : first->project,
                  second->project == NULL ? "" : second->project);
}

/* Insertion keeps equal ones in the order of the file; it is nearly sorted, or short. */
static void sort(struct fb_servers *servers)
{
    for (size_t i = 1; i < servers->count; i++) {
        const struct fb_server_entry server = servers->items[i];
        size_t at = i;

        while (at > 0 && by_name(&servers->items[at - 1], &server) > 0) {
            servers->items[at] = servers->items[at - 1];
            at--;
        }
        servers->items[at] = server;
    }
}

/* Of servers with one name the last counts, as it does for keys of JSON. */
static void drop_duplicates(struct fb_servers *servers, const char *path, struct fb_arena *arena)
{
    size_t kept = 0;

    for (size_t i = 0; i < servers->count; i++) {
        if (i + 1 < servers->count && by_name(&servers->items[i], &servers->items[i + 1]) == 0) {
            fb_notes_add(&servers->notes, arena, FB_NOTE_WARNING, servers->items[i].name,
                         "%s: %s: there are several of this name; the last one counts", path,
                         servers->items[i].name);
        } else {
            servers->items[kept++] = servers->items[i];
        }
    }
    servers->count = kept;
}

static void read_document(struct reading *reading)
{
    const json_t *root = reading->document.root;
    const size_t at = fb_document_root(&reading->document);

    reading->inputs.declared = json_object_get(root, "inputs");
    if (!reading->plan->foreign) {
        check_top(reading);
        read_flow(reading);
    }
    read_section(reading, root, at, "servers", "servers", NULL);
    read_section(reading, root, at, "mcpServers", "mcpServers", NULL);
    if (reading->plan->foreign) {
        read_settings(reading);
        read_projects(reading);
    }
    sort(reading->servers);
    drop_duplicates(reading->servers, reading->document.path, reading->entries.arena);
}

static struct fb_status read_parsed(const struct fb_servers_plan *plan,
                                    const struct fb_document *document, struct fb_arena *arena,
                                    struct fb_servers *servers)
{
    struct reading reading = {
        .plan = plan,
        .document = *document,
        .servers = servers,
        .variables = {.fn = plan->variable, .context = plan->context},
        .expansion = {.home = plan->home,
                      .workspace = plan->workspace,
                      .variable = look_up_variable,
                      .input = look_up_input},
    };
    struct fb_expansion without_inputs;

    reading.expansion.variables = &reading.variables;
    reading.expansion.inputs = &reading.inputs;
    without_inputs = reading.expansion;
    without_inputs.input = NULL;
    reading.inputs.expansion = &without_inputs;
    reading.inputs.arena = arena;
    reading.entries = (struct fb_entry_reader){
        .document = &reading.document,
        .expansion = plan->verbatim ? NULL : &reading.expansion,
        .fallbacks = &reading.fallbacks,
        .directory = directory_of(document->path, arena),
        .home = plan->home,
        .arena = arena,
        .notes = &servers->notes,
    };
    if (reading.entries.directory == NULL ||
        !fb_option_set_fallbacks(fb_server_options, &reading.fallbacks, arena)) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for the servers");
    }
    read_document(&reading);
    return reading.no_memory ? fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for the servers") : fb_ok;
}

struct fb_status fb_servers_parse(const struct fb_servers_plan *plan, const char *path,
                                  struct fb_text text, struct fb_arena *arena,
                                  struct fb_servers *servers)
{
    struct fb_document document = {.path = path};
    struct fb_status status = fb_document_parse(path, text, arena, &document);

    *servers = (struct fb_servers){.count = 0};
    if (fb_is_ok(status)) {
        status = read_parsed(plan, &document, arena, servers);
    }
    fb_document_finish(&document);
    return status;
}

struct fb_status fb_servers_read(const struct fb_servers_plan *plan, const char *path,
                                 struct fb_arena *arena, struct fb_servers *servers)
{
    struct fb_document document = {.path = path};
    struct fb_status status = fb_document_read(path, arena, &document);

    *servers = (struct fb_servers){.count = 0};
    if (fb_is_ok(status)) {
        status = read_parsed(plan, &document, arena, servers);
    }
    fb_document_finish(&document);
    return status;
}

const struct fb_server_entry *fb_servers_find(const struct fb_servers *servers, const char *name)
{
    for (size_t i = 0; i < servers->count; i++) {
        if (strcmp(servers->items[i].name, name) == 0) {
            return &servers->items[i];
        }
    }
    return NULL;
}

static void print_string(struct fb_buffer *out, const char *key, const char *value)
{
    fb_buffer_printf(out, ",\n      \"%s\": ", key);
    fb_buffer_json_string(out, fb_text_of(value));
}

/* "name<between>value" as members of an object. */
static void print_pairs(struct fb_buffer *out, const char *key, const char *const *pairs,
                        const char *between)
{
    if (pairs[0] == NULL) {
        return;
    }
    fb_buffer_printf(out, ",\n      \"%s\": {", key);
    for (size_t i = 0; pairs[i] != NULL; i++) {
        const char *value = strstr(pairs[i], between);

        fb_buffer_string(out, i == 0 ? "\n        " : ",\n        ");
        fb_buffer_json_string(
            out, (struct fb_text){.data = pairs[i], .size = (size_t)(value - pairs[i])});
        fb_buffer_string(out, ": ");
        fb_buffer_json_string(out, fb_text_of(value + strlen(between)));
    }
    fb_buffer_string(out, "\n      }");
}

static void print_arguments(struct fb_buffer *out, const char *const *argv)
{
    print_string(out, "command", argv[0]);
    if (argv[1] == NULL) {
        return;
    }
    fb_buffer_string(out, ",\n      \"args\": [");
    for (size_t i = 1; argv[i] != NULL; i++) {
        fb_buffer_string(out, i == 1 ? "" : ", ");
        fb_buffer_json_string(out, fb_text_of(argv[i]));
    }
    fb_buffer_string(out, "]");
}

/* Only what differs from the fallbacks: told by how it would be printed. */
static void print_flow(struct fb_buffer *out, const struct fb_server_flow *flow,
                       const struct fb_server_flow *fallbacks)
{
    const char *before = ",\n      \"flow\": {";
    struct fb_buffer value = {0};
    struct fb_buffer fallback = {0};

    for (const struct fb_option *option = fb_server_options; option->name != NULL; option++) {
        fb_buffer_clear(&value, SIZE_MAX);
        fb_buffer_clear(&fallback, SIZE_MAX);
        fb_option_print(option, flow, &value);
        fb_option_print(option, fallbacks, &fallback);
        if (value.size == fallback.size && memcmp(value.data, fallback.data, value.size) == 0) {
            continue;
        }
        fb_buffer_printf(out, "%s\n        \"%s\": ", before, option->name);
        fb_buffer_append(out, value.data, value.size);
        before = ",";
    }
    fb_buffer_string(out, strcmp(before, ",") == 0 ? "\n      }" : "");
    out->failed = out->failed || value.failed || fallback.failed;
    fb_buffer_finish(&value);
    fb_buffer_finish(&fallback);
}

static void print_server(struct fb_buffer *out, const struct fb_server_entry *server,
                         const struct fb_server_flow *fallbacks)
{
    static const char *const types[] = {
        [FB_SERVER_STDIO] = "stdio", [FB_SERVER_HTTP] = "http", [FB_SERVER_SSE] = "sse"};
    const char *cwd = server->cwd == NULL ? server->project : server->cwd;

    fb_buffer_string(out, "\n    ");
    fb_buffer_json_string(out, fb_text_of(server->name));
    fb_buffer_printf(out, ": {\n      \"type\": \"%s\"", types[server->kind]);
    if (server->kind == FB_SERVER_STDIO) {
        print_arguments(out, server->argv);
        if (cwd != NULL) {
            print_string(out, "cwd", cwd);
        }
        if (server->env_file != NULL) {
            print_string(out, "envFile", server->env_file);
        }
        print_pairs(out, "env", server->env, "=");
    } else {
        print_string(out, "url", server->url);
        print_pairs(out, "headers", server->headers, ": ");
    }
    if (!server->enabled) {
        fb_buffer_string(out, ",\n      \"disabled\": true");
    }
    print_flow(out, &server->flow, fallbacks);
    fb_buffer_string(out, "\n    }");
}

void fb_servers_print(const struct fb_servers *servers, struct fb_buffer *out)
{
    struct fb_server_flow fallbacks;
    struct fb_arena arena;
    const char *before = "";

    fb_arena_init(&arena, 0);
    if (!fb_option_set_fallbacks(fb_server_options, &fallbacks, &arena)) {
        out->failed = true;
        fb_arena_finish(&arena);
        return;
    }
    fb_buffer_string(out, "{\n  \"mcpServers\": {");
    for (size_t i = 0; i < servers->count; i++) {
        if (i > 0 && strcmp(servers->items[i - 1].name, servers->items[i].name) == 0) {
            continue;
        }
        fb_buffer_string(out, before);
        print_server(out, &servers->items[i], &fallbacks);
        before = ",";
    }
    fb_buffer_string(out, before[0] == ',' ? "\n  }\n}\n" : "}\n}\n");
    fb_arena_finish(&arena);
}
