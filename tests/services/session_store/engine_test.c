#include "tests/services/session_store/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "services/session_store/codec.h"

static int set_up(void **state)
{
    int failed = world_set_up(state);

    world_open(*state);
    return failed;
}

static struct engine *engine_in(void **state)
{
    return ((struct world *)*state)->engine;
}

static void assert_code(const struct engine_op *op, enum fb_code code, const char *reason)
{
    assert_string_equal(fb_code_name(op->status.code), fb_code_name(code));
    assert_string_equal(op->reason, reason);
}

/* --- sessions --- */

static void a_session_is_found_again_by_id_and_by_name(void **state)
{
    struct engine *engine = engine_in(state);
    struct engine_acquire acquire = acquire_of("", "worker-1");

    acquire.name = "plans";
    acquire.new_id = "made-up";
    op_do(engine, &acquire.op);
    assert_code(&acquire.op, FB_OK, "");
    assert_true(acquire.created);
    assert_string_equal(acquire.session.id, "made-up");
    op_finish(&acquire.op);

    acquire = acquire_of("", "worker-1");
    acquire.name = "plans";
    acquire.new_id = "another";
    op_do(engine, &acquire.op);
    assert_false(acquire.created);
    assert_string_equal(acquire.session.id, "made-up");
    op_finish(&acquire.op);

    acquire = acquire_of("made-up", "worker-1");
    acquire.create = false;
    op_do(engine, &acquire.op);
    assert_code(&acquire.op, FB_OK, "");
    assert_string_equal(acquire.session.name, "plans");
    op_finish(&acquire.op);
}

static void a_session_is_not_found_in_another_scope(void **state)
{
    struct engine *engine = engine_in(state);
    struct engine_acquire acquire = acquire_of("s", "worker-1");
    struct engine_read_events read = read_of("s", 0);

    must_acquire(engine, "s", "worker-1");
    acquire.scope = "tenant";
    acquire.create = false;
    op_do(engine, &acquire.op);
    assert_code(&acquire.op, FB_NOT_FOUND, "");
    op_finish(&acquire.op);

    acquire.create = true;
    op_do(engine, &acquire.op);
    assert_code(&acquire.op, FB_ALREADY_EXISTS, "");
    op_finish(&acquire.op);

    read.scope = "tenant";
    op_do(engine, &read.op);
    assert_code(&read.op, FB_NOT_FOUND, "");
    op_finish(&read.op);
}

static void a_name_is_one_sessions_in_its_scope_only(void **state)
{
    struct engine *engine = engine_in(state);
    struct engine_acquire acquire = acquire_of("one", "w");

    acquire.name = "plans";
    op_do(engine, &acquire.op);
    op_finish(&acquire.op);
    acquire.session_id = "two";
    op_do(engine, &acquire.op);
    assert_code(&acquire.op, FB_ALREADY_EXISTS, "");
    op_finish(&acquire.op);
    acquire.scope = "tenant";
    op_do(engine, &acquire.op);
    assert_code(&acquire.op, FB_OK, "");
    op_finish(&acquire.op);
}

static void a_held_session_tells_another_owner_who_holds_it(void **state)
{
    struct engine *engine = engine_in(state);
    struct engine_acquire acquire = acquire_of("s", "worker-2");

    must_acquire(engine, "s", "worker-1");
    op_do(engine, &acquire.op);
    assert_code(&acquire.op, FB_FAILED_PRECONDITION, "held");
    assert_string_equal(acquire.session.owner, "worker-1");
    assert_int_equal(acquire.session.lease_expires_unix_ms - acquire.now_unix_ms, 30000);
    op_finish(&acquire.op);
}

static void a_new_owner_fences_the_old_one(void **state)
{
    struct engine *engine = engine_in(state);
    int64_t old_epoch = must_acquire(engine, "s", "worker-1");
    int64_t new_epoch;
    struct engine_event event = event_of("late");
    struct engine_append append = append_of("s", old_epoch, 0, "r1", &event, 1);

    world_set_time(1000000 + 30000);
    new_epoch = must_acquire(engine, "s", "worker-2");
    assert_true(new_epoch > old_epoch);
    op_do(engine, &append.op);
    assert_code(&append.op, FB_ABORTED, "stale-epoch");
    op_finish(&append.op);
    assert_int_equal(must_append(engine, "s", new_epoch, 0, "r1", TEXTS("mine")), 1);
}

