#include "runtime/config/options.h"

#include <assert.h>
#include <jansson.h>
#include <string.h>

#include "runtime/config/document.h"
#include "runtime/config/environment.h"
#include "runtime/config/option_json.h"

enum { NAMES_MOST = FB_OPTION_SETS * FB_OPTION_SET_MOST + 8, HELP_COLUMN = 30, HELP_WIDTH = 96 };

/* What every program has. */
enum builtin {
    BUILTIN_NONE,
    BUILTIN_CONFIG,
    BUILTIN_PRINT_CONFIG,
    BUILTIN_PRINT_SCHEMA,
    BUILTIN_HELP,
    BUILTIN_VERSION
};

static const struct {
    const char *name;
    enum builtin builtin;
    enum fb_options_wish wish;
    const char *shown;
    const char *help;
} builtins[] = {
    {"config", BUILTIN_CONFIG, FB_WISH_RUN, "--config PATH",
     "the file to read (default ~/.config/flow-balancer/config.json, if there is one)"},
    {"print_config", BUILTIN_PRINT_CONFIG, FB_WISH_PRINT_CONFIG, "--print-config",
     "print the values in force as JSON, then end"},
    {"print_schema", BUILTIN_PRINT_SCHEMA, FB_WISH_PRINT_SCHEMA, "--print-schema",
     "print the JSON Schema of the file for editors, then end"},
    {"help", BUILTIN_HELP, FB_WISH_HELP, "--help", "print this, then end"},
    {"version", BUILTIN_VERSION, FB_WISH_VERSION, "--version", "print the version, then end"},
};

enum { BUILTINS = sizeof(builtins) / sizeof(builtins[0]) };

/* One argument, taken together with its value. */
struct argument {
    const char *positional;         /* NULL for an option */
    const char *as;                 /* "--listen", for words */
    const char *value;              /* NULL: none given */
    size_t builtin;                 /* in the table; BUILTINS for the program's own */
    const struct fb_option *option; /* the program's own, and where it goes */
    void *config;
    size_t place; /* its number among all of the program's */
};

static const struct fb_option *find_option(const struct fb_options_plan *plan, const char *name,
                                           void **config, size_t *place)
{
    for (size_t i = 0; i < FB_OPTION_SETS && plan->sets[i].options != NULL; i++) {
        const struct fb_option *option = fb_option_find(plan->sets[i].options, name);

        if (option != NULL) {
            *config = plan->sets[i].config;
            *place = i * FB_OPTION_SET_MOST + (size_t)(option - plan->sets[i].options);
            return option;
        }
    }
    return NULL;
}

/* Names of all options, for the nearest. */
static size_t all_names(const struct fb_options_plan *plan, const char *names[NAMES_MOST],
                        bool with_builtins)
{
    size_t count = 0;

    for (size_t i = 0; i < FB_OPTION_SETS && plan->sets[i].options != NULL; i++) {
        const struct fb_option *options = plan->sets[i].options;

        for (size_t j = 0; options[j].name != NULL; j++) {
            assert(j < FB_OPTION_SET_MOST);
            names[count++] = options[j].name;
        }
    }
    for (size_t i = 0; with_builtins && i < BUILTINS; i++) {
        names[count++] = builtins[i].name;
    }
    return count;
}

static char *with_other(struct fb_arena *arena, const char *name, char from, char to)
{
    char *copy = fb_arena_copy(arena, name, strlen(name));

    for (char *c = copy; c != NULL && *c != '\0'; c++) {
        *c = *c == from ? to : *c;
    }
    return copy;
}

static struct fb_status unknown_option(const struct fb_options_plan *plan, const char *given,
                                       const char *name, struct fb_arena *arena)
{
    const char *names[NAMES_MOST];
    const size_t count = all_names(plan, names, true);
    const char *spelled = with_other(arena, name, '-', '_');
    const char *nearest = spelled == NULL ? NULL : fb_text_nearest(spelled, names, count);
    const char *dashed = nearest == NULL ? NULL : with_other(arena, nearest, '_', '-');

    if (dashed == NULL) {
        return fb_arena_fail(arena, FB_INVALID_ARGUMENT, "%.100s: unknown option; --help lists all",
                             given);
    }
    return fb_arena_fail(arena, FB_INVALID_ARGUMENT, "%.100s: unknown option, did you mean --%s?",
                         given, dashed);
}

