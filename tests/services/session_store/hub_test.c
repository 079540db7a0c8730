#include "services/session_store/hub.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Someone who waits, and whom he ends when he is woken. */
struct waiter {
    struct hub_seat seat;
    struct hub *hub;
    struct waiter *ends;
    unsigned woken;
};

static void wake(struct hub_seat *seat)
{
    struct waiter *waiter = (struct waiter *)seat;

    waiter->woken += 1;
    if (waiter->ends != NULL) {
        hub_leave(waiter->hub, &waiter->ends->seat);
    }
}

static void those_of_the_key_are_woken_and_no_others(void **state)
{
    static struct hub hub;
    struct waiter a1 = {.hub = &hub};
    struct waiter a2 = {.hub = &hub};
    struct waiter b = {.hub = &hub};

    (void)state;
    hub_join(&hub, &a1.seat, "a", wake);
    hub_join(&hub, &a2.seat, "a", wake);
    hub_join(&hub, &b.seat, "b", wake);
    hub_wake(&hub, "a");
    hub_wake(&hub, "a");
    assert_int_equal(a1.woken, 2);
    assert_int_equal(a2.woken, 2);
    assert_int_equal(b.woken, 0);
    hub_wake_all(&hub);
    assert_int_equal(a1.woken, 3);
    assert_int_equal(b.woken, 1);
    assert_int_equal(hub.count, 3);
}

static void who_has_left_is_not_woken(void **state)
{
    static struct hub hub;
    struct waiter a = {.hub = &hub};

    (void)state;
    hub_join(&hub, &a.seat, "a", wake);
    hub_leave(&hub, &a.seat);
    hub_leave(&hub, &a.seat);
    hub_wake(&hub, "a");
    assert_int_equal(a.woken, 0);
    assert_int_equal(hub.count, 0);
}

static void the_woken_may_leave_and_end_others_that_were_to_be_woken(void **state)
{
    static struct hub hub;
    struct waiter waiters[3] = {{.hub = &hub}, {.hub = &hub}, {.hub = &hub}};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        waiters[i].ends = &waiters[(i + 1) % 3];
        hub_join(&hub, &waiters[i].seat, "a", wake);
    }
    hub_wake(&hub, "a");
    /* Whoever was first ended the next, and that one was not woken any more. */
    assert_in_range(waiters[0].woken + waiters[1].woken + waiters[2].woken, 1, 2);
    assert_int_equal(hub.count, 3 - (waiters[0].woken + waiters[1].woken + waiters[2].woken));
    for (size_t i = 0; i < 3; i++) {
        hub_leave(&hub, &waiters[i].seat);
    }
    assert_int_equal(hub.count, 0);
}

static void thousands_wait_at_once(void **state)
{
    static struct hub hub;
    static struct waiter waiters[5000];
    static char keys[5000][8];

    (void)state;
    for (size_t i = 0; i < 5000; i++) {
        keys[i][0] = (char)('a' + i % 20);
        keys[i][1] = (char)('a' + i / 20 % 20);
        waiters[i].hub = &hub;
        hub_join(&hub, &waiters[i].seat, keys[i], wake);
    }
    hub_wake(&hub, "bc");
    for (size_t i = 0; i < 5000; i++) {
        assert_int_equal(waiters[i].woken, strcmp(keys[i], "bc") == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(those_of_the_key_are_woken_and_no_others),
        cmocka_unit_test(who_has_left_is_not_woken),
        cmocka_unit_test(the_woken_may_leave_and_end_others_that_were_to_be_woken),
        cmocka_unit_test(thousands_wait_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