static void renewing_keeps_a_lease_and_names_what_was_lost(void **state)
{
    struct engine *engine = engine_in(state);
    int64_t kept = must_acquire(engine, "kept", "worker-1");
    int64_t lost = must_acquire(engine, "lost", "worker-1");
    struct engine_acquire take = acquire_of("lost", "worker-2");
    struct engine_held held[] = {{"kept", kept, false}, {"lost", lost, false}, {"none", 1, false}};
    struct engine_renew renew = {.op = {.kind = ENGINE_RENEW},
                                 .owner = "worker-1",
                                 .held = held,
                                 .held_count = 3,
                                 .lease_ms = 50000};

    take.take_over = true;
    op_do(engine, &take.op);
    op_finish(&take.op);
    op_do(engine, &renew.op);
    assert_code(&renew.op, FB_OK, "");
    assert_int_equal(renew.lease_expires_unix_ms, 1050000);
    assert_false(held[0].lost);
    assert_true(held[1].lost);
    assert_true(held[2].lost);
    op_finish(&renew.op);

    world_set_time(1000000 + 40000);
    take = acquire_of("kept", "worker-2");
    op_do(engine, &take.op);
    assert_code(&take.op, FB_FAILED_PRECONDITION, "held");
    op_finish(&take.op);
}

static void a_released_session_can_be_had_at_once(void **state)
{
    struct engine *engine = engine_in(state);
    int64_t epoch = must_acquire(engine, "s", "worker-1");
    struct engine_release release = {
        .op = {.kind = ENGINE_RELEASE}, .session_id = "s", .epoch = epoch};

    op_do(engine, &release.op);
    assert_code(&release.op, FB_OK, "");
    op_finish(&release.op);
    op_do(engine, &release.op);
    assert_code(&release.op, FB_OK, "");
    op_finish(&release.op);
    assert_int_equal(must_acquire(engine, "s", "worker-2"), epoch + 1);
    op_do(engine, &release.op);
    assert_code(&release.op, FB_ABORTED, "stale-epoch");
    op_finish(&release.op);
}

static void sessions_are_listed_by_name_in_pages(void **state)
{
    struct engine *engine = engine_in(state);
    static const char *const names[] = {"b2", "a", "b1", "", "c", "b3"};
    struct engine_list_sessions list = {
        .op = {.kind = ENGINE_LIST_SESSIONS}, .scope = "", .name_prefix = "b", .most = 2};

    for (size_t i = 0; i < 6; i++) {
        char id[16];
        struct engine_acquire acquire;

        snprintf(id, sizeof(id), "id-%zu", i);
        acquire = acquire_of(id, "w");
        acquire.name = names[i];
        op_do(engine, &acquire.op);
        op_finish(&acquire.op);
    }
    op_do(engine, &list.op);
    assert_int_equal(list.session_count, 2);
    assert_true(list.more);
    assert_string_equal(list.sessions[0].name, "b1");
    assert_string_equal(list.sessions[1].name, "b2");
    op_finish(&list.op);

    list.after_name = "b2";
    list.after_id = "id-0";
    op_do(engine, &list.op);
    assert_int_equal(list.session_count, 1);
    assert_false(list.more);
    assert_string_equal(list.sessions[0].name, "b3");
    op_finish(&list.op);

    list.after_id = NULL;
    list.name_prefix = "";
    list.most = 10;
    op_do(engine, &list.op);
    assert_int_equal(list.session_count, 6);
    assert_string_equal(list.sessions[0].id, "id-3"); /* without a name */
    op_finish(&list.op);

    list.scope = "tenant";
    op_do(engine, &list.op);
    assert_int_equal(list.session_count, 0);
    op_finish(&list.op);
}