static struct fb_status no_memory(void)
{
    return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for the options");
}

/* `--no-flag`, unless there is an option of that name. */
static bool find_negated(const struct fb_options_plan *plan, const char *name,
                         struct argument *argument)
{
    if (strncmp(name, "no-", 3) != 0 && strncmp(name, "no_", 3) != 0) {
        return false;
    }
    argument->option = find_option(plan, name + 3, &argument->config, &argument->place);
    if (argument->option == NULL || argument->option->kind != FB_OPTION_BOOL ||
        argument->value != NULL) {
        return false;
    }
    argument->value = "false";
    return true;
}

static size_t find_builtin(const char *name)
{
    for (size_t i = 0; i < BUILTINS; i++) {
        const struct fb_option one[] = {{.name = builtins[i].name}, {.name = NULL}};

        if (fb_option_find(one, name) != NULL) {
            return i;
        }
    }
    return BUILTINS;
}

static bool wants_value(const struct argument *argument)
{
    if (argument->builtin < BUILTINS) {
        return builtins[argument->builtin].builtin == BUILTIN_CONFIG;
    }
    return argument->option->kind != FB_OPTION_BOOL;
}

/* Which option it is: one of every program, one of this program, or the negation of one. */
static struct fb_status identify(const struct fb_options_plan *plan, const char *given,
                                 const char *name, struct fb_arena *arena,
                                 struct argument *argument)
{
    argument->builtin = find_builtin(name);
    if (argument->builtin < BUILTINS) {
        return fb_ok;
    }
    argument->option = find_option(plan, name, &argument->config, &argument->place);
    if (argument->option != NULL || find_negated(plan, name, argument)) {
        return fb_ok;
    }
    return unknown_option(plan, given, name, arena);
}

static struct fb_status next_option(const struct fb_options_plan *plan, int argc, char *const *argv,
                                    int *at, struct fb_arena *arena, struct argument *argument)
{
    const char *given = argv[(*at)++];
    const char *name = strcmp(given, "-h") == 0 ? "--help" : given;
    const char *equals = strchr(name, '=');
    const size_t size = equals == NULL ? strlen(name) : (size_t)(equals - name);
    struct fb_status status;

    argument->as = fb_arena_copy(arena, name, size);
    if (argument->as == NULL) {
        return no_memory();
    }
    if (strncmp(name, "--", 2) != 0) {
        return unknown_option(plan, argument->as, argument->as + 1, arena);
    }
    argument->value = equals == NULL ? NULL : equals + 1;
    status = identify(plan, argument->as, argument->as + 2, arena, argument);
    if (!fb_is_ok(status)) {
        return status;
    }
    if (!wants_value(argument)) {
        if (argument->value != NULL && argument->builtin < BUILTINS) {
            return fb_arena_fail(arena, FB_INVALID_ARGUMENT, "%s: takes no value", argument->as);
        }
        argument->value = argument->value == NULL ? "true" : argument->value;
        return fb_ok;
    }
    if (argument->value == NULL && *at < argc && strncmp(argv[*at], "--", 2) != 0) {
        argument->value = argv[(*at)++];
    }
    if (argument->value == NULL) {
        return fb_arena_fail(arena, FB_INVALID_ARGUMENT, "%s: its value is missing", argument->as);
    }
    return fb_ok;
}

/* What stands at `*at`; what stands behind is_rest is positional whatever it looks like. */
static struct fb_status next_argument(const struct fb_options_plan *plan, int argc,
                                      char *const *argv, int *at, bool *is_rest,
                                      struct fb_arena *arena, struct argument *argument)
{
    *argument = (struct argument){.builtin = BUILTINS};
    if (!*is_rest && strcmp(argv[*at], "--") == 0) {
        *is_rest = true;
        ++*at;
        return fb_ok;
    }
    if (*is_rest || argv[*at][0] != '-' || argv[*at][1] == '\0') {
        argument->positional = argv[(*at)++];
        *is_rest = *is_rest || plan->rest_ends_options;
        return fb_ok;
    }
    return next_option(plan, argc, argv, at, arena, argument);
}

static struct fb_status keep_positional(const struct fb_options_plan *plan, const char *given,
                                        struct fb_arena *arena, struct fb_options *options)
{
    if (!plan->takes_rest) {
        return fb_arena_fail(arena, FB_INVALID_ARGUMENT,
                             "%.100s: unexpected argument; options begin with --", given);
    }
    if (options->rest_count == FB_OPTION_REST) {
        return fb_arena_fail(arena, FB_INVALID_ARGUMENT, "%.100s: more than %d arguments", given,
                             FB_OPTION_REST);
    }
    options->rest[options->rest_count++] = given;
    return fb_ok;
}

