#include "services/session_store/codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct engine_bytes label = {(const uint8_t *)"here", 4};

static int setup(void **state)
{
    *state = codec_create();
    return *state != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    codec_destroy(*state);
    return 0;
}

static void assert_comes_back(struct codec *codec, struct engine_bytes raw, enum codec_kind kind)
{
    struct codec_body body = codec_pack(codec, raw, label);
    struct engine_bytes back;
    struct fb_arena arena;

    fb_arena_init(&arena, 0);
    assert_int_equal(body.kind, kind);
    assert_int_equal(codec_unpack(codec, &body, label, &arena, &back).code, FB_OK);
    assert_int_equal(back.size, raw.size);
    assert_memory_equal(back.data, raw.size > 0 ? raw.data : (const uint8_t *)"", raw.size);
    fb_arena_finish(&arena);
}

static void what_shrinks_is_compressed_and_comes_back(void **state)
{
    static uint8_t text[3 << 20];

    memset(text, 'a', sizeof(text));
    assert_comes_back(*state, (struct engine_bytes){text, sizeof(text)}, CODEC_ZSTD);
    assert_comes_back(*state, (struct engine_bytes){text, 256}, CODEC_ZSTD);
}

static void what_does_not_shrink_stays_plain(void **state)
{
    static uint8_t noise[100000];
    uint32_t random = 1;

    for (size_t i = 0; i < sizeof(noise); i++) {
        random = random * 1664525u + 1013904223u;
        noise[i] = (uint8_t)(random >> 24);
    }
    assert_comes_back(*state, (struct engine_bytes){noise, sizeof(noise)}, CODEC_PLAIN);
    assert_comes_back(*state, (struct engine_bytes){(const uint8_t *)"aaaaaaaa", 8}, CODEC_PLAIN);
    assert_comes_back(*state, (struct engine_bytes){NULL, 0}, CODEC_PLAIN);
}

static void a_changed_body_is_data_loss(void **state)
{
    static uint8_t text[1000];
    struct codec_body body = codec_pack(*state, (struct engine_bytes){text, sizeof(text)}, label);
    struct fb_arena arena;
    struct engine_bytes back;
    uint8_t *changed = malloc(body.stored.size);

    fb_arena_init(&arena, 0);
    for (size_t i = 0; i < body.stored.size; i++) {
        memcpy(changed, body.stored.data, body.stored.size);
        changed[i] ^= 0x10;
        struct codec_body damaged = body;
        damaged.stored.data = changed;
        struct fb_status status = codec_unpack(*state, &damaged, label, &arena, &back);

        /* A frame of zstd has a few bits that mean nothing; then the content is still right. */
        assert_true(status.code == FB_DATA_LOSS || memcmp(back.data, text, sizeof(text)) == 0);
    }
    text[999] = 1;
    body = codec_pack(*state, (struct engine_bytes){text, 100}, label);
    text[50] = 1;
    assert_int_equal(codec_unpack(*state, &body, label, &arena, &back).code, FB_DATA_LOSS);
    free(changed);
    fb_arena_finish(&arena);
}

static void a_body_under_another_label_is_data_loss(void **state)
{
    struct codec_body body =
        codec_pack(*state, (struct engine_bytes){(const uint8_t *)"body", 4}, label);
    struct engine_bytes other = {(const uint8_t *)"there", 5};
    struct engine_bytes back;
    struct fb_arena arena;

    fb_arena_init(&arena, 0);
    assert_int_equal(codec_unpack(*state, &body, other, &arena, &back).code, FB_DATA_LOSS);
    fb_arena_finish(&arena);
}

static void an_absurd_size_or_codec_is_data_loss(void **state)
{
    struct codec_body body =
        codec_pack(*state, (struct engine_bytes){(const uint8_t *)"body", 4}, label);
    struct codec_body changed = body;
    struct engine_bytes back;
    struct fb_arena arena;

    fb_arena_init(&arena, 0);
    changed.raw_bytes = SIZE_MAX;
    assert_int_equal(codec_unpack(*state, &changed, label, &arena, &back).code, FB_DATA_LOSS);
    changed.raw_bytes = 5;
    assert_int_equal(codec_unpack(*state, &changed, label, &arena, &back).code, FB_DATA_LOSS);
    changed = body;
    changed.kind = (enum codec_kind)9;
    assert_int_equal(codec_unpack(*state, &changed, label, &arena, &back).code, FB_DATA_LOSS);
    fb_arena_finish(&arena);
}

static void sha256_is_the_standards(void **state)
{
    static const uint8_t of_abc[] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea};
    uint8_t sha256[32];

    (void)state;
    codec_sha256((struct engine_bytes){(const uint8_t *)"abc", 3}, sha256);
    assert_memory_equal(sha256, of_abc, sizeof(of_abc));
}

