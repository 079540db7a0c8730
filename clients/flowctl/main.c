/*
 * flowctl: the person's tool. Finds the command, reads its options, runs it.
 */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients/flowctl/command.h"
#include "clients/flowctl/commands.h"
#include "clients/flowctl/terminal.h"
#include "runtime/base/version.h"
#include "runtime/config/environment.h"
#include "runtime/config/options.h"
#include "runtime/config/schema.h"

/* In the order of --help. */
static const struct command *const commands[] = {
    &command_up,
    &command_down,
    &command_status,
    &command_health,
    &command_doctor,
    &command_import,
    &command_tools_ls,
    &command_tools_call,
    &command_sessions_ls,
    &command_sessions_show,
    &command_sessions_find,
    &command_sessions_watch,
    &command_sessions_top,
    &command_sessions_graph,
    &command_sessions_export,
    &command_sessions_import,
    &command_sessions_merge,
    &command_sessions_undo,
    &command_sessions_verify,
    &command_sessions_mute,
    &command_calls,
    &command_drain,
    &command_store_check,
    &command_store_backup,
};

enum { COMMANDS = sizeof(commands) / sizeof(commands[0]), NAMES_MOST = 2 * COMMANDS };

static struct globals globals;

static const struct fb_option global_options[] = {
    {"json", FB_OPTION_BOOL, offsetof(struct globals, json),
     .help = "answer with one JSON document (or one per line) for programs"},
    {"router", FB_OPTION_ADDRESS, offsetof(struct globals, router),
     .help = "the router to ask, instead of the local suite's"},
    {"store", FB_OPTION_ADDRESS, offsetof(struct globals, store),
     .help = "the store to ask, instead of the local suite's"},
    {"timeout", FB_OPTION_DURATION, offsetof(struct globals, timeout_ms), .fallback = "30s",
     .least = "1ms", .most = "24h", .help = "how long an answer may take"},
    {"tls_ca", FB_OPTION_PATH, offsetof(struct globals, tls_ca),
     .help = "certificates (PEM) that are trusted; asks for TLS"},
    {"tls_cert", FB_OPTION_PATH, offsetof(struct globals, tls_cert),
     .help = "our certificate chain (PEM)"},
    {"tls_key", FB_OPTION_PATH, offsetof(struct globals, tls_key), .help = "its private key (PEM)"},
    {"tls_server_name", FB_OPTION_STRING, offsetof(struct globals, tls_server_name),
     .help = "the name to verify, instead of the host that is dialled"},
    {"token_file", FB_OPTION_PATH, offsetof(struct globals, token_file),
     .help = "file with the bearer token that we show"},
    {"state_dir", FB_OPTION_PATH, offsetof(struct globals, state_dir),
     .help = "where the local suite lives, instead of ~/.local/state/flow-balancer"},
    {"color", FB_OPTION_CHOICE, offsetof(struct globals, colour), .fallback = "auto",
     .choices = terminal_colour_modes, .help = "colours; NO_COLOR is respected"},
    {.name = NULL},
};

static const char purpose[] =
    "Runs and looks after flow-balancer: pooled MCP servers and sessions of "
    "tasks for coding agents";

/* What commands of two words begin with. */
static const struct group {
    const char *name;
    const char *purpose;
} groups[] = {
    {"tools", "The tools of your servers, without an agent"},
    {"sessions", "Sessions: lists of tasks that agents share, and that outlive them"},
    {"store", "The durable state"},
};

static const char exit_codes[] =
    "Exit codes:\n"
    "  0   done\n"
    "  1   the answer is no: a tool failed, a check found something, there is no such thing\n"
    "  64  arguments that make no sense\n"
    "  69  nobody answers, or not in time\n"
    "  70  a fault of ours\n"
    "  77  not allowed\n"
    "  78  a configuration that cannot be used\n";

/* --- help --- */

static struct fb_options_plan plan_of(const struct command *command, struct fb_arena *arena)
{
    struct fb_options_plan plan = {
        .section = "flowctl",
        .executable = "flowctl",
        .purpose = purpose,
        .usage = "COMMAND [options]",
        .version = FB_VERSION,
        .takes_rest = true,
        .rest_ends_options = true,
        .sets = {{.options = global_options, .config = &globals}},
    };

