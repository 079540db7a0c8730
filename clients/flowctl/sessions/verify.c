/*
 * sessions verify: whether what stands as evidence is still so, as far as it is on this machine.
 */

#include <inttypes.h>
#include <string.h>

#include "clients/evidence/evidence.h"
#include "clients/flowctl/commands.h"
#include "clients/flowctl/message_json.h"
#include "clients/flowctl/sessions/session_call.h"
#include "clients/flowctl/table.h"
#include "clients/flowctl/terminal.h"

/* A request for the task of the command's second argument, or for all. */
struct question {
    Flowbalancer__V1__VerifyRequest request;
    Flowbalancer__V1__FlowTaskRef task;
};

static void ask_about(struct question *question, struct session_call *call)
{
    flowbalancer__v1__verify_request__init(&question->request);
    question->request.context = &call->context;
    if (call->run->arg_count > 1) {
        session_call_task(call->run->args[1], &question->task);
        question->request.task = &question->task;
    }
}

/* Looks at the files that are on this machine; false when memory is exhausted. */
static bool look(const Flowbalancer__V1__VerifyResponse *recorded, const char *host,
                 struct fb_arena *arena, Flowbalancer__V1__VerifyRequest *request)
{
    const size_t count = recorded->n_verified;
    Flowbalancer__V1__FlowObservation *room = fb_arena_zalloc(arena, count + 1, sizeof(*room));

    request->observations = fb_arena_zalloc(arena, count + 1, sizeof(*request->observations));
    if (room == NULL || request->observations == NULL) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        const Flowbalancer__V1__FlowVerified *of = recorded->verified[i];
        Flowbalancer__V1__FlowObservation *seen = &room[request->n_observations];
        struct fb_evidence file;

        if (of->evidence == NULL || of->evidence->ref[0] != '/' ||
            of->evidence->kind != FLOWBALANCER__V1__FLOW_EVIDENCE_KIND__FLOW_EVIDENCE_KIND_FILE ||
            strcmp(of->evidence->host, host) != 0) {
            continue;
        }
        terminal_progress("%zu of %zu: %s", i + 1, count, of->evidence->ref);
        file = fb_evidence_of_file(of->evidence->ref, NULL);
        if (file.there && !file.digested) {
            terminal_complain(NULL, "%s: %s", of->evidence->ref, file.why);
            continue; /* what cannot be read is not known to have changed */
        }
        flowbalancer__v1__flow_observation__init(seen);
        seen->task = of->task;
        seen->ref = fb_arena_copy(arena, of->evidence->ref, strlen(of->evidence->ref));
        if (file.digested) {
            seen->sha256.data = fb_arena_alloc(arena, sizeof(file.sha256));
            seen->sha256.len = sizeof(file.sha256);
        }
        if (seen->ref == NULL || (file.digested && seen->sha256.data == NULL)) {
            return false;
        }
        if (file.digested) {
            memcpy(seen->sha256.data, file.sha256, sizeof(file.sha256));
        }
        request->observations[request->n_observations++] = seen;
    }
    terminal_progress_end();
    return true;
}

static const char *state_word(const Flowbalancer__V1__FlowVerified *of,
                              enum terminal_colour *colour)
{
    switch (of->state) {
    case FLOWBALANCER__V1__FLOW_EVIDENCE_STATE__FLOW_EVIDENCE_STATE_UNCHANGED:
        *colour = TERMINAL_GOOD;
        return "unchanged";
    case FLOWBALANCER__V1__FLOW_EVIDENCE_STATE__FLOW_EVIDENCE_STATE_CHANGED:
        *colour = TERMINAL_BAD;
        return "changed";
    case FLOWBALANCER__V1__FLOW_EVIDENCE_STATE__FLOW_EVIDENCE_STATE_MISSING:
        *colour = TERMINAL_BAD;
        return "missing";
    default:
        *colour = TERMINAL_DIM;
        return "not checked";
    }
}

/* EXIT_NEGATIVE when something is missing or has changed. */
static int show(const struct run *run, const Flowbalancer__V1__VerifyResponse *response,
                const char *host)
{
    struct table table = {.headings = {"TASK", "STATE", "HOST", "EVIDENCE"}, .right = {true}};
    struct fb_buffer text = {.data = NULL};
    size_t bad = 0;

    for (size_t i = 0; i < response->n_verified; i++) {
        const Flowbalancer__V1__FlowVerified *of = response->verified[i];
        enum terminal_colour colour;
        const char *word = state_word(of, &colour);

        bad += colour == TERMINAL_BAD;
        table_put(&table, TERMINAL_PLAIN, "#%" PRIu32, of->task);
        table_put(&table, colour, "%s", word);
        table_put(&table, TERMINAL_DIM, "%s", of->evidence == NULL ? "" : of->evidence->host);
        table_put(&table, TERMINAL_PLAIN, "%s", of->evidence == NULL ? "" : of->evidence->ref);
    }
    if (run->globals->json) {
        message_json_send(&response->base);
    } else if (response->n_verified == 0) {
        terminal_print("no evidence is recorded\n");
    } else {
        table_render(&table, &text);
        terminal_write((struct fb_text){.data = text.data, .size = text.size});
        terminal_print("looked at what is on %s%s\n", host,
                       response->truncated ? "; there is more: name a task" : "");
    }
    fb_buffer_finish(&text);
    table_finish(&table);
    return bad > 0 ? EXIT_NEGATIVE : EXIT_DONE;
}

static int verify(const struct run *run)
{
    const Flowbalancer__V1__VerifyResponse *response;
    char host[FB_EVIDENCE_HOST_BYTES + 1];
    struct question first;
    struct question second;
    struct session_call call;
    int code = session_call_begin(&call, run, run->args[0], NULL);

    if (code != EXIT_DONE) {
        return code;
    }
    fb_evidence_host(host);
    ask_about(&first, &call);
    ask_about(&second, &call);
    second.request.by = &call.by;
    second.request.host = host;
    response = fb_flow_verify(call.client, &first.request, NULL, &call.answer);
    if (response != NULL && !look(response, host, run->arena, &second.request)) {
        session_call_end(&call);
        return EXIT_INTERNAL;
    }
    if (response != NULL && second.request.n_observations > 0) {
        response = fb_flow_verify(call.client, &second.request, NULL, &call.answer);
    }
    code =
        response == NULL ? session_call_complain(&call, &call.answer) : show(run, response, host);
    session_call_end(&call);
    return code;
}

const struct command command_sessions_verify = {
    .name = "sessions verify",
    .usage = "SESSION [TASK]",
    .purpose = "look whether the files that stand as evidence are there and unchanged",
    .details = "Looks at what is on this machine, and says of all else where it is. What differs "
               "is kept, and "
               "raises the\nalarm false_done. Exit code 1 when something is missing or has changed",
    .least_args = 1,
    .most_args = 2,
    .run = verify,
};
