#include "services/router/placement.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/base/text.h"

enum { WORKERS = 4, KEYS = 4000 };

static struct worker pool[WORKERS];
static struct worker_offer offers[WORKERS][2];
static struct worker_instance instances[WORKERS];
static struct worker *list[WORKERS];

static uint64_t hash_of(const char *name)
{
    return fb_hash(name, strlen(name));
}

/* Four ready workers of 100 calls each, tiers warm; all offer "git". */
static int setup(void **state)
{
    (void)state;
    for (size_t i = 0; i < WORKERS; i++) {
        pool[i] = (struct worker){
            .capacity = 100,
            .state = WORKER_READY,
            .tier = FLOWBALANCER__V1__TIER__TIER_WARM,
            .serial = i + 1,
            .offers = offers[i],
            .offer_count = 1,
            .instances = &instances[i],
        };
        snprintf(pool[i].id, sizeof(pool[i].id), "w%zu", i);
        pool[i].id_hash = hash_of(pool[i].id);
        offers[i][0] = (struct worker_offer){.server = "git", .server_hash = hash_of("git")};
        list[i] = &pool[i];
    }
    return 0;
}

static struct worker *pick(const struct placement *placement)
{
    return placement_pick(list, WORKERS, placement);
}

static struct worker *pick_key(uint64_t key)
{
    return pick(&(struct placement){.key = fb_hash_mix(key, 1)});
}

static void the_same_key_finds_the_same_worker_in_any_order_of_workers(void **state)
{
    (void)state;
    for (uint64_t key = 0; key < KEYS; key++) {
        struct worker *chosen = pick_key(key);
        struct worker *reversed[WORKERS] = {list[3], list[2], list[1], list[0]};
        struct placement placement = {.key = fb_hash_mix(key, 1)};

        assert_ptr_equal(placement_pick(reversed, WORKERS, &placement), chosen);
    }
}

static void keys_spread_evenly(void **state)
{
    size_t got[WORKERS] = {0};

    (void)state;
    for (uint64_t key = 0; key < KEYS; key++) {
        got[pick_key(key) - pool]++;
    }
    for (size_t i = 0; i < WORKERS; i++) {
        assert_in_range(got[i], KEYS / WORKERS * 85 / 100, KEYS / WORKERS * 115 / 100);
    }
}

static void a_lost_worker_moves_only_its_own_keys(void **state)
{
    (void)state;
    for (uint64_t key = 0; key < KEYS; key++) {
        struct worker *before = pick_key(key);
        struct worker *after;

        pool[2].state = WORKER_EJECTED;
        after = pick_key(key);
        pool[2].state = WORKER_READY;
        if (before == &pool[2]) {
            assert_ptr_not_equal(after, &pool[2]);
        } else {
            assert_ptr_equal(after, before);
        }
    }
}

static void only_ready_workers_with_room_are_chosen(void **state)
{
    (void)state;
    pool[0].state = WORKER_JOINING;
    pool[1].state = WORKER_GONE;
    pool[2].state = WORKER_DRAINING;
    pool[3].in_flight_here = 60;
    pool[3].in_flight_there = 40;
    assert_null(pick_key(1));
    pool[3].in_flight_there = 39;
    assert_ptr_equal(pick_key(1), &pool[3]);
}

static void without_workers_nobody_is_chosen(void **state)
{
    (void)state;
    assert_null(placement_pick(NULL, 0, &(struct placement){.key = 1}));
}

static void a_worker_above_the_bound_gives_way_to_the_next(void **state)
{
    struct worker *favourite = pick_key(7);

    (void)state;
    favourite->in_flight_here = 49; /* half of its capacity is always within the bound */
    assert_ptr_equal(pick_key(7), favourite);
    favourite->in_flight_here = 50; /* others have nothing: 1.25 times the mean is 16 */
    assert_ptr_not_equal(pick_key(7), favourite);
    for (size_t i = 0; i < WORKERS; i++) {
        pool[i].in_flight_here = 50; /* now the mean is 50, and the bound 63 */
    }
    assert_ptr_equal(pick_key(7), favourite);
}

