#include "runtime/config/server_entry.h"

#include <stdio.h>
#include <string.h>

#include "runtime/config/env_list.h"
#include "runtime/config/option_json.h"
#include "runtime/config/server_digest.h"

enum { ENV_FILE_BYTES = 256 * 1024, NAMES_MOST = 64, MS_FROM = 1000 };

/* An entry while it is read. */
struct entry {
    const struct fb_entry_reader *reader;
    const char *path;               /* for words */
    struct fb_server_entry *server; /* what becomes of it */
    bool type_given;
    const char *argv[FB_SERVER_ARGS_MOST + 1]; /* command first, then arguments */
    size_t command_size;                       /* of these, those that `command` gave */
    size_t args_size;                          /* and those that `args` gave */
    const json_t *args;                        /* read when the command is known */
    struct fb_env_list env;
    struct fb_env_list headers;
};

struct entry_key;

/* FB_OK, or what is wrong with the value, without saying it. */
typedef struct fb_status read_fn(struct entry *entry, const struct entry_key *key,
                                 const json_t *value);

struct entry_key {
    const char *name;
    read_fn *read;       /* NULL: known to others, not used by us */
    const char *setting; /* ours that it stands for */
};

static struct fb_status wanted(const char *what)
{
    return fb_fail(FB_INVALID_ARGUMENT, what);
}

static struct fb_status no_memory(void)
{
    return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for the configuration");
}

/* A string of the file, expanded unless it is to stay verbatim, in the arena. */
static struct fb_status take_string(const struct entry *entry, const json_t *value,
                                    const char **out)
{
    const struct fb_entry_reader *reader = entry->reader;
    const char *text = json_string_value(value);

    if (text == NULL) {
        return wanted("wanted a string");
    }
    if (reader->expansion != NULL && strstr(text, "${") != NULL) {
        return fb_expand(reader->expansion, text, reader->arena, out);
    }
    *out = fb_arena_copy(reader->arena, text, json_string_length(value));
    return *out == NULL ? no_memory() : fb_ok;
}

/* A leading "~/" and a relative path are worked out, unless values stay verbatim. */
static struct fb_status take_path(const struct entry *entry, const json_t *value, const char **out)
{
    const struct fb_entry_reader *reader = entry->reader;
    struct fb_status status = take_string(entry, value, out);

    if (!fb_is_ok(status) || reader->expansion == NULL) {
        return status;
    }
    if ((*out)[0] == '\0') {
        return wanted("wanted a path");
    }
    if (strncmp(*out, "~/", 2) == 0) {
        *out = fb_arena_printf(reader->arena, "%s/%s", reader->home, *out + 2);
    } else if ((*out)[0] != '/') {
        *out = fb_arena_printf(reader->arena, "%s/%s", reader->directory, *out);
    }
    return *out == NULL ? no_memory() : fb_ok;
}

