#define _XOPEN_SOURCE 700 /* nrand48 */

#include "tests/bench/event_data.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/arena.h"
#include "services/session_store/batch.h"
#include "services/worker/flow/decide.h"
#include "services/worker/flow/session.h"

enum { AGENTS = 6, NOUNS = 16, SENTENCES = 10, PLAN_AT_ONCE = 25 };

/* What the texts of a set are made of; %s is a noun, the next %s a path. */
struct words {
    const char *agents[AGENTS];
    const char *nouns[NOUNS];
    const char *paths[NOUNS];
    const char *titles[SENTENCES];
    const char *sentences[SENTENCES];
};

static const struct words sets[] = {
    [EVENT_DATA_TRAINING] =
        {
            {"claude-1", "cursor", "codex-main", "reviewer", "builder-2", "docs"},
            {"parser", "scheduler", "login form", "cache", "search index", "billing export",
             "retry logic", "settings page", "metrics endpoint", "upload queue", "test suite",
             "data model", "error messages", "release script", "permissions", "API client"},
            {"src/parser.c", "lib/scheduler.ts", "app/login.tsx", "src/cache/store.go",
             "search/index.py", "billing/export.rb", "net/retry.rs", "ui/settings.vue",
             "server/metrics.go", "jobs/upload.py", "tests/test_model.py", "models/task.py",
             "src/errors.ts", "scripts/release.sh", "auth/permissions.go", "client/api.ts"},
            {"Fix the %s", "Write tests for the %s", "Document the %s", "Refactor the %s",
             "Find out why the %s is slow", "Add a setting to the %s", "Review the %s",
             "Remove dead code from the %s", "Make the %s handle empty input",
             "Move the %s to the new module"},
            {"The %s fails when the input is empty; see %s for where it is read.",
             "All tests pass now, also those of the %s in %s.",
             "Changed %s so that the error is reported: look at %s.",
             "It has to keep working with the old format of the %s, as described in %s.",
             "Still looking into the %s; the cause seems to be in %s.",
             "Blocked by a missing decision about the %s, which %s depends on.",
             "Added a regression test for the %s next to %s.",
             "The performance of the %s is better by a third after the change in %s.",
             "Please check the naming in the %s before merging %s.",
             "Done: the %s is documented, with an example taken from %s."},
        },
    [EVENT_DATA_MEASURED] =
        {
            {"gemini-a", "windsurf", "aider", "planner", "qa-bot", "ops"},
            {"tokenizer", "job runner", "signup flow", "session store", "ranking model",
             "invoice mailer", "backoff timer", "profile screen", "health probe", "image resizer",
             "fixture loader", "schema migration", "stack traces", "installer", "role matrix",
             "websocket layer"},
            {"core/tokenizer.rs", "worker/runner.java", "web/signup.svelte", "kv/session.cc",
             "rank/model.py", "mail/invoice.php", "time/backoff.c", "screens/profile.dart",
             "probe/health.go", "img/resize.cpp", "spec/fixtures.js", "db/migrate/0042.sql",
             "diag/trace.swift", "pkg/install.ps1", "iam/roles.kt", "rt/socket.ex"},
            {"Repair %s after upgrade", "Cover %s with unit checks", "Explain %s in handbook",
             "Split %s into layers", "Profile %s under load", "Let users configure %s", "Audit %s",
             "Drop unused branches of %s", "Guard %s against nulls", "Port %s to version three"},
            {"When nothing arrives, %s panics inside %s around line 80.",
             "Green again after rerunning; %s had a stale lock from %s.",
             "Rewrote half of %s, mostly by simplifying %s.",
             "Clients on older builds expect %s unchanged, compare %s.",
             "No luck so far with %s, will instrument %s next.",
             "Waiting on product to say whether %s may touch %s.",
             "Wrote three cases around %s, kept beside %s.",
             "Latency of %s dropped from 90 to 60 ms thanks to %s.",
             "Names inside %s feel odd, suggestion left in %s.",
             "Finished; %s has a walkthrough built upon %s."},
        },
};

