#include "clients/flowctl/merge.h"

#include <string.h>
#include <strings.h>

const char *const merge_names[MERGE_VERDICTS] = {
    [MERGE_ADDED] = "added",       [MERGE_SAME] = "same",         [MERGE_DIFFERS] = "differs",
    [MERGE_REPLACED] = "replaced", [MERGE_CONFLICT] = "conflict", [MERGE_OURSELF] = "ourself",
    [MERGE_UNUSABLE] = "unusable",
};

static bool same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool same_list(const char *const *a, const char *const *b)
{
    if (a == NULL || b == NULL) {
        return a == b;
    }
    for (; *a != NULL && *b != NULL; a++, b++) {
        if (strcmp(*a, *b) != 0) {
            return false;
        }
    }
    return *a == *b;
}

bool merge_equal(const struct fb_server_entry *a, const struct fb_server_entry *b)
{
    return a->kind == b->kind && same_list(a->argv, b->argv) && same_list(a->env, b->env) &&
           same_text(a->cwd, b->cwd) && same_text(a->env_file, b->env_file) &&
           same_text(a->url, b->url) && same_list(a->headers, b->headers);
}

static bool is_ourself(const struct fb_server_entry *entry)
{
    const char *slash;

    if (entry->argv == NULL) {
        return false;
    }
    slash = strrchr(entry->argv[0], '/');
    return strcmp(slash == NULL ? entry->argv[0] : slash + 1, "flow-gateway") == 0;
}

/* What only a client could put in place of it. */
static bool names_client(const char *text)
{
    static const char *const references[] = {"${workspaceFolder", "${command:", "${config:"};

    for (size_t i = 0; text != NULL && i < sizeof(references) / sizeof(references[0]); i++) {
        if (strstr(text, references[i]) != NULL) {
            return true;
        }
    }
    return false;
}

static bool list_names_client(const char *const *list)
{
    for (; list != NULL && *list != NULL; list++) {
        if (names_client(*list)) {
            return true;
        }
    }
    return false;
}

enum merge_verdict merge_judge(const struct fb_server_entry *entry, const struct fb_servers *ours,
                               const struct fb_server_entry *const *before, size_t before_count,
                               bool replace)
{
    const struct fb_server_entry *present = fb_servers_find(ours, entry->name);

    if (is_ourself(entry)) {
        return MERGE_OURSELF;
    }
    if (present != NULL && merge_equal(present, entry)) {
        return MERGE_SAME;
    }
    if (list_names_client(entry->argv) || list_names_client(entry->env) ||
        list_names_client(entry->headers) || names_client(entry->url) || names_client(entry->cwd) ||
        names_client(entry->env_file)) {
        return MERGE_UNUSABLE;
    }
    for (size_t i = 0; i < before_count; i++) {
        if (strcmp(before[i]->name, entry->name) == 0) {
            return merge_equal(before[i], entry) ? MERGE_SAME : MERGE_CONFLICT;
        }
    }
    if (present != NULL) {
        return replace ? MERGE_REPLACED : MERGE_DIFFERS;
    }
    return MERGE_ADDED;
}

static bool is_relative(const char *program)
{
    return program[0] != '/' && program[0] != '~' && strchr(program, '/') != NULL &&
           strncmp(program, "${", 2) != 0;
}

/* The text with the folder in place of each ${workspaceFolder}; NULL stays NULL. */
static bool put_folder(const char **text, const char *folder, struct fb_arena *arena)
{
    static const char reference[] = "${workspaceFolder}";
    const char *found;

    while (*text != NULL && (found = strstr(*text, reference)) != NULL) {
        *text = fb_arena_printf(arena, "%.*s%s%s", (int)(found - *text), *text, folder,
                                found + strlen(reference));
        if (*text == NULL) {
            return false;
        }
    }
    return true;
}