static void a_deleted_session_is_gone_and_its_name_is_free(void **state)
{
    struct engine *engine = engine_in(state);
    int64_t epoch = must_acquire(engine, "s", "worker-1");
    struct engine_delete_session delete = {
        .op = {.kind = ENGINE_DELETE_SESSION}, .scope = "", .session_id = "s"};
    struct engine_read_events read = read_of("s", 0);

    must_append(engine, "s", epoch, 0, "r1", TEXTS("a", "b"));
    op_do(engine, &delete.op);
    assert_code(&delete.op, FB_FAILED_PRECONDITION, "held");
    op_finish(&delete.op);
    delete.epoch = epoch;
    op_do(engine, &delete.op);
    assert_code(&delete.op, FB_OK, "");
    op_finish(&delete.op);
    op_do(engine, &read.op);
    assert_code(&read.op, FB_NOT_FOUND, "");
    op_finish(&read.op);

    /* The same id is a new session: nothing of the old one shines through. */
    epoch = must_acquire(engine, "s", "worker-1");
    assert_int_equal(must_append(engine, "s", epoch, 0, "r1", TEXTS("other")), 1);
    op_do(engine, &read.op);
    assert_int_equal(read.event_count, 1);
    assert_true(bytes_are(read.events[0].payload, "other"));
    op_finish(&read.op);
    assert_int_equal(findings_of(engine), 0);
}

/* --- events --- */

static void events_are_numbered_from_1_without_gaps(void **state)
{
    struct engine *engine = engine_in(state);
    int64_t epoch = must_acquire(engine, "s", "w");
    struct engine_read_events read = read_of("s", 0);

    assert_int_equal(must_append(engine, "s", epoch, 0, "r1", TEXTS("a", "b", "c")), 3);
    assert_int_equal(must_append(engine, "s", epoch, 3, "r2", TEXTS("d")), 4);
    op_do(engine, &read.op);
    assert_int_equal(read.event_count, 4);
    assert_int_equal(read.last_sequence, 4);
    for (int64_t i = 0; i < 4; i++) {
        const char text[] = {(char)('a' + i), '\0'};

        assert_int_equal(read.events[i].sequence, i + 1);
        assert_int_equal(read.events[i].kind, 7);
        assert_int_equal(read.events[i].unix_ms, 1000000);
        assert_true(bytes_are(read.events[i].payload, text));
    }
    op_finish(&read.op);
}

static void reading_begins_and_ends_inside_an_append(void **state)
{
    struct engine *engine = engine_in(state);
    int64_t epoch = must_acquire(engine, "s", "w");
    struct engine_read_events read = read_of("s", 2);

    must_append(engine, "s", epoch, 0, "r1", TEXTS("1", "2", "3", "4"));
    must_append(engine, "s", epoch, 4, "r2", TEXTS("5", "6", "7", "8"));
    read.upto_sequence = 6;
    op_do(engine, &read.op);
    assert_int_equal(read.event_count, 4);
    assert_true(bytes_are(read.events[0].payload, "3"));
    assert_true(bytes_are(read.events[3].payload, "6"));
    op_finish(&read.op);

    read = read_of("s", 8);
    op_do(engine, &read.op);
    assert_code(&read.op, FB_OK, "");
    assert_int_equal(read.event_count, 0);
    op_finish(&read.op);

    read = read_of("s", 9);
    op_do(engine, &read.op);
    assert_code(&read.op, FB_OUT_OF_RANGE, "");
    op_finish(&read.op);
}

static void reading_stops_at_its_bytes_and_goes_on_from_there(void **state)
{
    struct engine *engine = engine_in(state);
    int64_t epoch = must_acquire(engine, "s", "w");
    int64_t after = 0;
    int64_t rounds = 0;

    must_append_noise(engine, "s", epoch, 0, 20, 1000);
    must_append_noise(engine, "s", epoch, 20, 20, 1000);
    while (after < 40) {
        struct engine_read_events read = read_of("s", after);

        read.most_bytes = 7000;
        op_do(engine, &read.op);
        assert_code(&read.op, FB_OK, "");
        assert_in_range(read.event_count, 1, 7);
        for (size_t i = 0; i < read.event_count; i++) {
            assert_int_equal(read.events[i].sequence, after + 1);
            assert_int_equal(read.events[i].payload.size, 1000);
            after = read.events[i].sequence;
        }
        rounds += 1;
        op_finish(&read.op);
    }
    assert_in_range(rounds, 6, 8);
}

