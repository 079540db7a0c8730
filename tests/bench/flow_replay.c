#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/replay_play.h"

enum { SESSIONS_MOST = 512 };

static const char help[] =
    "flow_replay: lets a session forecast itself from the log of what happened, and says how that "
    "went.\n"
    "\n"
    "    flow_replay [--without FEATURE] LOG...     - is stdin\n"
    "\n"
    "A log has a JSON object on each line, in the order of time:\n"
    "\n"
    "    t_ms      unix time\n"
    "    session   a name; what happens in one says nothing about another\n"
    "    kind      created started noted handed_back blocked unblocked completed failed cancelled\n"
    "              reopened linked seen\n"
    "    task      a number from 1, for all kinds but seen\n"
    "    agent     who; may be left out\n"
    "    weight    of created: effort, 1 to 10; else 5\n"
    "    priority  of created: 0 (first) to 4; else 2\n"
    "    phase     of created: 1 plan, 2 implement, 3 test, 4 document; else 0\n"
    "    link, on  of linked: the task hangs on another; after (waits for it), parent, from\n"
    "\n"
    "Each event is folded by the worker's own session. What that refuses is bent as little as "
    "needed: what\n"
    "is completed without having been started is claimed on the way, what held it up is unlinked.\n"
    "\n"
    "On stdout, a JSON object for each forecast, once what came of it is known:\n"
    "    {\"of\": \"forecast\"}   a tick and horizon: what model, published and baselines said, "
    "what happened\n"
    "    {\"of\": \"ranker\"}     a completion: its place among the candidates, by the ranker and "
    "each rule\n"
    "    {\"of\": \"effort\"}     a hold: absolute log errors of learned, published and prior\n"
    "    {\"of\": \"state\"}      every five minutes: the flow state, and whether a completion "
    "followed in 30\n"
    "    {\"of\": \"remaining\"}  after every 25th completion: awake minutes until what is open "
    "then is done\n"
    "    {\"of\": \"log\"}        a session: events, and how many of them no session could take\n"
    "Nothing is learned from before it has been forecast.\n"
    "\n"
    "--without N   leaves out a feature of the ranker, numbered from 0 as in ranker.h\n";

/* --- logs --- */

static struct play plays[SESSIONS_MOST];
static size_t play_count;

static struct play *play_of(const struct flow_log_event *event, uint32_t left_out)
{
    struct play *play = plays;

    while (play < plays + play_count && strcmp(play->name, event->session) != 0) {
        play++;
    }
    if (play < plays + play_count) {
        return play;
    }
    if (play_count == SESSIONS_MOST) {
        play_stop(event->session, "there are more than 512 sessions");
    }
    play_count++;
    memcpy(play->name, event->session, sizeof(play->name));
    play->session = session_create();
    play->numbers = calloc(FLOW_LOG_TASKS_MOST + 1, sizeof(*play->numbers));
    if (play->session == NULL || play->numbers == NULL) {
        play_stop(play->name, "no memory");
    }
    play->session->ranker.left_out = left_out;
    play->now_ms = event->t_ms;
    (void)play_fold(
        play,
        (struct event){
            .kind = EVENT_OPENED,
            .opened = {.name = fb_text_of(play->name), .active_most = 4096, .load_most = 0}},
        fb_text_of("someone"));
    return play;
}

static void replay(const char *name, uint32_t left_out)
{
    FILE *file = strcmp(name, "-") == 0 ? stdin : fopen(name, "r");
    struct flow_log_event event;
    enum flow_log_answer answer;
    const char *why = "it cannot be opened";

    if (file == NULL) {
        play_stop(name, why);
    }
    while ((answer = flow_log_read(file, &event, &why)) == FLOW_LOG_EVENT) {
        struct play *play = play_of(&event, left_out);

        if (event.t_ms < play->now_ms) {
            play_stop(name, "time runs backwards");
        }
        play_pass(play, event.t_ms);
        play->events++;
        play->refused += !play_happen(play, &event);
    }
    if (answer == FLOW_LOG_BAD) {
        play_stop(name, why);
    }
    if (file != stdin) {
        (void)fclose(file);
    }
}

int main(int argc, char **argv)
{
    uint32_t left_out = 0;
    int at = 1;

    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        fputs(help, argc < 2 ? stderr : stdout);
        return argc < 2 ? 2 : 0;
    }
    if (argc > 2 && strcmp(argv[1], "--without") == 0) {
        left_out = 1U << (strtoul(argv[2], NULL, 10) % RANKER_FEATURES);
        at = 3;
    }
    for (; at < argc; at++) {
        replay(argv[at], left_out);
    }
    for (size_t i = 0; i < play_count; i++) {
        printf("{\"of\": \"log\", \"session\": \"%s\", \"events\": %" PRIu64
               ", \"refused\": %" PRIu64 ", \"tasks\": %" PRIu32 ", \"unknown\": %" PRIu32
               ", \"fault\": \"%s\"}\n",
               plays[i].name, plays[i].events, plays[i].refused, plays[i].session->task_count,
               plays[i].remaining.count,
               session_fault(plays[i].session) == NULL ? "" : session_fault(plays[i].session));
        replay_remaining_finish(&plays[i].remaining);
        session_destroy(plays[i].session);
        free(plays[i].numbers);
    }
    return 0;
}
