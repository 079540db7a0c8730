/*
 * check_suite: whether it runs, what was left behind, each program's health, the workers, the store.
 */

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clients/c/admin.h"
#include "clients/c/session_store.h"
#include "clients/flowctl/connect.h"
#include "clients/flowctl/findings.h"
#include "clients/flowctl/health.h"
#include "clients/flowctl/suite.h"
#include "runtime/base/clock.h"
#include "runtime/base/version.h"

enum { STARTS_MANY = 3, CHECK_MS = 30000, LOG_BYTES = 64 * 1024 };

static const char part[] = "suite";

/* --- a suite that does not run --- */

static void mend_left_over(struct findings *findings, const char *path, const char *what)
{
    if (findings->fix && unlink(path) == 0) {
        findings_add(findings, FINDING_MENDED, part, NULL, "%s was left behind: %s", what, path);
    } else {
        findings_add(findings, FINDING_HINT, part,
                     "the next start replaces it; \"flowctl doctor --fix\" removes it",
                     "%s was left behind: %s", what, path);
    }
}

static void check_left_overs(struct findings *findings)
{
    const struct run *run = findings->run;
    const char *folder = fb_arena_printf(run->arena, "%s/run", run->state_dir);
    DIR *entries = folder == NULL ? NULL : opendir(folder);
    const struct dirent *entry;

    while (entries != NULL && (entry = readdir(entries)) != NULL) {
        const size_t size = strlen(entry->d_name);
        const char *path = fb_arena_printf(run->arena, "%s/%s", folder, entry->d_name);

        if (path == NULL) {
            break;
        }
        if (strcmp(entry->d_name, "suite.json") == 0) {
            mend_left_over(findings, path, "the list of a suite that does not run");
        } else if (size > 5 && strcmp(entry->d_name + size - 5, ".sock") == 0) {
            struct health_finding health;

            health_ask(run, fb_arena_printf(run->arena, "unix:%s", path), &health);
            if (!health.is_well) {
                mend_left_over(findings, path, "a socket where nobody listens");
            } else {
                findings_add(findings, FINDING_WARNING, part,
                             "end that process, then \"flowctl up\"",
                             "somebody serves at %s, but not as a part of a suite", path);
            }
        }
    }
    if (entries != NULL) {
        closedir(entries);
    }
}

/* --- one that runs --- */

static void check_socket(struct findings *findings, const char *address)
{
    const char *path = strncmp(address, "unix:", 5) == 0 ? address + 5 : NULL;
    struct stat found;

    if (path == NULL || stat(path, &found) != 0 || (found.st_mode & 077) == 0) {
        return;
    }
    if (findings->fix && chmod(path, 0600) == 0) {
        findings_add(findings, FINDING_MENDED, part, NULL, "%s was open to others", path);
    } else {
        findings_add(findings, FINDING_WARNING, part,
                     fb_arena_printf(findings->run->arena, "chmod 600 '%s'", path),
                     "%s is open to others: mode %03o", path, (unsigned)(found.st_mode & 0777));
    }
}

static void check_running_program(struct findings *findings, const struct suite_program *program)
{
    const char *log = fb_arena_printf(findings->run->arena, "see %s/log/suite.log for \"%s\"",
                                      findings->run->state_dir, program->name);
    struct health_finding health;

    if (strcmp(program->state, "running") != 0) {
        findings_add(findings, FINDING_PROBLEM, part, log,
                     "%s does not run, it is %s after %" PRId64 " starts", program->name,
                     program->state, program->starts);
        return;
    }
    health_ask(findings->run, program->address, &health);
    if (!health.is_well) {
        findings_add(findings, FINDING_PROBLEM, part, log, "%s (%" PRId64 "): %s%s%s",
                     program->name, program->pid, health.word, health.why[0] == '\0' ? "" : ": ",
                     health.why);
        return;
    }
    check_socket(findings, program->address);
    if (program->starts > STARTS_MANY) {
        findings_add(findings, FINDING_WARNING, part, log, "%s was started %" PRId64 " times",
                     program->name, program->starts);
    } else {
        findings_add(findings, FINDING_GOOD, part, NULL, "%s (%" PRId64 ") serves", program->name,
                     program->pid);
    }
}

static void check_worker(struct findings *findings, const Flowbalancer__V1__WorkerOverview *worker)
{
    if (worker->state != FLOWBALANCER__V1__WORKER_STATE__WORKER_STATE_READY) {
        findings_add(findings, FINDING_WARNING, part, "\"flowctl status\" shows its state",
                     "worker %s takes no calls", worker->worker_id);
    }
    if (strcmp(worker->version, FB_VERSION) != 0) {
        findings_add(findings, FINDING_WARNING, part, "\"flowctl down\", then \"flowctl up\"",
                     "worker %s is of version %s, flowctl of %s", worker->worker_id,
                     worker->version, FB_VERSION);
    }
    for (size_t i = 0; i < worker->n_instances; i++) {
        const Flowbalancer__V1__InstanceReport *instance = worker->instances[i];

        if (instance->state == FLOWBALANCER__V1__INSTANCE_STATE__INSTANCE_STATE_CRASHED) {
            findings_add(findings, FINDING_PROBLEM, part,
                         fb_arena_printf(findings->run->arena,
                                         "see %s/log/suite.log for what \"%s\" said",
                                         findings->run->state_dir, instance->server),
                         "server %s ended by itself, after %" PRIu32 " starts", instance->server,
                         instance->starts);
        }
    }
}