    if (command == NULL) {
        return plan;
    }
    plan.executable = fb_arena_printf(arena, "flowctl %s", command->name);
    plan.usage = fb_arena_printf(arena, "%s%s[options]", command->usage,
                                 command->usage[0] == '\0' ? "" : " ");
    plan.purpose = command->details == NULL
                       ? command->purpose
                       : fb_arena_printf(arena, "%s.\n\n%s", command->purpose, command->details);
    plan.rest_ends_options = false;
    if (command->options != NULL) {
        plan.sets[0] = (struct fb_option_set){command->options, command->config};
        plan.sets[1] = (struct fb_option_set){global_options, &globals};
    }
    return plan;
}

static bool is_in(const struct command *command, const struct group *group)
{
    const size_t size = group == NULL ? 0 : strlen(group->name);

    return group == NULL ||
           (strncmp(command->name, group->name, size) == 0 && command->name[size] == ' ');
}

/* All commands, or those of a group, as the text above the options. */
static void print_commands(const struct group *group, struct fb_buffer *out)
{
    int width = 0;

    for (size_t i = 0; i < COMMANDS; i++) {
        const int size = (int)(strlen(commands[i]->name) + 1 + strlen(commands[i]->usage));

        width = is_in(commands[i], group) && size > width ? size : width;
    }
    fb_buffer_printf(out, "%s.\n\nCommands:\n", group == NULL ? purpose : group->purpose);
    for (size_t i = 0; i < COMMANDS; i++) {
        if (is_in(commands[i], group)) {
            fb_buffer_printf(out, "  %s %-*s  %s\n", commands[i]->name,
                             width - (int)strlen(commands[i]->name) - 1, commands[i]->usage,
                             commands[i]->purpose);
        }
    }
    fb_buffer_string(out, "\n\"flowctl COMMAND --help\" says all about one of them");
}

static const struct group *group_of(const char *word)
{
    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
        if (word != NULL && strcmp(groups[i].name, word) == 0) {
            return &groups[i];
        }
    }
    return NULL;
}

/* Of a command; without one of a group; without either of all. */
static int show_help(const struct command *command, const struct group *group,
                     struct fb_arena *arena)
{
    struct fb_options_plan plan = plan_of(command, arena);
    struct fb_buffer list = {.data = NULL};
    struct fb_buffer out = {.data = NULL};
    bool written;

    if (command == NULL) {
        print_commands(group, &list);
        fb_buffer_append(&list, "", 1);
        plan.purpose = list.failed ? purpose : list.data;
    }
    if (command == NULL && group != NULL) {
        plan.executable = fb_arena_printf(arena, "flowctl %s", group->name);
    }
    fb_options_help(&plan, &out);
    fb_buffer_finish(&list);
    fb_buffer_printf(&out, "\n%s", exit_codes);
    written = !out.failed && terminal_write((struct fb_text){.data = out.data, .size = out.size});
    fb_buffer_finish(&out);
    return written ? EXIT_DONE : EXIT_INTERNAL;
}

static int show_config(const struct command *command, enum fb_options_wish wish,
                       struct fb_arena *arena)
{
    const struct fb_options_plan plan = plan_of(command, arena);
    const struct fb_options_plan *const plans[] = {&plan};
    struct fb_buffer out = {.data = NULL};
    bool written;

    if (wish == FB_WISH_PRINT_SCHEMA) {
        fb_config_schema(plans, 1, &out);
    } else {
        fb_options_print(&plan, &out);
    }
    written = !out.failed && terminal_write((struct fb_text){.data = out.data, .size = out.size});
    fb_buffer_finish(&out);
    return written ? EXIT_DONE : EXIT_INTERNAL;
}

/* --- which command --- */

/* The command that the words begin with, and how many of them are its name. */
static const struct command *find(const char *const *words, size_t count, size_t *used)
{
    for (size_t i = 0; i < COMMANDS; i++) {
        const char *name = commands[i]->name;
        const size_t size = strcspn(name, " ");

        if (count < 1 || strlen(words[0]) != size || strncmp(words[0], name, size) != 0) {
            continue;
        }
        *used = name[size] == '\0' ? 1 : 2;
        if (*used == 1 || (count > 1 && strcmp(words[1], name + size + 1) == 0)) {
            return commands[i];
        }
    }
    return NULL;
}