/* The first look at the arguments: which file, which wish, and what is left over. */
static struct fb_status look_at_arguments(const struct fb_options_plan *plan, int argc,
                                          char *const *argv, struct fb_arena *arena,
                                          struct fb_options *options)
{
    bool is_rest = false;

    for (int at = 1; at < argc;) {
        struct argument argument;
        struct fb_status status = next_argument(plan, argc, argv, &at, &is_rest, arena, &argument);

        if (fb_is_ok(status) && argument.positional != NULL) {
            status = keep_positional(plan, argument.positional, arena, options);
        }
        if (!fb_is_ok(status)) {
            return status;
        }
        if (argument.builtin == BUILTINS) {
            continue;
        }
        if (builtins[argument.builtin].builtin == BUILTIN_CONFIG) {
            options->path = fb_config_path(arena, argument.value);
            options->path_given = true;
        } else {
            options->wish = builtins[argument.builtin].wish;
        }
        if (options->wish != FB_WISH_RUN && options->wish != FB_WISH_PRINT_CONFIG) {
            return fb_ok;
        }
    }
    return fb_ok;
}

static bool append_to_list(const struct fb_strings *before, struct fb_strings *field,
                           struct fb_arena *arena)
{
    const size_t count = before->count + field->count;
    const char **items = fb_arena_zalloc(arena, count + 1, sizeof(*items));

    if (items == NULL) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        items[i] = i < before->count ? before->items[i] : field->items[i - before->count];
    }
    *field = (struct fb_strings){.items = items, .count = count};
    return true;
}

/* A list that is given several times keeps all of it; of anything else the last one counts. */
static struct fb_status set_from_argument(const struct argument *argument, bool is_first,
                                          struct fb_arena *arena)
{
    const struct fb_option *option = argument->option;
    const bool is_list = option->kind == FB_OPTION_LIST || option->kind == FB_OPTION_ADDRESSES;
    struct fb_strings *field = NULL;
    struct fb_strings before = {.count = 0};
    struct fb_status status;

    if (is_list && !is_first) {
        field = (struct fb_strings *)(void *)((char *)argument->config + option->offset);
        before = *field;
    }
    status = fb_option_set_value(option, argument->config, argument->as, argument->value, arena);
    if (fb_is_ok(status) && field != NULL && !append_to_list(&before, field, arena)) {
        return no_memory();
    }
    return status;
}

static struct fb_status set_from_arguments(const struct fb_options_plan *plan, int argc,
                                           char *const *argv, struct fb_arena *arena)
{
    bool seen[FB_OPTION_SETS * FB_OPTION_SET_MOST] = {false};
    bool is_rest = false;

    for (int at = 1; at < argc;) {
        struct argument argument;
        struct fb_status status = next_argument(plan, argc, argv, &at, &is_rest, arena, &argument);

        if (fb_is_ok(status) && argument.option != NULL) {
            status = set_from_argument(&argument, !seen[argument.place], arena);
            seen[argument.place] = true;
        }
        if (!fb_is_ok(status)) {
            return status;
        }
    }
    return fb_ok;
}

static void note_unknown_key(const struct fb_options_plan *plan, const struct fb_document *document,
                             const struct fb_document_member *member, struct fb_arena *arena,
                             struct fb_notes *notes)
{
    const char *names[NAMES_MOST];
    const size_t count = all_names(plan, names, false);
    const char *nearest = fb_text_nearest(member->key, names, count);
    const char *place =
        notes->count < FB_NOTES_MOST ? fb_document_place(document, arena, member->key_at) : "";

    if (nearest == NULL) {
        fb_notes_add(notes, arena, FB_NOTE_WARNING, NULL, "%s: flow.%s.%.100s: unknown key", place,
                     plan->section, member->key);
    } else {
        fb_notes_add(notes, arena, FB_NOTE_WARNING, NULL,
                     "%s: flow.%s.%.100s: unknown key, did you mean \"%s\"?", place, plan->section,
                     member->key, nearest);
    }
}