struct maker {
    const struct words *words;
    enum event_data_set set;
    const struct event_data_prose *prose;
    unsigned short random[3];
    struct fb_arena texts; /* of one command */
    struct fb_arena arena; /* what the engine decided */
    struct decision decision;
    event_data_fn *tell;
    void *arg;
};

static uint32_t pick(struct maker *maker, uint32_t below)
{
    return (uint32_t)nrand48(maker->random) % below;
}

static _Noreturn void stop(const char *what, const char *why)
{
    fprintf(stderr, "event_data: %s: %s\n", what, why);
    exit(1);
}

/* Puts what is given in place of each %s. */
static struct fb_text fill(struct maker *maker, const char *pattern)
{
    const char *const with[] = {maker->words->nouns[pick(maker, NOUNS)],
                                maker->words->paths[pick(maker, NOUNS)]};
    char text[512] = "";
    size_t at = 0;
    size_t used = 0;

    for (const char *from = pattern; *from != '\0'; from++) {
        if (from[0] == '%' && from[1] == 's') {
            at += (size_t)snprintf(text + at, sizeof(text) - at, "%s", with[used++ % 2]);
            from += 1;
        } else {
            text[at++] = *from;
        }
    }
    return (struct fb_text){.data = fb_arena_copy(&maker->texts, text, at), .size = at};
}

static struct fb_text sentence(struct maker *maker)
{
    const struct event_data_prose *prose = maker->prose;

    if (prose->count > 0) {
        uint32_t half = pick(maker, (uint32_t)(prose->count / 2));

        return fb_text_of(prose->sentences[2 * half + (maker->set == EVENT_DATA_MEASURED)]);
    }
    return fill(maker, maker->words->sentences[pick(maker, SENTENCES)]);
}

static struct fb_text sentences(struct maker *maker, uint32_t count)
{
    char *text = fb_arena_zalloc(&maker->texts, count + 1, 512);
    size_t at = 0;

    for (uint32_t i = 0; i < count; i++) {
        struct fb_text one = sentence(maker);

        if (i > 0) {
            text[at++] = ' ';
        }
        memcpy(text + at, one.data, one.size);
        at += one.size;
    }
    return (struct fb_text){.data = text, .size = at};
}

/* A mutation's name: 22 random letters, as nothing can foretell. */
static void mint_request(struct maker *maker)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    char *id = fb_arena_alloc(&maker->texts, 22);

    for (size_t i = 0; i < 22; i++) {
        id[i] = letters[pick(maker, 64)];
    }
    maker->decision.request_id = (struct fb_text){.data = id, .size = 22};
}

/* Tells what was decided as one append, and forgets it. */
static void flush(struct maker *maker, const char *what, bool done)
{
    struct decision *d = &maker->decision;
    struct engine_event *events =
        fb_arena_zalloc(&maker->arena, d->event_count + 1, sizeof(*events));
    uint8_t *bytes;
    size_t size;

    if (!done) {
        stop(what, d->refusal.why);
    }
    for (size_t i = 0; i < d->event_count; i++) {
        struct fb_text packed;

        if (!fb_is_ok(event_pack(&d->events[i], &maker->arena, &packed))) {
            stop(what, "an event cannot be packed");
        }
        events[i].kind = (uint32_t)d->events[i].kind;
        events[i].payload = (struct engine_bytes){(const uint8_t *)packed.data, packed.size};
    }
    size = batch_size(events, d->event_count);
    bytes = fb_arena_alloc(&maker->arena, size + 1);
    batch_write(events, d->event_count, bytes);
    if (d->event_count > 0) {
        maker->tell(maker->arg, (struct engine_bytes){bytes, size}, d->event_count);
    }
    d->events = NULL;
    d->event_count = d->event_room = 0;
    d->grants = NULL;
    d->grant_count = d->grant_room = 0;
    fb_arena_reset(&maker->arena);
    fb_arena_reset(&maker->texts);
    d->now_ms += 1000 + pick(maker, 60000);
}