/* Numbers and truths are taken as they are written: env and args of hand-made files have them. */
static struct fb_status take_scalar(const struct entry *entry, const json_t *value,
                                    const char **out)
{
    struct fb_arena *arena = entry->reader->arena;

    if (json_is_integer(value)) {
        *out = fb_arena_printf(arena, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    } else if (json_is_real(value)) {
        *out = fb_arena_printf(arena, "%.17g", json_real_value(value));
    } else if (json_is_boolean(value)) {
        *out = json_is_true(value) ? "true" : "false";
    } else {
        return take_string(entry, value, out);
    }
    return *out == NULL ? no_memory() : fb_ok;
}

static struct fb_status take_arguments(struct entry *entry, const json_t *array, size_t from,
                                       size_t *count)
{
    *count = 0;
    for (size_t i = 0; i < json_array_size(array); i++) {
        struct fb_status status;

        if (from + i >= FB_SERVER_ARGS_MOST) {
            return wanted("more than 1024 arguments");
        }
        status = take_scalar(entry, json_array_get(array, i), &entry->argv[from + i]);
        if (!fb_is_ok(status)) {
            return status;
        }
        ++*count;
    }
    return fb_ok;
}

static struct fb_status read_command(struct entry *entry, const struct entry_key *key,
                                     const json_t *value)
{
    struct fb_status status;

    (void)key;
    entry->command_size = 1;
    if (json_is_array(value)) {
        status = take_arguments(entry, value, 0, &entry->command_size);
    } else {
        status = take_string(entry, value, &entry->argv[0]);
    }
    if (!fb_is_ok(status)) {
        return status;
    }
    if (entry->command_size == 0 || entry->argv[0][0] == '\0') {
        return wanted("wanted the name of a program");
    }
    if (entry->reader->expansion != NULL && strncmp(entry->argv[0], "~/", 2) == 0) {
        entry->argv[0] =
            fb_arena_printf(entry->reader->arena, "%s/%s", entry->reader->home, entry->argv[0] + 2);
    }
    return entry->argv[0] == NULL ? no_memory() : fb_ok;
}

static struct fb_status read_args(struct entry *entry, const struct entry_key *key,
                                  const json_t *value)
{
    (void)key;
    if (!json_is_array(value)) {
        return wanted("wanted a list of strings in brackets");
    }
    entry->args = value; /* it may stand before the command */
    return fb_ok;
}

static struct fb_status read_env(struct entry *entry, const struct entry_key *key,
                                 const json_t *value)
{
    struct fb_arena *arena = entry->reader->arena;
    const char *name;
    json_t *each;

    (void)key;
    if (!json_is_object(value)) {
        return wanted("wanted an object of names and strings");
    }
    json_object_foreach((json_t *)value, name, each)
    {
        const char *kept = fb_arena_copy(arena, name, strlen(name));
        const char *taken = NULL;
        struct fb_status status = fb_ok;

        if (kept == NULL) {
            return no_memory();
        }
        if (!fb_env_is_name(name)) {
            return wanted("a variable has no name, or \"=\" in it");
        }
        if (json_is_null(each)) {
            fb_env_list_remove(&entry->env, name);
            continue;
        }
        status = take_scalar(entry, each, &taken);
        if (fb_is_ok(status)) {
            status = fb_env_list_set(&entry->env, arena, FB_SERVER_ENV_MOST, kept, taken);
        }
        if (!fb_is_ok(status)) {
            return fb_arena_fail(arena, status.code, "%.100s: %s", name, status.why);
        }
    }
    return fb_ok;
}

static struct fb_status read_env_file(struct entry *entry, const struct entry_key *key,
                                      const json_t *value)
{
    struct fb_arena *arena = entry->reader->arena;
    struct fb_text text = {.size = 0};
    struct fb_status status = take_path(entry, value, &entry->server->env_file);

    (void)key;
    if (!fb_is_ok(status) || entry->reader->expansion == NULL) {
        return status;
    }
    status = fb_document_load(entry->server->env_file, ENV_FILE_BYTES, arena, &text);
    if (!fb_is_ok(status)) {
        return status;
    }
    return fb_env_list_read(&entry->env, arena, FB_SERVER_ENV_MOST, entry->server->env_file, text);
}

static struct fb_status read_cwd(struct entry *entry, const struct entry_key *key,
                                 const json_t *value)
{
    (void)key;
    if (json_is_null(value)) {
        return fb_ok;
    }
    return take_path(entry, value, &entry->server->cwd);
}

static bool is_url(const char *url)
{
    const char *rest = NULL;

    if (strncmp(url, "http://", 7) == 0) {
        rest = url + 7;
    } else if (strncmp(url, "https://", 8) == 0) {
        rest = url + 8;
    }
    if (rest == NULL || rest[0] == '\0' || rest[0] == '/') {
        return false;
    }
    for (; *rest != '\0'; rest++) {
        if ((unsigned char)*rest <= ' ' || *rest == 0x7f) {
            return false;
        }
    }
    return true;
}

static struct fb_status read_url(struct entry *entry, const struct entry_key *key,
                                 const json_t *value)
{
    struct fb_status status = take_string(entry, value, &entry->server->url);

    (void)key;
    /* Verbatim, any part of it may still be a variable. */
    if (fb_is_ok(status) && !is_url(entry->server->url) &&
        (entry->reader->expansion != NULL || strstr(entry->server->url, "${") == NULL)) {
        return wanted("wanted a URL of http or https");
    }
    return status;
}

static bool is_header_name(const char *name)
{
    for (const char *c = name; *c != '\0'; c++) {
        const char lower = (char)(*c | 0x20);

        if ((lower < 'a' || lower > 'z') && (*c < '0' || *c > '9') &&
            strchr("!#$%&'*+-.^_`|~", *c) == NULL) {
            return false;
        }
    }
    return name[0] != '\0';
}

static bool is_header_value(const char *value)
{
    for (; *value != '\0'; value++) {
        const unsigned char byte = (unsigned char)*value;

        if ((byte < ' ' && byte != '\t') || byte == 0x7f) {
            return false;
        }
    }
    return true;
}

static struct fb_status read_headers(struct entry *entry, const struct entry_key *key,
                                     const json_t *value)
{
    struct fb_arena *arena = entry->reader->arena;
    const char *name;
    json_t *each;

    (void)key;
    if (!json_is_object(value)) {
        return wanted("wanted an object of names and strings");
    }
    json_object_foreach((json_t *)value, name, each)
    {
        const char *kept = fb_arena_copy(arena, name, strlen(name));
        const char *taken = "";
        struct fb_status status = take_scalar(entry, each, &taken);

        if (kept == NULL) {
            return no_memory();
        }
        if (!is_header_name(name)) {
            return wanted("a header has no name, or one that HTTP does not allow");
        }
        if (fb_is_ok(status) && !is_header_value(taken)) {
            status = wanted("control characters are not allowed in a header");
        }
        if (fb_is_ok(status)) {
            status = fb_env_list_set(&entry->headers, arena, FB_SERVER_ENV_MOST, kept, taken);
        }
        if (!fb_is_ok(status)) {
            return fb_arena_fail(arena, status.code, "%.100s: %s", name, status.why);
        }
    }
    return fb_ok;
}

static struct fb_status read_type(struct entry *entry, const struct entry_key *key,
                                  const json_t *value)
{
    static const struct {
        const char *name;
        enum fb_server_kind kind;
    } types[] = {
        {"stdio", FB_SERVER_STDIO},         {"local", FB_SERVER_STDIO},
        {"http", FB_SERVER_HTTP},           {"streamable-http", FB_SERVER_HTTP},
        {"streamableHttp", FB_SERVER_HTTP}, {"streamable_http", FB_SERVER_HTTP},
        {"remote", FB_SERVER_HTTP},         {"sse", FB_SERVER_SSE},
    };
    const char *name = json_string_value(value);

    (void)key;
    for (size_t i = 0; name != NULL && i < sizeof(types) / sizeof(types[0]); i++) {
        if (strcmp(types[i].name, name) == 0) {
            entry->server->kind = types[i].kind;
            entry->type_given = true;
            return fb_ok;
        }
    }
    return wanted("wanted \"stdio\", \"http\" or \"sse\"");
}

static struct fb_status read_disabled(struct entry *entry, const struct entry_key *key,
                                      const json_t *value)
{
    (void)key;
    if (!json_is_boolean(value)) {
        return wanted("wanted true or false");
    }
    entry->server->enabled = entry->server->enabled && !json_is_true(value);
    return fb_ok;
}

static struct fb_status read_enabled(struct entry *entry, const struct entry_key *key,
                                     const json_t *value)
{
    (void)key;
    if (!json_is_boolean(value)) {
        return wanted("wanted true or false");
    }
    entry->server->enabled = entry->server->enabled && json_is_true(value);
    return fb_ok;
}

static struct fb_status set_ours(struct entry *entry, const char *setting, const char *value)
{
    struct fb_arena *arena = entry->reader->arena;
    const struct fb_option *option = fb_option_find(fb_server_options, setting);

    return fb_option_set_value(option, &entry->server->flow, setting, value, arena);
}

/*
 * A duration of another client. A bare number is seconds in some and milliseconds in others; nobody
 * waits for 1,000 s or for less than 1 s, so its size tells which.
 */
static struct fb_status read_duration(struct entry *entry, const struct entry_key *key,
                                      const json_t *value)
{
    char text[40];

    if (json_is_string(value)) {
        return set_ours(entry, key->setting, json_string_value(value));
    }
    if (!json_is_integer(value) || json_integer_value(value) < 0) {
        return wanted("wanted a duration like \"30s\"");
    }
    snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT "%s", json_integer_value(value),
             json_integer_value(value) < MS_FROM ? "s" : "ms");
    return set_ours(entry, key->setting, text);
}