/* "tools" alone, or with a word that does not belong to it. */
static bool complain_of_group(const char *const *words, size_t count, struct fb_arena *arena)
{
    const struct group *group = group_of(words[0]);
    const char *names[COMMANDS];
    const char *list = "";
    const char *nearest;
    size_t known = 0;

    if (group == NULL) {
        return false;
    }
    for (size_t i = 0; i < COMMANDS && list != NULL; i++) {
        if (is_in(commands[i], group)) {
            names[known] = commands[i]->name + strlen(group->name) + 1;
            list = fb_arena_printf(arena, "%s%s%s", list, known > 0 ? ", " : "", names[known]);
            known++;
        }
    }
    nearest = count > 1 ? fb_text_nearest(words[1], names, known) : NULL;
    terminal_complain(
        fb_arena_printf(arena, "there are %s; see \"flowctl %s --help\"",
                        list == NULL ? "others" : list, group->name),
        count > 1 ? "%s %.100s: unknown command%s%s%s" : "%s: which of its commands?%s%s%s%s",
        words[0], count > 1 ? words[1] : "", nearest == NULL ? "" : ", did you mean \"",
        nearest == NULL ? "" : nearest, nearest == NULL ? "" : "\"?");
    return true;
}

static int complain_of_unknown(const char *const *words, size_t count, struct fb_arena *arena)
{
    const char *names[NAMES_MOST];
    const char *nearest;

    if (complain_of_group(words, count, arena)) {
        return EXIT_USAGE;
    }
    for (size_t i = 0; i < COMMANDS; i++) {
        const size_t size = strcspn(commands[i]->name, " ");

        names[i] = commands[i]->name;
        names[COMMANDS + i] = fb_arena_copy(arena, commands[i]->name, size);
        if (names[COMMANDS + i] == NULL) {
            names[COMMANDS + i] = commands[i]->name;
        }
    }
    nearest = fb_text_nearest(words[0], names, NAMES_MOST);
    terminal_complain("\"flowctl --help\" lists all commands", "%.100s: unknown command%s%s%s",
                      words[0], nearest == NULL ? "" : ", did you mean \"",
                      nearest == NULL ? "" : nearest, nearest == NULL ? "" : "\"?");
    return EXIT_USAGE;
}

/* --- a command --- */

/*
 * All arguments but the words of the command's name; a broken file is told in `run`, for the command to
 * judge: most can go on without.
 */
static struct fb_status read_options(const struct command *command, int argc, char **argv,
                                     const char *const *name_words, size_t name_count,
                                     struct run *run, struct fb_options *options)
{
    struct fb_options_plan plan = plan_of(command, run->arena);
    char **rest = fb_arena_zalloc(run->arena, (size_t)argc + 1, sizeof(*rest));
    struct fb_status status;
    int count = 0;

    if (rest == NULL || plan.executable == NULL || plan.usage == NULL || plan.purpose == NULL) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for the options");
    }
    for (int i = 0; i < argc; i++) {
        bool is_name = false;

        for (size_t j = 0; j < name_count; j++) {
            is_name = is_name || argv[i] == name_words[j];
        }
        if (!is_name) {
            rest[count++] = argv[i];
        }
    }
    run->config_state = fb_ok;
    status = fb_options_read(&plan, count, rest, run->arena, options);
    if (status.code == FB_NOT_FOUND && command != &command_doctor) {
        return status; /* a file that was named */
    }
    if (!fb_is_ok(status)) {
        const char *path = options->path;
        const bool path_given = options->path_given;
        const struct fb_status in_file = status;

        plan.section = NULL;
        status = fb_options_read(&plan, count, rest, run->arena, options);
        if (fb_is_ok(status)) {
            options->path = path;
            options->path_given = path_given;
            run->config_state = in_file;
        }
    }
    return status;
}

static bool fill_run(struct run *run, const struct fb_options *options)
{
    run->globals = &globals;
    run->args = options->rest;
    run->arg_count = options->rest_count;
    run->config_path = options->path;
    run->config_given = options->path_given;
    run->notes = &options->notes;
    run->state_dir =
        globals.state_dir == NULL ? fb_config_state_dir(run->arena) : globals.state_dir;
    run->router = globals.router;
    run->store = globals.store;
    if (run->state_dir == NULL) {
        return false;
    }
    if (run->router == NULL) {
        run->router = fb_arena_printf(run->arena, "unix:%s/run/router.sock", run->state_dir);
    }
    if (run->store == NULL) {
        run->store = fb_arena_printf(run->arena, "unix:%s/run/store.sock", run->state_dir);
    }
    return run->router != NULL && run->store != NULL && run->config_path != NULL;
}