static void plan_some(struct maker *maker, uint32_t count)
{
    struct plan_item items[PLAN_AT_ONCE];
    struct plan_link links[PLAN_AT_ONCE];

    mint_request(maker);
    for (uint32_t i = 0; i < count; i++) {
        links[i] = (struct plan_link){.item = i, .kind = EVENT_LINK_AFTER};
        items[i] = (struct plan_item){
            .task = {.title = fill(maker, maker->words->titles[pick(maker, SENTENCES)]),
                     .body = sentences(maker, 1 + pick(maker, 3)),
                     .weight = 1 + pick(maker, 10),
                     .priority = pick(maker, 5)},
            .links = &links[i],
            .link_count = i % 4 != 0,
        };
    }
    flush(maker, "plan",
          decide_plan(&maker->decision,
                      &(struct plan_command){.agent = fb_text_of(maker->words->agents[0]),
                                             .items = items,
                                             .count = count}));
}

static void work_on(struct maker *maker, struct fb_text agent)
{
    struct event_evidence evidence = {.kind = EVENT_EVIDENCE_FILE, .host = FB_TEXT("build-host")};
    unsigned char digest[EVENT_SHA256_BYTES];
    uint32_t task;
    uint64_t fence;

    mint_request(maker);
    flush(maker, "next", decide_next(&maker->decision, &(struct next_command){.agent = agent}));
    task = maker->decision.task;
    fence = maker->decision.fence;
    for (uint32_t i = pick(maker, 3); i > 0; i--) {
        mint_request(maker);
        flush(maker, "pulse",
              decide_pulse(&maker->decision, &(struct pulse_command){.agent = agent,
                                                                     .task = task,
                                                                     .fence = fence,
                                                                     .note = sentences(maker, 1),
                                                                     .percent = 100 / (i + 1)}));
    }
    for (size_t i = 0; i < sizeof(digest); i++) {
        digest[i] = (unsigned char)pick(maker, 256);
    }
    mint_request(maker);
    evidence.ref = fb_text_of(maker->words->paths[pick(maker, NOUNS)]);
    evidence.sha256 = (struct fb_text){.data = (const char *)digest, .size = sizeof(digest)};
    evidence.size = pick(maker, 100000);
    flush(maker, "done",
          decide_done(&maker->decision,
                      &(struct done_command){.agent = agent,
                                             .task = task,
                                             .fence = fence,
                                             .summary = sentences(maker, 1 + pick(maker, 2)),
                                             .evidence = {&evidence, pick(maker, 2)}}));
}

void event_data_make(enum event_data_set set, const struct event_data_prose *prose, uint32_t tasks,
                     uint16_t seed, event_data_fn *tell, void *arg)
{
    struct maker maker = {.words = &sets[set],
                          .set = set,
                          .prose = prose,
                          .random = {1, 2, seed},
                          .tell = tell,
                          .arg = arg};

    fb_arena_init(&maker.texts, 0);
    fb_arena_init(&maker.arena, 0);
    maker.decision = (struct decision){
        .session = session_create(), .arena = &maker.arena, .now_ms = 1700000000000};
    for (uint32_t i = 0; i < AGENTS; i++) {
        mint_request(&maker);
        flush(&maker, "open",
              decide_open(&maker.decision,
                          &(struct open_command){.name = FB_TEXT("a session"),
                                                 .agent = fb_text_of(maker.words->agents[i])}));
    }
    for (uint32_t done = 0; done < tasks; done += PLAN_AT_ONCE) {
        uint32_t count = tasks - done < PLAN_AT_ONCE ? tasks - done : PLAN_AT_ONCE;

        plan_some(&maker, count);
        for (uint32_t i = 0; i < count; i++) {
            work_on(&maker, fb_text_of(maker.words->agents[pick(&maker, AGENTS)]));
        }
    }
    session_destroy(maker.decision.session);
    fb_arena_finish(&maker.texts);
    fb_arena_finish(&maker.arena);
}