static void check_overview(struct findings *findings)
{
    const struct run *run = findings->run;
    Flowbalancer__V1__GetOverviewRequest request = FLOWBALANCER__V1__GET_OVERVIEW_REQUEST__INIT;
    const Flowbalancer__V1__GetOverviewResponse *overview;
    struct fb_answer answer = {.status = fb_ok};
    struct fb_client *client;

    if (!fb_is_ok(connect_to(run, run->router, &client))) {
        return; /* told with the router's health */
    }
    overview = fb_admin_get_overview(client, &request, NULL, &answer);
    if (overview == NULL) {
        findings_add(findings, FINDING_PROBLEM, part, "see log/suite.log in the state folder",
                     "the router at %s: %s", run->router, answer.status.why);
    } else if (overview->n_workers == 0) {
        findings_add(findings, FINDING_PROBLEM, part, "see log/suite.log in the state folder",
                     "no worker has joined the router");
    }
    for (size_t i = 0; overview != NULL && i < overview->n_workers; i++) {
        check_worker(findings, overview->workers[i]);
    }
    fb_answer_finish(&answer);
    fb_client_close(client);
}

static void check_store(struct findings *findings)
{
    const struct run *run = findings->run;
    Flowbalancer__V1__CheckRequest request = FLOWBALANCER__V1__CHECK_REQUEST__INIT;
    const struct fb_client_options options = {.deadline_ms = fb_clock_ms() + CHECK_MS};
    const Flowbalancer__V1__CheckResponse *response;
    struct fb_client *client;
    struct fb_stream *stream;
    int64_t total = -1;

    if (!fb_is_ok(connect_to(run, run->store, &client))) {
        return;
    }
    request.quick = 1;
    stream = fb_session_store_check(client, &request, &options);
    while (stream != NULL && (response = fb_session_store_check_next(stream)) != NULL) {
        for (size_t i = 0; i < response->n_findings; i++) {
            findings_add(findings, FINDING_PROBLEM, part,
                         "\"flowctl down\", then put a backup in place of the database",
                         "store: %s", response->findings[i]);
        }
        total = response->done ? response->findings_total : total;
    }
    if (total == 0) {
        findings_add(findings, FINDING_GOOD, part, NULL,
                     "the store's structure is whole; \"flowctl store check\" looks at all of it");
    } else if (total < 0 && stream != NULL) {
        findings_add(findings, FINDING_WARNING, part, "try \"flowctl store check\"",
                     "the store could not be examined: %s", fb_stream_answer(stream)->status.why);
    }
    fb_stream_close(stream);
    fb_client_close(client);
}

/* The last error in the log's end, as the log is where everything is told first. */
static void check_log(struct findings *findings)
{
    const char *path =
        fb_arena_printf(findings->run->arena, "%s/log/suite.log", findings->run->state_dir);
    char *text = fb_arena_alloc(findings->run->arena, LOG_BYTES + 1);
    FILE *file = path == NULL || text == NULL ? NULL : fopen(path, "re");
    const char *last = NULL;
    size_t errors = 0;
    size_t size;

    if (file == NULL) {
        return;
    }
    if (fseek(file, -LOG_BYTES, SEEK_END) != 0) {
        rewind(file);
    }
    size = fread(text, 1, LOG_BYTES, file);
    fclose(file);
    text[size] = '\0';
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        if (strstr(line, "level=error") != NULL || strstr(line, "\"level\":\"error\"") != NULL) {
            errors++;
            last = line;
        }
    }
    if (errors > 0) {
        findings_add(findings, FINDING_HINT, part, last,
                     "%zu errors lately in %s, the last one:", errors, path);
    }
}

static void check_running(struct findings *findings, const struct suite *suite)
{
    if (strcmp(suite->version, FB_VERSION) != 0) {
        findings_add(findings, FINDING_WARNING, part, "\"flowctl down\", then \"flowctl up\"",
                     "the suite that runs is of version %s, flowctl of %s", suite->version,
                     FB_VERSION);
    }
    for (size_t i = 0; i < suite->count; i++) {
        check_running_program(findings, &suite->programs[i]);
    }
    check_overview(findings);
    check_store(findings);
}

void check_suite(struct findings *findings)
{
    const struct run *run = findings->run;
    struct suite suite;
    const struct fb_status status = suite_read(run->state_dir, run->arena, &suite);

    if (!fb_is_ok(status)) {
        findings_add(findings, suite.runs ? FINDING_PROBLEM : FINDING_WARNING, part,
                     "look at the file, or remove it", "%s", status.why);
    }
    if (suite.runs && suite.is_told) {
        check_running(findings, &suite);
    } else if (suite.runs) {
        findings_add(findings, FINDING_WARNING, part, "try again",
                     "the suite is being started or ended, or its list is gone");
    } else {
        findings_add(findings, FINDING_HINT, part, "\"flowctl up\"",
                     "no suite runs in %s; the first agent's call starts one", run->state_dir);
        check_left_overs(findings);
    }
    check_log(findings);
}