/* A dictionary of bodies like body_of. */
static size_t train(uint8_t out[CODEC_DICTIONARY_BYTES])
{
    enum { SAMPLES = 3000, SAMPLE_BYTES = 128 };
    static char samples[SAMPLES * SAMPLE_BYTES];
    static size_t sizes[SAMPLES];
    size_t size = 0;

    for (size_t i = 0; i < SAMPLES; i++) {
        sizes[i] = (size_t)snprintf(samples + size, SAMPLE_BYTES,
                                    "agent %zu says that task %zu of module %zu is done", i % 7,
                                    i * 31 % 997, i * 13 % 101);
        size += sizes[i];
    }
    return codec_train((struct engine_bytes){(const uint8_t *)samples, size}, sizes, SAMPLES, out);
}

static void a_small_body_is_packed_by_what_was_learned_of_others(void **state)
{
    static const char text[] = "agent 3 says that task 12 of module 99 is done";
    const struct engine_bytes raw = {(const uint8_t *)text, sizeof(text)};
    uint8_t dictionary[CODEC_DICTIONARY_BYTES];
    size_t size = train(dictionary);
    struct codec *other = codec_create();
    struct codec_body body;
    struct engine_bytes back;
    struct fb_arena arena;

    fb_arena_init(&arena, 0);
    assert_true(size > 0);
    assert_int_equal(codec_pack_small(*state, raw, label).kind, CODEC_PLAIN);
    assert_false(codec_knows(*state, 0));
    assert_true(codec_learn(*state, 7, (struct engine_bytes){dictionary, size}));
    assert_true(codec_knows(*state, 0) && codec_knows(*state, 7) && !codec_knows(*state, 8));
    body = codec_pack_small(*state, raw, label);
    assert_int_equal(body.kind, CODEC_ZSTD_DICTIONARY);
    assert_int_equal(body.dictionary, 7);
    assert_int_equal(codec_unpack(*state, &body, label, &arena, &back).code, FB_OK);
    assert_string_equal((const char *)back.data, text);
    assert_int_equal(codec_unpack(other, &body, label, &arena, &back).code, FB_DATA_LOSS);
    body.dictionary = 0;
    assert_int_equal(codec_unpack(*state, &body, label, &arena, &back).code, FB_DATA_LOSS);
    codec_destroy(other);
    fb_arena_finish(&arena);
}

static void what_a_dictionary_does_not_help_is_packed_without(void **state)
{
    static uint8_t text[CODEC_SMALL_BYTES + 1];
    static const uint8_t noise[64] = {3,  141, 59, 26, 53, 58, 97, 93, 238, 46,
                                      26, 43,  38, 32, 79, 50, 28, 84, 197, 169,
                                      39, 93,  75, 10, 58, 20, 97, 49, 44,  59};
    uint8_t dictionary[CODEC_DICTIONARY_BYTES];
    size_t size = train(dictionary);

    assert_true(codec_learn(*state, 1, (struct engine_bytes){dictionary, size}));
    memset(text, 'a', sizeof(text));
    assert_int_equal(
        codec_pack_small(*state, (struct engine_bytes){text, sizeof(text)}, label).kind,
        CODEC_ZSTD);
    assert_int_equal(codec_pack_small(*state, (struct engine_bytes){noise, 30}, label).kind,
                     CODEC_PLAIN);
    assert_int_equal(codec_pack_small(*state, (struct engine_bytes){NULL, 0}, label).kind,
                     CODEC_PLAIN);
}

static void too_little_teaches_nothing(void **state)
{
    static const uint8_t bytes[] = "one";
    const size_t sizes[] = {sizeof(bytes)};
    uint8_t dictionary[CODEC_DICTIONARY_BYTES];

    (void)state;
    assert_int_equal(codec_train((struct engine_bytes){bytes, sizeof(bytes)}, sizes, 1, dictionary),
                     0);
}

static void dictionaries_are_bounded(void **state)
{
    uint8_t dictionary[CODEC_DICTIONARY_BYTES];
    size_t size = train(dictionary);

    for (uint32_t i = 1; i <= CODEC_DICTIONARIES; i++) {
        assert_true(codec_learn(*state, i, (struct engine_bytes){dictionary, size}));
    }
    assert_false(codec_learn(*state, 99, (struct engine_bytes){dictionary, size}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_shrinks_is_compressed_and_comes_back),
        cmocka_unit_test(what_does_not_shrink_stays_plain),
        cmocka_unit_test(a_changed_body_is_data_loss),
        cmocka_unit_test(a_body_under_another_label_is_data_loss),
        cmocka_unit_test(an_absurd_size_or_codec_is_data_loss),
        cmocka_unit_test(sha256_is_the_standards),
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(a_small_body_is_packed_by_what_was_learned_of_others),
        TEST(what_a_dictionary_does_not_help_is_packed_without),
        TEST(dictionaries_are_bounded),
        cmocka_unit_test(too_little_teaches_nothing),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