static struct fb_status read_shared(struct entry *entry, const struct entry_key *key,
                                    const json_t *value)
{
    if (!json_is_boolean(value)) {
        return wanted("wanted true or false");
    }
    return set_ours(entry, key->setting, json_is_true(value) ? "shared" : "auto");
}

static struct fb_status read_long_lived(struct entry *entry, const struct entry_key *key,
                                        const json_t *value)
{
    if (!json_is_boolean(value)) {
        return wanted("wanted true or false");
    }
    return set_ours(entry, key->setting, json_is_true(value) ? "hot" : "auto");
}

/* Handled behind all others, as ours win. */
static struct fb_status read_flow(struct entry *entry, const struct entry_key *key,
                                  const json_t *value)
{
    (void)entry;
    (void)key;
    return json_is_object(value) ? fb_ok : wanted("wanted an object in braces");
}

static const struct entry_key entry_keys[] = {
    {"allowedTools", NULL, NULL},
    {"alwaysAllow", NULL, NULL},
    {"args", read_args, NULL},
    {"auth", NULL, NULL},
    {"autoApprove", NULL, NULL},
    {"command", read_command, NULL},
    {"cwd", read_cwd, NULL},
    {"description", NULL, NULL},
    {"dev", NULL, NULL},
    {"disabled", read_disabled, NULL},
    {"disabledTools", NULL, NULL},
    {"enabled", read_enabled, NULL},
    {"enabledTools", NULL, NULL},
    {"env", read_env, NULL},
    {"envFile", read_env_file, NULL},
    {"excludeTools", NULL, NULL},
    {"flow", read_flow, NULL},
    {"gallery", NULL, NULL},
    {"headers", read_headers, NULL},
    {"httpUrl", read_url, NULL},
    {"icon", NULL, NULL},
    {"idle_timeout", read_duration, "idle_timeout"},
    {"includeTools", NULL, NULL},
    {"lazyLoad", NULL, NULL},
    {"longLived", read_long_lived, "tier"},
    {"maxRestarts", NULL, NULL},
    {"oauth", NULL, NULL},
    {"restartDelay", NULL, NULL},
    {"restartOnExit", NULL, NULL},
    {"sandbox", NULL, NULL},
    {"serverUrl", read_url, NULL},
    {"shared", read_shared, "sharing"},
    {"singleton", read_shared, "sharing"},
    {"startup_timeout", read_duration, "start_timeout"},
    {"startup_timeout_sec", read_duration, "start_timeout"},
    {"stop_when_idle_for", read_duration, "idle_timeout"},
    {"timeout", read_duration, "timeout"},
    {"tool_timeout_sec", read_duration, "timeout"},
    {"tools", NULL, NULL},
    {"transport", read_type, NULL},
    {"transportType", read_type, NULL},
    {"trust", NULL, NULL},
    {"type", read_type, NULL},
    {"url", read_url, NULL},
    {"version", NULL, NULL},
    {"warm_start", NULL, NULL},
};