static int run_command(const struct command *command, int argc, char **argv,
                       const struct fb_options *first, size_t name_count, struct fb_arena *arena)
{
    struct run run = {.arena = arena};
    struct fb_options options;
    const struct fb_status status =
        read_options(command, argc, argv, first->rest, name_count, &run, &options);

    if (!fb_is_ok(status)) {
        terminal_complain(fb_arena_printf(arena, "see \"flowctl %s --help\"", command->name), "%s",
                          status.why);
        return status.code == FB_NOT_FOUND ? EXIT_CONFIG : EXIT_USAGE;
    }
    if (options.wish == FB_WISH_HELP) {
        return show_help(command, NULL, arena);
    }
    if (options.wish == FB_WISH_PRINT_CONFIG || options.wish == FB_WISH_PRINT_SCHEMA) {
        return show_config(command, options.wish, arena);
    }
    if (options.rest_count < command->least_args || options.rest_count > command->most_args) {
        terminal_complain(
            fb_arena_printf(arena, "usage: flowctl %s %s", command->name, command->usage), "%s: %s",
            command->name,
            options.rest_count < command->least_args ? "an argument is missing"
                                                     : "too many arguments");
        return EXIT_USAGE;
    }
    if (!fill_run(&run, &options)) {
        terminal_complain(NULL, "no memory");
        return EXIT_INTERNAL;
    }
    terminal_open((enum terminal_colour_mode)globals.colour, fb_config_environment("NO_COLOR"),
                  fb_config_environment("TERM"));
    if (!fb_is_ok(run.config_state) && command != &command_doctor) {
        terminal_complain(command == &command_up ? NULL
                                                 : "going on without it; see \"flowctl doctor\"",
                          "%s", run.config_state.why);
    }
    return command->run(&run);
}

static int run_flowctl(int argc, char **argv, struct fb_arena *arena)
{
    struct fb_options_plan plan = plan_of(NULL, arena);
    struct fb_options options;
    const struct command *command;
    struct fb_status status;
    size_t used = 0;

    plan.section = NULL; /* the file is read when the command is known */
    status = fb_options_read(&plan, argc, argv, arena, &options);
    if (!fb_is_ok(status)) {
        terminal_complain("see \"flowctl --help\"", "%s", status.why);
        return EXIT_USAGE;
    }
    if (options.wish == FB_WISH_VERSION) {
        return terminal_print("flowctl %s\n", FB_VERSION) ? EXIT_DONE : EXIT_INTERNAL;
    }
    command = find(options.rest, options.rest_count, &used);
    if (options.wish == FB_WISH_HELP ||
        (options.rest_count > 0 && strcmp(options.rest[0], "help") == 0)) {
        const size_t skipped = options.rest_count > 0 && strcmp(options.rest[0], "help") == 0;

        command = find(options.rest + skipped, options.rest_count - skipped, &used);
        return show_help(command, group_of(options.rest[skipped]), arena);
    }
    if (options.rest_count == 0 && options.wish != FB_WISH_RUN) {
        return show_config(NULL, options.wish, arena);
    }
    if (options.rest_count == 0) {
        show_help(NULL, NULL, arena);
        return EXIT_USAGE;
    }
    if (command == NULL && group_of(options.rest[0]) != NULL && options.rest_count > 1 &&
        strcmp(options.rest[1], "--help") == 0) {
        return show_help(NULL, group_of(options.rest[0]), arena);
    }
    if (command == NULL) {
        return complain_of_unknown(options.rest, options.rest_count, arena);
    }
    return run_command(command, argc, argv, &options, used, arena);
}

int main(int argc, char **argv)
{
    struct fb_arena arena;
    int code;

    signal(SIGPIPE, SIG_IGN);
    fb_arena_init(&arena, 0);
    terminal_open(TERMINAL_COLOUR_AUTO, fb_config_environment("NO_COLOR"),
                  fb_config_environment("TERM"));
    code = run_flowctl(argc, argv, &arena);
    terminal_progress_end();
    fb_arena_finish(&arena);
    return code;
}
