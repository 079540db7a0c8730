#include "services/worker/flow/fairness.h"

#include <stdlib.h>

enum { SLOTS_FIRST = 16 };

/* No single charge puts an account further down than a month of effort. */
#define CHARGE_MOST_MS UINT64_C(2592000000)

struct share {
    int64_t account_ms; /* never above one turn's worth */
    uint32_t weight;    /* 0: takes no part */
    bool can;           /* as found by the pick under way */
};

struct fairness {
    struct share *shares; /* by session */
    uint32_t slots;
    uint32_t turn; /* the session that is looked at first */
};

struct fairness *fairness_create(void)
{
    return calloc(1, sizeof(struct fairness));
}

void fairness_destroy(struct fairness *fairness)
{
    if (fairness == NULL) {
        return;
    }
    free(fairness->shares);
    free(fairness);
}

bool fairness_join(struct fairness *fairness, uint32_t session, uint32_t weight)
{
    uint32_t slots = fairness->slots == 0 ? SLOTS_FIRST : fairness->slots;
    struct share *shares;

    if (session >= FAIRNESS_SESSIONS_MOST || weight < 1 || weight > FAIRNESS_WEIGHT_MOST) {
        return false;
    }
    while (slots <= session) {
        slots *= 2;
    }
    if (slots > fairness->slots) {
        shares = realloc(fairness->shares, slots * sizeof(*shares));
        if (shares == NULL) {
            return false;
        }
        for (uint32_t slot = fairness->slots; slot < slots; slot++) {
            shares[slot] = (struct share){0};
        }
        fairness->shares = shares;
        fairness->slots = slots;
    }
    fairness->shares[session].weight = weight;
    return true;
}

static struct share *share_of(struct fairness *fairness, uint32_t session)
{
    if (session >= fairness->slots || fairness->shares[session].weight == 0) {
        return NULL;
    }
    return &fairness->shares[session];
}

void fairness_leave(struct fairness *fairness, uint32_t session)
{
    struct share *share = share_of(fairness, session);

    if (share != NULL) {
        *share = (struct share){0};
    }
}

void fairness_idle(struct fairness *fairness, uint32_t session)
{
    struct share *share = share_of(fairness, session);

    if (share != NULL && share->account_ms > 0) {
        share->account_ms = 0;
    }
}

static int64_t turn_ms(const struct share *share)
{
    return (int64_t)FAIRNESS_QUANTUM_MS * share->weight;
}

/* How many turns bring the account above 0. */
static int64_t turns_owed(const struct share *share)
{
    return share->account_ms > 0 ? 0 : -share->account_ms / turn_ms(share) + 1;
}

uint32_t fairness_pick(struct fairness *fairness, fairness_can_fn can, void *arg)
{
    int64_t turns = INT64_MAX;

    for (uint32_t session = 0; session < fairness->slots; session++) {
        struct share *share = &fairness->shares[session];

        share->can = share->weight > 0 && can(arg, session);
        if (share->can && turns_owed(share) < turns) {
            turns = turns_owed(share);
        }
    }
    if (turns == INT64_MAX) {
        return FAIRNESS_NONE;
    }
    /* So many whole rounds would pass before anybody could be served: all at once. */
    for (uint32_t session = 0; session < fairness->slots; session++) {
        struct share *share = &fairness->shares[session];

        if (share->can) {
            share->account_ms += turns * turn_ms(share);
        }
    }
    while (!fairness->shares[fairness->turn].can ||
           fairness->shares[fairness->turn].account_ms <= 0) {
        fairness->turn = (fairness->turn + 1) % fairness->slots;
    }
    return fairness->turn;
}

void fairness_charge(struct fairness *fairness, uint32_t session, uint64_t effort_ms)
{
    struct share *share = share_of(fairness, session);

    if (share == NULL) {
        return;
    }
    share->account_ms -= (int64_t)(effort_ms < CHARGE_MOST_MS ? effort_ms : CHARGE_MOST_MS);
    if (share->account_ms <= 0 && fairness->turn == session) {
        fairness->turn = (session + 1) % fairness->slots;
    }
}