static struct fb_status set_from_section(const struct fb_options_plan *plan,
                                         const struct fb_document *document, size_t section_at,
                                         const json_t *section, struct fb_arena *arena,
                                         struct fb_notes *notes)
{
    struct fb_document_member member;
    size_t cursor = section_at;

    while (fb_document_next(document, arena, &cursor, &member)) {
        void *config = NULL;
        size_t place = 0;
        const struct fb_option *option = find_option(plan, member.key, &config, &place);
        struct fb_status status = fb_ok;

        if (option == NULL) {
            note_unknown_key(plan, document, &member, arena, notes);
            continue;
        }
        status =
            fb_option_set_json(option, config,
                               fb_arena_printf(arena, "%s: flow.%s.%s",
                                               fb_document_place(document, arena, member.value_at),
                                               plan->section, option->name),
                               json_object_get(section, member.key), arena);
        if (!fb_is_ok(status)) {
            return status;
        }
    }
    return cursor == FB_DOCUMENT_EXHAUSTED ? no_memory() : fb_ok;
}

static struct fb_status not_an_object(const struct fb_document *document, size_t at,
                                      struct fb_arena *arena, const char *dot, const char *section)
{
    return fb_arena_fail(arena, FB_INVALID_ARGUMENT, "%s: flow%s%s: wanted an object in braces",
                         fb_document_place(document, arena, at), dot, section);
}

static struct fb_status set_from_document(const struct fb_options_plan *plan,
                                          const struct fb_document *document,
                                          struct fb_arena *arena, struct fb_notes *notes)
{
    const json_t *flow = json_object_get(document->root, "flow");
    const json_t *section = json_object_get(flow, plan->section);
    struct fb_document_member member;

    if (!fb_document_find(document, fb_document_root(document), "flow", &member)) {
        return fb_ok;
    }
    if (!json_is_object(flow)) {
        return not_an_object(document, member.value_at, arena, "", "");
    }
    if (!fb_document_find(document, member.value_at, plan->section, &member)) {
        return fb_ok;
    }
    if (!json_is_object(section)) {
        return not_an_object(document, member.value_at, arena, ".", plan->section);
    }
    return set_from_section(plan, document, member.value_at, section, arena, notes);
}

static struct fb_status set_from_file(const struct fb_options_plan *plan, struct fb_arena *arena,
                                      struct fb_options *options)
{
    struct fb_document document = {.path = options->path};
    struct fb_status status = fb_document_read(options->path, arena, &document);

    if (status.code == FB_NOT_FOUND && !options->path_given) {
        return fb_ok;
    }
    if (fb_is_ok(status)) {
        options->file_read = true;
        status = set_from_document(plan, &document, arena, &options->notes);
    }
    fb_document_finish(&document);
    return status;
}

static struct fb_status set_fallbacks(const struct fb_options_plan *plan, struct fb_arena *arena)
{
    for (size_t i = 0; i < FB_OPTION_SETS && plan->sets[i].options != NULL; i++) {
        if (!fb_option_set_fallbacks(plan->sets[i].options, plan->sets[i].config, arena)) {
            return no_memory();
        }
    }
    return fb_ok;
}

struct fb_status fb_options_read(const struct fb_options_plan *plan, int argc, char *const *argv,
                                 struct fb_arena *arena, struct fb_options *options)
{
    struct fb_status status = set_fallbacks(plan, arena);

    *options = (struct fb_options){.wish = FB_WISH_RUN};
    options->path = fb_config_default_path(arena);
    if (fb_is_ok(status)) {
        status = look_at_arguments(plan, argc, argv, arena, options);
    }
    if (!fb_is_ok(status) ||
        (options->wish != FB_WISH_RUN && options->wish != FB_WISH_PRINT_CONFIG)) {
        return status;
    }
    if (options->path == NULL) {
        return no_memory();
    }
    if (plan->section != NULL) {
        status = set_from_file(plan, arena, options);
    }
    return fb_is_ok(status) ? set_from_arguments(plan, argc, argv, arena) : status;
}

/* The words from `column` on, in lines that end before HELP_WIDTH. */
static void print_wrapped(const char *words, struct fb_buffer *out)
{
    size_t column = HELP_COLUMN;

    while (words[0] != '\0') {
        const size_t size = strcspn(words, " ");

        if (column > HELP_COLUMN && column + 1 + size > HELP_WIDTH) {
            fb_buffer_printf(out, "\n%*s", HELP_COLUMN, "");
            column = HELP_COLUMN;
        } else if (column > HELP_COLUMN) {
            fb_buffer_string(out, " ");
            column++;
        }
        fb_buffer_append(out, words, size);
        column += size;
        words += size + (words[size] == ' ' ? 1 : 0);
    }
    fb_buffer_string(out, "\n");
}