enum { ENTRY_KEYS = sizeof(entry_keys) / sizeof(entry_keys[0]) };

static const struct entry_key *find_key(const char *name)
{
    for (size_t i = 0; i < ENTRY_KEYS; i++) {
        if (strcmp(entry_keys[i].name, name) == 0) {
            return &entry_keys[i];
        }
    }
    return NULL;
}

static const char *nearest_key(const char *name)
{
    const char *names[ENTRY_KEYS];

    for (size_t i = 0; i < ENTRY_KEYS; i++) {
        names[i] = entry_keys[i].name;
    }
    return fb_text_nearest(name, names, ENTRY_KEYS);
}

static const char *nearest_setting(const char *name)
{
    const char *names[NAMES_MOST];
    size_t count = 0;

    while (fb_server_options[count].name != NULL && count < NAMES_MOST) {
        names[count] = fb_server_options[count].name;
        count++;
    }
    return fb_text_nearest(name, names, count);
}

/* Only as long as notes are kept: finding a place reads the file from its start. */
static const char *place(const struct fb_entry_reader *reader, size_t at)
{
    if (reader->notes->count >= FB_NOTES_MOST) {
        return reader->document->path;
    }
    return fb_document_place(reader->document, reader->arena, at);
}

static void note_unknown(const struct fb_entry_reader *reader, const char *server, const char *path,
                         const struct fb_document_member *member, const char *nearest)
{
    const char *at = place(reader, member->key_at);

    if (nearest == NULL) {
        fb_notes_add(reader->notes, reader->arena, FB_NOTE_WARNING, server,
                     "%s: %s.%.100s: unknown key", at, path, member->key);
    } else {
        fb_notes_add(reader->notes, reader->arena, FB_NOTE_WARNING, server,
                     "%s: %s.%.100s: unknown key, did you mean \"%s\"?", at, path, member->key,
                     nearest);
    }
}

