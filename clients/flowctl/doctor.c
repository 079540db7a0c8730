/*
 * doctor: what is wrong, and how to mend it.
 */

#include "clients/flowctl/commands.h"
#include "clients/flowctl/findings.h"
#include "clients/flowctl/terminal.h"
#include "clients/flowctl/writer.h"

struct doctor_options {
    bool fix;
    bool all;
};

static struct doctor_options doctor_options;

static const struct fb_option doctor_table[] = {
    {"fix", FB_OPTION_BOOL, offsetof(struct doctor_options, fix),
     .help = "mend what can be mended without a loss: modes, folders, what a dead suite left"},
    {"all", FB_OPTION_BOOL, offsetof(struct doctor_options, all), .fallback = "true",
     .help = "show also what is well"},
    {.name = NULL},
};

/* How a level is shown. */
static const struct {
    const char *name; /* for --json */
    const char *mark;
    enum terminal_colour colour;
} levels[FINDING_LEVELS] = {
    [FINDING_GOOD] = {"good", "ok    ", TERMINAL_GOOD},
    [FINDING_HINT] = {"hint", "hint  ", TERMINAL_DIM},
    [FINDING_WARNING] = {"warning", "warn  ", TERMINAL_WARN},
    [FINDING_PROBLEM] = {"problem", "BAD   ", TERMINAL_BAD},
    [FINDING_MENDED] = {"mended", "mended", TERMINAL_GOOD},
};

static void print_findings(const struct findings *findings)
{
    for (size_t i = 0; i < findings->count; i++) {
        const struct finding *finding = &findings->items[i];
        struct fb_buffer line = {.data = NULL};

        if (finding->level == FINDING_GOOD && !doctor_options.all) {
            continue;
        }
        fb_buffer_printf(&line, "%s%s%s  %-13s  %s\n",
                         terminal_colour(levels[finding->level].colour),
                         levels[finding->level].mark, terminal_colour(TERMINAL_PLAIN),
                         finding->part, finding->what);
        if (finding->mend[0] != '\0') {
            fb_buffer_printf(&line, "        %-13s  -> %s\n", "", finding->mend);
        }
        terminal_write((struct fb_text){.data = line.data, .size = line.size});
        fb_buffer_finish(&line);
    }
    terminal_print("\nproblems: %zu, warnings: %zu, hints: %zu, left off: %zu\n",
                   findings_count(findings, FINDING_PROBLEM),
                   findings_count(findings, FINDING_WARNING),
                   findings_count(findings, FINDING_HINT), findings->left_off);
}

static void write_findings(const struct findings *findings)
{
    struct writer writer = {.depth = 0};

    writer_open(&writer, '{');
    writer_key_uint(&writer, "problems", findings_count(findings, FINDING_PROBLEM));
    writer_key_uint(&writer, "warnings", findings_count(findings, FINDING_WARNING));
    writer_key_uint(&writer, "left_off", findings->left_off);
    writer_key(&writer, "findings");
    writer_open(&writer, '[');
    for (size_t i = 0; i < findings->count; i++) {
        writer_open(&writer, '{');
        writer_key_string(&writer, "level", levels[findings->items[i].level].name);
        writer_key_string(&writer, "part", findings->items[i].part);
        writer_key_string(&writer, "what", findings->items[i].what);
        writer_key_string(&writer, "mend", findings->items[i].mend);
        writer_close(&writer, '}');
    }
    writer_close(&writer, ']');
    writer_close(&writer, '}');
    writer_send(&writer);
}

static int doctor(const struct run *run)
{
    static const struct {
        const char *what;
        void (*check)(struct findings *findings);
    } checks[] = {
        {"the programs", check_programs},
        {"the folders", check_folders},
        {"the configuration", check_configuration},
        {"the clients", check_clients},
        {"the suite", check_suite},
    };
    struct findings findings = {.run = run, .fix = doctor_options.fix};

    findings.items = fb_arena_zalloc(run->arena, FINDINGS_MOST, sizeof(*findings.items));
    if (findings.items == NULL) {
        return EXIT_INTERNAL;
    }
    for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
        if (terminal_is_read()) {
            terminal_progress("looking at %s", checks[i].what);
        }
        checks[i].check(&findings);
    }
    terminal_progress_end();
    if (run->globals->json) {
        write_findings(&findings);
    } else {
        print_findings(&findings);
    }
    return findings_count(&findings, FINDING_PROBLEM) + findings.left_off == 0 ? EXIT_DONE
                                                                               : EXIT_NEGATIVE;
}

const struct command command_doctor = {
    .name = "doctor",
    .usage = "",
    .purpose = "say what is wrong, and how to mend it",
    .details =
        "Looks at programs, folders, configuration, the files of MCP clients, and the suite of "
        "this "
        "machine.\nA suite that does not run is no problem. Exit code 1 when there is any problem",
    .options = doctor_table,
    .config = &doctor_options,
    .run = doctor,
};