static void print_entry(const char *shown, const char *words, struct fb_buffer *out)
{
    fb_buffer_printf(out, "  %-*s", HELP_COLUMN - 2, shown);
    if (strlen(shown) + 3 > HELP_COLUMN) {
        fb_buffer_printf(out, "\n%*s", HELP_COLUMN, "");
    }
    print_wrapped(words, out);
}

static const char *const placeholders[] = {
    [FB_OPTION_STRING] = " TEXT",
    [FB_OPTION_ADDRESS] = " ADDRESS",
    [FB_OPTION_TARGET] = " ADDRESS[,ADDRESS]",
    [FB_OPTION_PATH] = " PATH",
    [FB_OPTION_BOOL] = "",
    [FB_OPTION_INTEGER] = " NUMBER",
    [FB_OPTION_SIZE] = " SIZE",
    [FB_OPTION_DURATION] = " DURATION",
    [FB_OPTION_CHOICE] = " WORD",
    [FB_OPTION_LIST] = " TEXT,...",
    [FB_OPTION_ADDRESSES] = " ADDRESS,...",
};

static void print_option(const struct fb_option *option, struct fb_buffer *out)
{
    struct fb_buffer shown = {.limit_bytes = 256};
    struct fb_buffer words = {.limit_bytes = 4096};

    fb_buffer_string(&shown, option->kind == FB_OPTION_BOOL ? "--[no-]" : "--");
    for (const char *c = option->name; *c != '\0'; c++) {
        fb_buffer_append(&shown, *c == '_' ? "-" : c, 1);
    }
    fb_buffer_string(&shown, placeholders[option->kind]);
    fb_buffer_append(&shown, "", 1);

    fb_buffer_string(&words, option->help);
    if (option->kind != FB_OPTION_STRING && option->kind != FB_OPTION_PATH &&
        option->kind != FB_OPTION_BOOL && option->kind != FB_OPTION_LIST) {
        fb_buffer_string(&words, "; ");
        fb_option_describe(option, &words);
    }
    if (option->fallback != NULL && option->fallback[0] != '\0') {
        fb_buffer_printf(&words, " (default %s)", option->fallback);
    }
    fb_buffer_append(&words, "", 1);
    if (!shown.failed && !words.failed) {
        print_entry(shown.data, words.data, out);
    }
    fb_buffer_finish(&shown);
    fb_buffer_finish(&words);
}

void fb_options_help(const struct fb_options_plan *plan, struct fb_buffer *out)
{
    fb_buffer_printf(out, "Usage: %s %s\n\n%s.\n\nOptions:\n", plan->executable,
                     plan->usage == NULL ? "[options]" : plan->usage, plan->purpose);
    for (size_t i = 0; i < FB_OPTION_SETS && plan->sets[i].options != NULL; i++) {
        for (const struct fb_option *o = plan->sets[i].options; o->name != NULL; o++) {
            print_option(o, out);
        }
    }
    for (size_t i = 0; i < BUILTINS; i++) {
        print_entry(builtins[i].shown, builtins[i].help, out);
    }
    if (plan->section != NULL) {
        fb_buffer_printf(out,
                         "\nEach of this program's own can stand in the file as well, under "
                         "flow.%s and with\nunderscores: {\"flow\": {\"%s\": {\"%s\": ...}}}. An "
                         "argument wins over the file.\n",
                         plan->section, plan->section,
                         plan->sets[0].options == NULL ? "option" : plan->sets[0].options->name);
    }
}

void fb_options_print(const struct fb_options_plan *plan, struct fb_buffer *out)
{
    const char *before = "";

    fb_buffer_printf(out, "{\n  \"flow\": {\n    \"%s\": {", plan->section);
    for (size_t i = 0; i < FB_OPTION_SETS && plan->sets[i].options != NULL; i++) {
        for (const struct fb_option *o = plan->sets[i].options; o->name != NULL; o++) {
            fb_buffer_printf(out, "%s\n      \"%s\": ", before, o->name);
            fb_option_print(o, plan->sets[i].config, out);
            before = ",";
        }
    }
    fb_buffer_string(out, "\n    }\n  }\n}\n");
}
