#include "services/worker/flow_service/turns.h"

#include <stdlib.h>
#include <string.h>

#include "services/worker/flow/ties.h"

enum { ROOM_FIRST = 16 };

struct turns_place {
    uint64_t key;   /* of the session that it was last; 0: of none yet */
    const char *id; /* good while a pick goes on */
    bool can;
};

/* A pick on its way. */
struct picking {
    struct turns *turns;
    const struct turns_asking *asking;
    uint32_t repeats; /* place of the session that knows the request id, or FAIRNESS_NONE */
    uint32_t holds;   /* and of one where the agent holds something */
};

void turns_finish(struct turns *turns)
{
    fairness_destroy(turns->fairness);
    free(turns->places);
    *turns = (struct turns){.room = 0};
}

static bool make_room(struct turns *turns, uint32_t place)
{
    const uint32_t room = place < ROOM_FIRST ? ROOM_FIRST : 2 * place;
    struct turns_place *places;

    if (turns->fairness == NULL) {
        turns->fairness = fairness_create();
    }
    if (turns->fairness == NULL || place < turns->room) {
        return turns->fairness != NULL;
    }
    places = realloc(turns->places, room * sizeof(*places));
    if (places == NULL) {
        return false;
    }
    memset(places + turns->room, 0, (room - turns->room) * sizeof(*places));
    turns->places = places;
    turns->room = room;
    return true;
}

/* The session has its place, and an account of its own there. NULL: no memory, so it is passed over. */
static struct turns_place *join(struct turns *turns, const struct keeper_seen *seen)
{
    struct turns_place *place;

    if (!make_room(turns, seen->place)) {
        return NULL;
    }
    place = &turns->places[seen->place];
    if (place->key != seen->key) {
        fairness_leave(turns->fairness, seen->place);
        place->key = seen->key;
    }
    place->id = seen->id;
    return fairness_join(turns->fairness, seen->place, seen->session->share) ? place : NULL;
}

static bool has_something(const struct session *session, uint32_t agent, int64_t now_ms)
{
    const struct ties ties = {.session = session, .agent = agent};

    return session->agents[agent].held < session->agents[agent].held_most &&
           schedule_pick(session->schedule, ties_agent(&ties), session_workers(session, now_ms),
                         session_awake_ms(session, now_ms))
                   .task != GRAPH_NONE;
}

static void look_at(void *arg, const struct keeper_seen *seen)
{
    struct picking *picking = arg;
    struct turns *turns = picking->turns;
    const struct turns_asking *asking = picking->asking;
    const uint32_t agent = session_agent_of(seen->session, asking->agent);
    struct turns_place *place = agent == NAMES_NONE ? NULL : join(turns, seen);

    if (place == NULL) {
        return;
    }
    session_settle(seen->session, asking->now_ms);
    if (session_recent(seen->session, asking->agent, asking->request_id) != NULL) {
        picking->repeats = seen->place;
    } else if (seen->session->agents[agent].held != 0) {
        picking->holds = seen->place;
    } else if (schedule_ready_count(seen->session->schedule) == 0) {
        fairness_idle(turns->fairness, seen->place);
    } else {
        place->can = has_something(seen->session, agent, asking->now_ms);
    }
}

static bool can(void *arg, uint32_t session)
{
    const struct turns *turns = arg;

    return session < turns->room && turns->places[session].can;
}

bool turns_pick(struct turns *turns, const struct keeper *keeper, const struct turns_asking *asking,
                struct fb_arena *arena, struct turn *turn)
{
    struct picking picking = {
        .turns = turns,
        .asking = asking,
        .repeats = FAIRNESS_NONE,
        .holds = FAIRNESS_NONE,
    };
    uint32_t place;

    for (uint32_t i = 0; i < turns->room; i++) {
        turns->places[i].can = false;
    }
    keeper_each_seen(keeper, asking->scope, look_at, &picking);
    place = picking.repeats != FAIRNESS_NONE ? picking.repeats : picking.holds;
    if (place == FAIRNESS_NONE && turns->fairness != NULL) {
        place = fairness_pick(turns->fairness, can, turns);
    }
    if (place == FAIRNESS_NONE) {
        return false;
    }
    *turn = (struct turn){
        .session = fb_arena_copy(arena, turns->places[place].id, strlen(turns->places[place].id)),
        .place = place,
        .key = turns->places[place].key,
    };
    return turn->session != NULL;
}

void turns_charge(struct turns *turns, const struct turn *turn, uint64_t effort_ms)
{
    if (turn->place < turns->room && turns->places[turn->place].key == turn->key) {
        fairness_charge(turns->fairness, turn->place, effort_ms);
    }
}