static void an_append_at_the_wrong_sequence_is_told_where_the_session_is(void **state)
{
    struct engine *engine = engine_in(state);
    int64_t epoch = must_acquire(engine, "s", "w");
    struct engine_event event = event_of("x");
    struct engine_append append = append_of("s", epoch, 1, "r2", &event, 1);

    must_append(engine, "s", epoch, 0, "r1", TEXTS("a", "b", "c"));
    op_do(engine, &append.op);
    assert_code(&append.op, FB_ABORTED, "wrong-sequence");
    assert_int_equal(append.last_sequence, 3);
    op_finish(&append.op);
}

static void a_repeated_request_answers_as_the_first_and_changes_nothing(void **state)
{
    struct engine *engine = engine_in(state);
    int64_t epoch = must_acquire(engine, "s", "w");
    struct engine_event event = event_of("once");
    struct engine_append append = append_of("s", epoch, 0, "r1", &event, 1);
    struct engine_read_events read = read_of("s", 0);

    op_do(engine, &append.op);
    assert_false(append.repeated);
    op_finish(&append.op);
    must_append(engine, "s", epoch, 1, "r2", TEXTS("more"));
    world_set_time(2000000);
    must_acquire(engine, "s", "another"); /* the first owner is fenced, but its append did happen */
    op_do(engine, &append.op);
    assert_code(&append.op, FB_OK, "");
    assert_true(append.repeated);
    assert_int_equal(append.first_sequence, 1);
    assert_int_equal(append.last_sequence, 1);
    assert_int_equal(append.unix_ms, 1000000);
    op_finish(&append.op);
    op_do(engine, &read.op);
    assert_int_equal(read.event_count, 2);
    op_finish(&read.op);
}

static void a_request_id_with_other_events_is_refused(void **state)
{
    struct engine *engine = engine_in(state);
    int64_t epoch = must_acquire(engine, "s", "w");
    struct engine_event event = event_of("other");
    struct engine_append append = append_of("s", epoch, 1, "r1", &event, 1);

    must_append(engine, "s", epoch, 0, "r1", TEXTS("first"));
    op_do(engine, &append.op);
    assert_code(&append.op, FB_ALREADY_EXISTS, "");
    op_finish(&append.op);
}

static void request_ids_are_remembered_for_1000_appends_and_not_without_end(void **state)
{
    struct engine *engine = engine_in(state);
    int64_t epoch = must_acquire(engine, "s", "w");
    struct engine_event event = event_of("x");
    struct engine_append append;

    for (int64_t i = 0; i < 1200; i++) {
        char id[16];

        snprintf(id, sizeof(id), "r%lld", (long long)i);
        must_append(engine, "s", epoch, i, id, TEXTS("x"));
    }
    append = append_of("s", epoch, 200, "r200", &event, 1); /* the 1,000th last */
    op_do(engine, &append.op);
    assert_true(append.repeated);
    op_finish(&append.op);
    append = append_of("s", epoch, 0, "r0", &event, 1);
    op_do(engine, &append.op);
    assert_code(&append.op, FB_ABORTED, "wrong-sequence");
    op_finish(&append.op);
}

static void time_in_a_session_never_decreases_when_the_clock_does(void **state)
{
    struct engine *engine = engine_in(state);
    int64_t epoch = must_acquire(engine, "s", "w");
    struct engine_read_events read = read_of("s", 0);

    world_set_time(5000000);
    must_append(engine, "s", epoch, 0, "r1", TEXTS("a"));
    world_set_time(4000000);
    must_append(engine, "s", epoch, 1, "r2", TEXTS("b"));
    op_do(engine, &read.op);
    assert_int_equal(read.events[1].unix_ms, 5000000);
    op_finish(&read.op);
}

static void the_largest_append_comes_back(void **state)
{
    struct engine *engine = engine_in(state);
    int64_t epoch = must_acquire(engine, "s", "w");
    struct engine_read_events read = read_of("s", 0);

    must_append_noise(engine, "s", epoch, 0, 16, 1 << 20);
    must_append_noise(engine, "s", epoch, 16, 4096, 0);
    read.most_bytes = 32 << 20;
    op_do(engine, &read.op);
    assert_int_equal(read.event_count, 16 + 4096);
    assert_int_equal(read.events[3].payload.size, 1 << 20);
    op_finish(&read.op);
    assert_int_equal(findings_of(engine), 0);
}

