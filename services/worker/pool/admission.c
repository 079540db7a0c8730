#include "services/worker/pool/admission.h"

#include <assert.h>

void admission_init(struct admission *admission, size_t places)
{
    assert(places > 0);
    *admission = (struct admission){.places = places};
}

static void take_out(struct admission_ticket **link, const struct admission_ticket *ticket)
{
    while (*link != ticket) {
        link = &(*link)->next;
    }
    *link = ticket->next;
}

void admission_leave(struct admission *admission, struct admission_ticket *ticket)
{
    if (ticket->waiting) {
        take_out(&admission->waiting, ticket);
    }
    if (ticket->holding) {
        take_out(&admission->holding, ticket);
        admission->held--;
    }
    *ticket = (struct admission_ticket){.next = NULL};
}

void admission_wait(struct admission *admission, struct admission_ticket *ticket,
                    enum admission_need need, int64_t now_ms)
{
    const int64_t rank_ms = now_ms - (need == ADMISSION_CALL ? ADMISSION_HEAD_START_MS : 0);
    struct admission_ticket **link = &admission->waiting;

    if (ticket->holding || (ticket->waiting && ticket->rank_ms <= rank_ms)) {
        return;
    }
    admission_leave(admission, ticket);
    while (*link != NULL && (*link)->rank_ms <= rank_ms) {
        link = &(*link)->next;
    }
    *ticket = (struct admission_ticket){.rank_ms = rank_ms, .waiting = true, .next = *link};
    *link = ticket;
}

struct admission_ticket *admission_next(struct admission *admission, int64_t now_ms)
{
    struct admission_ticket *ticket = admission->waiting;
    struct admission_ticket **link = &admission->holding;

    while (*link != NULL) {
        struct admission_ticket *holder = *link;

        if (holder->until_ms <= now_ms) {
            *link = holder->next;
            *holder = (struct admission_ticket){.next = NULL};
            admission->held--;
        } else {
            link = &holder->next;
        }
    }
    if (ticket == NULL || admission->held >= admission->places) {
        return NULL;
    }
    admission->waiting = ticket->next;
    *ticket = (struct admission_ticket){
        .until_ms = now_ms + ADMISSION_HOLD_MS,
        .holding = true,
        .next = admission->holding,
    };
    admission->holding = ticket;
    admission->held++;
    return ticket;
}

int64_t admission_due_ms(const struct admission *admission)
{
    int64_t due_ms = INT64_MAX;

    if (admission->waiting == NULL) {
        return INT64_MAX;
    }
    for (const struct admission_ticket *t = admission->holding; t != NULL; t = t->next) {
        due_ms = t->until_ms < due_ms ? t->until_ms : due_ms;
    }
    return due_ms;
}