static void the_bound_is_a_quarter_above_the_mean_within_half_and_all_of_the_capacity(void **state)
{
    (void)state;
    assert_int_equal(placement_bound(0, 4, 100), 50);
    assert_int_equal(placement_bound(239, 4, 100), 75);
    assert_int_equal(placement_bound(240, 4, 100), 76);
    assert_int_equal(placement_bound(399, 4, 100), 100);
    assert_int_equal(placement_bound(0, 1, 1), 1);
}

static void a_warm_instance_attracts_the_calls_of_its_server(void **state)
{
    struct placement placement = {.key = hash_of("git"), .server_hash = hash_of("git")};
    struct worker *cold = pick(&placement);
    struct worker *warm = cold == &pool[0] ? &pool[1] : &pool[0];

    (void)state;
    instances[warm - pool] =
        (struct worker_instance){.server = "git", .server_hash = hash_of("git"), .warm = true};
    warm->instance_count = 1;
    assert_ptr_equal(pick(&placement), warm);
    warm->in_flight_here = 50;
    assert_ptr_equal(pick(&placement), cold);
}

static void a_server_goes_to_a_worker_that_offers_it(void **state)
{
    struct placement placement = {.key = hash_of("db"), .server_hash = hash_of("db")};

    (void)state;
    offers[3][1] = (struct worker_offer){.server = "db", .server_hash = hash_of("db")};
    pool[3].offer_count = 2;
    assert_ptr_equal(pick(&placement), &pool[3]);
    pool[3].offer_count = 1; /* nobody does: any may say so */
    assert_non_null(pick(&placement));
}

static void the_wanted_tier_comes_first_but_no_call_fails_for_it(void **state)
{
    struct placement placement = {.tier = FLOWBALANCER__V1__TIER__TIER_COLD};

    (void)state;
    pool[1].tier = FLOWBALANCER__V1__TIER__TIER_COLD;
    for (placement.key = 0; placement.key < 100; placement.key++) {
        assert_ptr_equal(pick(&placement), &pool[1]);
    }
    pool[1].state = WORKER_GONE;
    assert_non_null(pick(&placement));
}

static void a_session_goes_to_its_holder_even_when_that_drains(void **state)
{
    (void)state;
    for (uint64_t key = 0; key < 100; key++) {
        struct placement placement = {.key = fb_hash_mix(key, 1), .holder = &pool[2]};

        pool[2].state = WORKER_READY;
        assert_ptr_equal(pick(&placement), &pool[2]);
        pool[2].state = WORKER_DRAINING;
        assert_ptr_equal(pick(&placement), &pool[2]);
        pool[2].state = WORKER_EJECTED;
        assert_ptr_not_equal(pick(&placement), &pool[2]);
    }
}

static void a_worker_that_was_tried_is_not_chosen_again(void **state)
{
    struct placement placement = {.key = 99};

    (void)state;
    while (placement.tried_count < WORKERS) {
        struct worker *chosen = pick(&placement);

        for (size_t i = 0; i < placement.tried_count; i++) {
            assert_int_not_equal(placement.tried[i], chosen->serial);
        }
        placement.tried[placement.tried_count++] = chosen->serial;
    }
    assert_null(pick(&placement));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_same_key_finds_the_same_worker_in_any_order_of_workers, setup),
        cmocka_unit_test_setup(keys_spread_evenly, setup),
        cmocka_unit_test_setup(a_lost_worker_moves_only_its_own_keys, setup),
        cmocka_unit_test_setup(only_ready_workers_with_room_are_chosen, setup),
        cmocka_unit_test_setup(without_workers_nobody_is_chosen, setup),
        cmocka_unit_test_setup(a_worker_above_the_bound_gives_way_to_the_next, setup),
        cmocka_unit_test_setup(
            the_bound_is_a_quarter_above_the_mean_within_half_and_all_of_the_capacity, setup),
        cmocka_unit_test_setup(a_warm_instance_attracts_the_calls_of_its_server, setup),
        cmocka_unit_test_setup(a_server_goes_to_a_worker_that_offers_it, setup),
        cmocka_unit_test_setup(the_wanted_tier_comes_first_but_no_call_fails_for_it, setup),
        cmocka_unit_test_setup(a_session_goes_to_its_holder_even_when_that_drains, setup),
        cmocka_unit_test_setup(a_worker_that_was_tried_is_not_chosen_again, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