/* --- blobs --- */

static void a_blob_is_found_by_its_digest_in_its_scope(void **state)
{
    struct engine *engine = engine_in(state);
    struct engine_put_blob put = {
        .op = {.kind = ENGINE_PUT_BLOB}, .scope = "a", .data = bytes_of("content")};
    struct engine_read_blob read = {.op = {.kind = ENGINE_READ_BLOB}, .scope = "a"};

    codec_sha256(put.data, put.sha256);
    memcpy(read.sha256, put.sha256, sizeof(read.sha256));
    for (int i = 0; i < 2; i++) {
        op_do(engine, &put.op);
        assert_code(&put.op, FB_OK, "");
        op_finish(&put.op);
    }
    op_do(engine, &read.op);
    assert_code(&read.op, FB_OK, "");
    assert_true(bytes_are(read.data, "content"));
    op_finish(&read.op);
    read.scope = "b";
    op_do(engine, &read.op);
    assert_code(&read.op, FB_NOT_FOUND, "");
    op_finish(&read.op);
}

static void a_blob_outlives_the_sessions_that_speak_of_it(void **state)
{
    struct engine *engine = engine_in(state);
    struct engine_put_blob put = {
        .op = {.kind = ENGINE_PUT_BLOB}, .scope = "", .data = bytes_of("evidence")};
    struct engine_read_blob read = {.op = {.kind = ENGINE_READ_BLOB}, .scope = ""};
    struct engine_delete_session delete = {
        .op = {.kind = ENGINE_DELETE_SESSION}, .scope = "", .session_id = "s"};

    codec_sha256(put.data, put.sha256);
    memcpy(read.sha256, put.sha256, sizeof(read.sha256));
    op_do(engine, &put.op);
    op_finish(&put.op);
    delete.epoch = must_acquire(engine, "s", "w");
    must_append(engine, "s", delete.epoch, 0, "r1", TEXTS("names the blob"));
    op_do(engine, &delete.op);
    assert_code(&delete.op, FB_OK, "");
    op_finish(&delete.op);
    op_do(engine, &read.op);
    assert_code(&read.op, FB_OK, "");
    assert_true(bytes_are(read.data, "evidence"));
    op_finish(&read.op);
}

static void an_empty_blob_is_a_blob(void **state)
{
    struct engine *engine = engine_in(state);
    struct engine_put_blob put = {.op = {.kind = ENGINE_PUT_BLOB}, .scope = ""};
    struct engine_read_blob read = {.op = {.kind = ENGINE_READ_BLOB}, .scope = ""};

    codec_sha256(put.data, put.sha256);
    memcpy(read.sha256, put.sha256, sizeof(read.sha256));
    op_do(engine, &put.op);
    op_finish(&put.op);
    op_do(engine, &read.op);
    assert_code(&read.op, FB_OK, "");
    assert_int_equal(read.data.size, 0);
    op_finish(&read.op);
}

/* --- catalogue --- */

static struct engine_put_catalogue entry_of(const char *server, uint8_t digest, const char *content)
{
    return (struct engine_put_catalogue){
        .op = {.kind = ENGINE_PUT_CATALOGUE},
        .entry = {.server = server,
                  .config_digest = {digest},
                  .kind = 1,
                  .content = bytes_of(content),
                  .fetched_unix_ms = 1000,
                  .ttl_ms = 60000},
    };
}

static int64_t must_put_entry(struct engine *engine, struct engine_put_catalogue put, bool changed)
{
    op_do(engine, &put.op);
    assert_code(&put.op, FB_OK, "");
    assert_int_equal(put.changed, changed);
    op_finish(&put.op);
    return put.version;
}

static struct engine_read_catalogue entries_after(int64_t version)
{
    return (struct engine_read_catalogue){.op = {.kind = ENGINE_READ_CATALOGUE},
                                          .order = ENGINE_BY_VERSION,
                                          .after_version = version,
                                          .after_server = "",
                                          .most_bytes = 1 << 20};
}