static bool put_folder_in_list(const char *const **list, const char *folder, struct fb_arena *arena)
{
    const char **copy;
    size_t count = 0;

    if (*list == NULL || !list_names_client(*list)) {
        return true;
    }
    while ((*list)[count] != NULL) {
        count++;
    }
    copy = fb_arena_zalloc(arena, count + 1, sizeof(*copy));
    for (size_t i = 0; copy != NULL && i < count; i++) {
        copy[i] = (*list)[i];
        if (!put_folder(&copy[i], folder, arena)) {
            return false;
        }
    }
    *list = copy;
    return copy != NULL;
}

bool merge_settle(const struct fb_server_entry *entry, const char *folder, struct fb_arena *arena,
                  struct fb_server_entry *settled)
{
    *settled = *entry;
    folder = entry->project == NULL ? folder : entry->project;
    settled->project = NULL;
    if (folder == NULL || strstr(folder, "${") != NULL) {
        return true;
    }
    if (settled->cwd == NULL && settled->kind == FB_SERVER_STDIO &&
        (entry->project != NULL || is_relative(settled->argv[0]))) {
        settled->cwd = folder;
    }
    return put_folder_in_list(&settled->argv, folder, arena) &&
           put_folder_in_list(&settled->env, folder, arena) &&
           put_folder_in_list(&settled->headers, folder, arena) &&
           put_folder(&settled->cwd, folder, arena) &&
           put_folder(&settled->env_file, folder, arena) &&
           put_folder(&settled->url, folder, arena);
}

static void inputs_of(const char *text, struct fb_buffer *out)
{
    static const char reference[] = "${input:";

    while (text != NULL && (text = strstr(text, reference)) != NULL) {
        const size_t size = strcspn(text + strlen(reference), "}");

        text += strlen(reference);
        fb_buffer_string(out, out->size == 0 ? "" : ", ");
        fb_buffer_append(out, text, size);
    }
}

void merge_inputs(const struct fb_server_entry *entry, struct fb_buffer *out)
{
    const char *const *const lists[] = {entry->argv, entry->env, entry->headers};

    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        for (size_t j = 0; lists[i] != NULL && lists[i][j] != NULL; j++) {
            inputs_of(lists[i][j], out);
        }
    }
    inputs_of(entry->url, out);
    inputs_of(entry->cwd, out);
}

static bool sounds_secret(const char *text, size_t size)
{
    static const char *const words[] = {"key", "token", "secret", "password", "passwd", "auth"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        for (size_t at = 0; at + strlen(words[i]) <= size; at++) {
            if (strncasecmp(text + at, words[i], strlen(words[i])) == 0) {
                return true;
            }
        }
    }
    return false;
}

void merge_describe(const struct fb_server_entry *entry, struct fb_buffer *out)
{
    bool hide_next = false;

    if (entry->argv == NULL) {
        const size_t query = strcspn(entry->url, "?#");

        fb_buffer_append(out, entry->url, query);
        fb_buffer_string(out, entry->url[query] == '\0' ? "" : "?…");
        return;
    }
    for (size_t i = 0; entry->argv[i] != NULL; i++) {
        const char *arg = entry->argv[i];
        const size_t name = strcspn(arg, "=:");
        const bool is_secret = i > 0 && arg[name] != '\0' && sounds_secret(arg, name);

        fb_buffer_string(out, i == 0 ? "" : " ");
        if (hide_next) {
            fb_buffer_string(out, "…");
        } else if (is_secret) {
            fb_buffer_append(out, arg, name + 1);
            fb_buffer_string(out, "…");
        } else {
            fb_buffer_string(out, arg);
        }
        hide_next = i > 0 && arg[0] == '-' && arg[name] == '\0' && sounds_secret(arg, name);
    }
    for (size_t i = 0; entry->env[i] != NULL; i++) {
        fb_buffer_string(out, i == 0 ? "  env " : ", ");
        fb_buffer_append(out, entry->env[i], strcspn(entry->env[i], "="));
    }
}