bool fb_server_flow_read(const struct fb_entry_reader *reader, const char *server, const char *path,
                         const json_t *object, size_t at, struct fb_server_flow *flow)
{
    struct fb_document_member member;
    size_t cursor = at;
    bool right = true;

    while (fb_document_next(reader->document, reader->arena, &cursor, &member)) {
        const struct fb_option *option = fb_option_find(fb_server_options, member.key);
        struct fb_status status;
        const char *as;

        if (option == NULL) {
            note_unknown(reader, server, path, &member, nearest_setting(member.key));
            continue;
        }
        as = fb_arena_printf(reader->arena, "%s: %s.%s", place(reader, member.value_at), path,
                             option->name);
        status = as == NULL
                     ? no_memory()
                     : fb_option_set_json(option, flow, as, json_object_get(object, member.key),
                                          reader->arena);
        if (!fb_is_ok(status)) {
            fb_notes_add(reader->notes, reader->arena, FB_NOTE_ERROR, server, "%s", status.why);
            right = false;
        }
    }
    if (cursor == FB_DOCUMENT_EXHAUSTED) {
        fb_notes_add(reader->notes, reader->arena, FB_NOTE_ERROR, server, "%s: no memory for it",
                     path);
        return false;
    }
    return right;
}

static bool fail_entry(const struct entry *entry, size_t at, const char *why)
{
    fb_notes_add(entry->reader->notes, entry->reader->arena, FB_NOTE_ERROR, entry->server->name,
                 "%s: %s: %s", place(entry->reader, at), entry->path, why);
    return false;
}

static bool read_member(struct entry *entry, const struct fb_document_member *member,
                        const json_t *value)
{
    const struct fb_entry_reader *reader = entry->reader;
    const struct entry_key *key = find_key(member->key);
    struct fb_status status;

    if (key == NULL) {
        note_unknown(reader, entry->server->name, entry->path, member, nearest_key(member->key));
        return true;
    }
    if (key->read == NULL) {
        fb_notes_add(reader->notes, reader->arena, FB_NOTE_HINT, entry->server->name,
                     "%s: %s.%s: not used by flow-balancer", place(reader, member->key_at),
                     entry->path, key->name);
        return true;
    }
    status = key->read(entry, key, value);
    if (!fb_is_ok(status)) {
        fb_notes_add(reader->notes, reader->arena, FB_NOTE_ERROR, entry->server->name,
                     "%s: %s.%s: %s", place(reader, member->value_at), entry->path, key->name,
                     status.why);
        return false;
    }
    return true;
}

/* envFile before env, which wins; then all others in the order of the file. */
static bool read_members(struct entry *entry, const json_t *object, size_t at)
{
    struct fb_document_member member;
    size_t cursor = at;
    bool right = true;

    if (fb_document_find(entry->reader->document, at, "envFile", &member)) {
        right = read_member(entry, &member, json_object_get(object, "envFile"));
    }
    while (fb_document_next(entry->reader->document, entry->reader->arena, &cursor, &member)) {
        if (strcmp(member.key, "envFile") != 0) {
            right = read_member(entry, &member, json_object_get(object, member.key)) && right;
        }
    }
    if (cursor == FB_DOCUMENT_EXHAUSTED) {
        return fail_entry(entry, at, "no memory for it");
    }
    return right;
}

/* What is it, when it does not say so itself? And has it what its type needs? */
static const char *settle_type(struct entry *entry)
{
    struct fb_server_entry *server = entry->server;

    if (!entry->type_given && entry->command_size > 0 && server->url != NULL) {
        return "has both a command and a url; its type must say which counts";
    }
    if (!entry->type_given && entry->command_size == 0 && server->url == NULL) {
        return "has neither a command nor a url";
    }
    if (!entry->type_given) {
        server->kind = server->url != NULL ? FB_SERVER_HTTP : FB_SERVER_STDIO;
    }
    if (server->kind == FB_SERVER_STDIO && entry->command_size == 0) {
        return "has no command";
    }
    if (server->kind != FB_SERVER_STDIO && server->url == NULL) {
        return "has no url";
    }
    return NULL;
}

/* What only the other kind of server has is no part of this one, and its user should know. */
static void drop_what_is_of_another_kind(struct entry *entry, size_t at)
{
    struct fb_server_entry *server = entry->server;
    const bool is_stdio = server->kind == FB_SERVER_STDIO;
    const char *dropped = NULL;

    if (is_stdio && (server->url != NULL || entry->headers.count > 0)) {
        dropped = "url and headers mean nothing to a program that is started";
    }
    if (!is_stdio && (entry->command_size > 0 || entry->env.count > 0 || server->cwd != NULL ||
                      server->env_file != NULL)) {
        dropped = "command, env, envFile and cwd mean nothing to a server that has a url";
    }
    if (dropped == NULL) {
        return;
    }
    fb_notes_add(entry->reader->notes, entry->reader->arena, FB_NOTE_HINT, server->name,
                 "%s: %s: %s", place(entry->reader, at), entry->path, dropped);
    if (is_stdio) {
        server->url = NULL;
        entry->headers.count = 0;
    } else {
        server->cwd = NULL;
        server->env_file = NULL;
        entry->env.count = 0;
    }
}