static void a_change_of_content_is_a_new_version_and_a_new_fetch_is_not(void **state)
{
    struct engine *engine = engine_in(state);
    struct engine_put_catalogue again = entry_of("git", 1, "[two]");
    struct engine_read_catalogue read = entries_after(0);

    assert_int_equal(must_put_entry(engine, entry_of("git", 1, "[one]"), true), 1);
    assert_int_equal(must_put_entry(engine, entry_of("time", 1, "[one]"), true), 2);
    assert_int_equal(must_put_entry(engine, entry_of("git", 1, "[two]"), true), 3);
    again.entry.fetched_unix_ms = 5000;
    assert_int_equal(must_put_entry(engine, again, false), 3);
    op_do(engine, &read.op);
    assert_int_equal(read.entry_count, 2);
    assert_int_equal(read.last_version, 3);
    assert_string_equal(read.entries[1].server, "git");
    assert_true(bytes_are(read.entries[1].content, "[two]"));
    assert_int_equal(read.entries[1].fetched_unix_ms, 5000);
    op_finish(&read.op);
}

static void entries_are_chosen_by_server_and_digest(void **state)
{
    struct engine *engine = engine_in(state);
    struct engine_catalogue_filter filters[] = {
        {.server = "git", .has_digest = true, .config_digest = {2}},
        {.server = "time"},
    };
    struct engine_read_catalogue read = entries_after(0);

    must_put_entry(engine, entry_of("git", 1, "a"), true);
    must_put_entry(engine, entry_of("git", 2, "b"), true);
    must_put_entry(engine, entry_of("time", 1, "c"), true);
    must_put_entry(engine, entry_of("web", 1, "d"), true);
    read.filters = filters;
    read.filter_count = 2;
    op_do(engine, &read.op);
    assert_int_equal(read.entry_count, 2);
    assert_true(bytes_are(read.entries[0].content, "b"));
    assert_true(bytes_are(read.entries[1].content, "c"));
    op_finish(&read.op);
}

static void entries_are_read_by_key_in_parts(void **state)
{
    struct engine *engine = engine_in(state);
    struct engine_read_catalogue read = entries_after(0);
    size_t seen = 0;

    for (int i = 0; i < 30; i++) {
        char server[16];

        snprintf(server, sizeof(server), "server-%02d", 29 - i);
        must_put_entry(engine, entry_of(server, 1, "0123456789"), true);
    }
    read.order = ENGINE_BY_KEY;
    read.most_bytes = 75;
    do {
        char last[16] = "";

        op_do(engine, &read.op);
        assert_in_range(read.entry_count, 1, 7);
        for (size_t i = 0; i < read.entry_count; i++) {
            char server[16];

            snprintf(server, sizeof(server), "server-%02zu", seen++);
            assert_string_equal(read.entries[i].server, server);
            memcpy(read.after_digest, read.entries[i].config_digest, 32);
            read.after_kind = read.entries[i].kind;
            snprintf(last, sizeof(last), "%s", read.entries[i].server);
        }
        op_finish(&read.op);
        fb_arena_reset(&((struct world *)*state)->arena);
        read.after_server = fb_arena_copy(&((struct world *)*state)->arena, last, strlen(last));
    } while (read.more);
    assert_int_equal(seen, 30);
}

static void of_one_server_the_8_digests_fetched_last_are_kept(void **state)
{
    struct engine *engine = engine_in(state);
    struct engine_read_catalogue read = entries_after(0);

    for (uint8_t i = 1; i <= 12; i++) {
        struct engine_put_catalogue put = entry_of("git", i, "x");

        put.entry.fetched_unix_ms = i;
        must_put_entry(engine, put, true);
    }
    op_do(engine, &read.op);
    assert_int_equal(read.entry_count, 8);
    assert_int_equal(read.entries[0].config_digest[0], 5);
    op_finish(&read.op);
}

/* --- cached results --- */

static struct fb_status put_result(struct engine *engine, const char *key,
                                   struct engine_bytes value, int64_t ttl_ms)
{
    struct engine_put_result put = {.op = {.kind = ENGINE_PUT_RESULT},
                                    .scope = "",
                                    .key = bytes_of(key),
                                    .value = value,
                                    .ttl_ms = ttl_ms};

    op_do(engine, &put.op);
    op_finish(&put.op);
    return put.op.status;
}

static bool has_result(struct engine *engine, const char *scope, const char *key, const char *value)
{
    struct engine_read_result read = {
        .op = {.kind = ENGINE_READ_RESULT}, .scope = scope, .key = bytes_of(key)};
    bool has;

    op_do(engine, &read.op);
    has = read.op.status.code == FB_OK && (value == NULL || bytes_are(read.value, value));
    op_finish(&read.op);
    return has;
}

static void a_result_lives_for_its_time_and_in_its_scope(void **state)
{
    struct engine *engine = engine_in(state);

    assert_int_equal(put_result(engine, "k", bytes_of("one"), 100).code, FB_OK);
    assert_int_equal(put_result(engine, "k", bytes_of("two"), 100).code, FB_OK);
    assert_true(has_result(engine, "", "k", "two"));
    assert_false(has_result(engine, "other", "k", NULL));
    world_set_time(1000000 + 99);
    assert_true(has_result(engine, "", "k", "two"));
    world_set_time(1000000 + 100);
    assert_false(has_result(engine, "", "k", NULL));
}

static void results_beyond_the_budget_push_out_those_that_expire_first(void **state)
{
    struct world *world = *state;
    struct sqlite_engine_config config = world_config(world);
    static uint8_t noise[4000];
    struct engine_bytes value = {noise, sizeof(noise)};
    uint32_t random = 1;

    for (size_t i = 0; i < sizeof(noise); i++) {
        random = random * 1664525u + 1013904223u;
        noise[i] = (uint8_t)(random >> 24);
    }
    world_close(world);
    config.result_budget_bytes = 10000;
    assert_int_equal(world_try_open(world, &config).code, FB_OK);
    put_result(world->engine, "long", value, 9000);
    put_result(world->engine, "short", value, 1000);
    put_result(world->engine, "long", value, 9000); /* in its own place */
    assert_true(has_result(world->engine, "", "short", NULL));
    put_result(world->engine, "new", value, 5000);
    assert_true(has_result(world->engine, "", "long", NULL));
    assert_true(has_result(world->engine, "", "new", NULL));
    assert_false(has_result(world->engine, "", "short", NULL));
    value.size = sizeof(noise);
    config.result_budget_bytes = 100;
    world_close(world);
    assert_int_equal(world_try_open(world, &config).code, FB_OK);
    assert_int_equal(put_result(world->engine, "big", value, 10).code, FB_RESOURCE_EXHAUSTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, world_tear_down)
        TEST(a_session_is_found_again_by_id_and_by_name),
        TEST(a_session_is_not_found_in_another_scope),
        TEST(a_name_is_one_sessions_in_its_scope_only),
        TEST(a_held_session_tells_another_owner_who_holds_it),
        TEST(a_new_owner_fences_the_old_one),
        TEST(renewing_keeps_a_lease_and_names_what_was_lost),
        TEST(a_released_session_can_be_had_at_once),
        TEST(sessions_are_listed_by_name_in_pages),
        TEST(a_deleted_session_is_gone_and_its_name_is_free),
        TEST(events_are_numbered_from_1_without_gaps),
        TEST(reading_begins_and_ends_inside_an_append),
        TEST(reading_stops_at_its_bytes_and_goes_on_from_there),
        TEST(an_append_at_the_wrong_sequence_is_told_where_the_session_is),
        TEST(a_repeated_request_answers_as_the_first_and_changes_nothing),
        TEST(a_request_id_with_other_events_is_refused),
        TEST(request_ids_are_remembered_for_1000_appends_and_not_without_end),
        TEST(time_in_a_session_never_decreases_when_the_clock_does),
        TEST(the_largest_append_comes_back),
        TEST(a_blob_is_found_by_its_digest_in_its_scope),
        TEST(a_blob_outlives_the_sessions_that_speak_of_it),
        TEST(an_empty_blob_is_a_blob),
        TEST(a_change_of_content_is_a_new_version_and_a_new_fetch_is_not),
        TEST(entries_are_chosen_by_server_and_digest),
        TEST(entries_are_read_by_key_in_parts),
        TEST(of_one_server_the_8_digests_fetched_last_are_kept),
        TEST(a_result_lives_for_its_time_and_in_its_scope),
        TEST(results_beyond_the_budget_push_out_those_that_expire_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