static bool settle(struct entry *entry)
{
    struct fb_server_entry *server = entry->server;
    struct fb_arena *arena = entry->reader->arena;

    if (server->kind == FB_SERVER_STDIO) {
        const size_t count = entry->command_size + entry->args_size;
        const char **argv = fb_arena_zalloc(arena, count + 1, sizeof(*argv));

        if (argv == NULL) {
            return false;
        }
        memcpy(argv, entry->argv, count * sizeof(*argv));
        server->argv = argv;
    }
    server->env = fb_env_list_join(&entry->env, arena, "=");
    server->headers = fb_env_list_join(&entry->headers, arena, ": ");
    return server->env != NULL && server->headers != NULL && fb_server_digest(server);
}

/* Shells split words, execve does not: such an entry works nowhere else either, but why is unclear. */
static void hint_at_spaces(const struct entry *entry, size_t at)
{
    const char *command = entry->argv[0];
    struct fb_document_member member;

    if (entry->server->kind == FB_SERVER_STDIO && entry->command_size == 1 &&
        entry->args_size == 0 && strchr(command, ' ') != NULL && strchr(command, '/') == NULL &&
        fb_document_find(entry->reader->document, at, "command", &member)) {
        fb_notes_add(entry->reader->notes, entry->reader->arena, FB_NOTE_WARNING,
                     entry->server->name,
                     "%s: %s.command: has spaces and is taken as the name of one program; "
                     "arguments belong into args",
                     place(entry->reader, member.value_at), entry->path);
    }
}

static bool read_entry(struct entry *entry, const json_t *object, size_t at)
{
    const struct fb_entry_reader *reader = entry->reader;
    struct fb_document_member member;
    const char *wrong;
    bool right;

    if (!json_is_object(object)) {
        return fail_entry(entry, at, "wanted an object in braces");
    }
    right = read_members(entry, object, at);
    if (fb_document_find(reader->document, at, "flow", &member) &&
        json_is_object(json_object_get(object, "flow"))) {
        const char *path = fb_arena_printf(reader->arena, "%s.flow", entry->path);

        if (path == NULL) {
            return fail_entry(entry, at, "no memory for it");
        }
        right =
            fb_server_flow_read(reader, entry->server->name, path, json_object_get(object, "flow"),
                                member.value_at, &entry->server->flow) &&
            right;
    }
    if (entry->args != NULL && fb_document_find(reader->document, at, "args", &member)) {
        const struct fb_status status =
            take_arguments(entry, entry->args, entry->command_size, &entry->args_size);

        if (!fb_is_ok(status)) {
            const char *path = fb_arena_printf(reader->arena, "%s.args", entry->path);

            entry->path = path == NULL ? entry->path : path;
            return fail_entry(entry, member.value_at, status.why);
        }
    }
    if (!right) {
        return false;
    }
    wrong = settle_type(entry);
    if (wrong != NULL) {
        return fail_entry(entry, at, wrong);
    }
    drop_what_is_of_another_kind(entry, at);
    hint_at_spaces(entry, at);
    return settle(entry) || fail_entry(entry, at, "no memory for it");
}

/* A name goes into names of tools, into logs and onto pages. */
static const char *wrong_name(const char *name)
{
    if (name[0] == '\0') {
        return "a server needs a name";
    }
    if (strlen(name) > FB_SERVER_NAME_BYTES) {
        return "the name is longer than 128 bytes";
    }
    for (const char *c = name; *c != '\0'; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f) {
            return "the name has control characters";
        }
    }
    return NULL;
}

bool fb_server_entry_read(const struct fb_entry_reader *reader, const char *name, const char *path,
                          const json_t *object, size_t at, struct fb_server_entry *server)
{
    struct entry entry = {.reader = reader, .path = path, .server = server};
    const char *wrong = wrong_name(name);

    *server = (struct fb_server_entry){
        .name = name, .enabled = true, .kind = FB_SERVER_STDIO, .flow = *reader->fallbacks};
    if (wrong != NULL) {
        return fail_entry(&entry, at, wrong);
    }
    return read_entry(&entry, object, at);
}
