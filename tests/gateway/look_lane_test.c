#include "gateway/look_lane.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/loop/loop.h"
#include "tests/support/folder.h"

struct world {
    struct fb_loop *loop;
    struct look_lane *lane;
    struct looker looker;
    char folder[FOLDER_BYTES];
    size_t done;
    size_t digested;
    size_t awaited;
};

static void on_done(struct look_job *job, void *arg)
{
    struct world *world = arg;

    for (size_t i = 0; i < job->count; i++) {
        world->digested += job->items[i].seen.digested;
    }
    if (++world->done == world->awaited) {
        fb_loop_stop(world->loop);
    }
}

static struct look_job *job_of(struct world *world, const char *path)
{
    struct look_job *job = look_job_create(1);

    assert_non_null(job);
    job->items[0].path = fb_arena_copy(&job->arena, path, strlen(path));
    assert_non_null(job->items[0].path);
    job->done = on_done;
    job->arg = world;
    return job;
}

static void begin(struct world *world)
{
    *world = (struct world){.awaited = 1};
    assert_true(folder_make(world->folder));
    world->loop = fb_loop_create();
    assert_non_null(world->loop);
    world->lane = look_lane_create(world->loop);
    assert_non_null(world->lane);
    world->looker = look_lane_looker(world->lane);
}

static void end(struct world *world)
{
    look_lane_destroy(world->lane);
    fb_loop_destroy(world->loop);
    assert_true(folder_remove(world->folder));
}

static void files_are_read_beside_the_loop_and_told_on_it(void **state)
{
    struct world world;
    char path[64];
    FILE *file;

    (void)state;
    begin(&world);
    snprintf(path, sizeof(path), "%s/a", world.folder);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs("abc", file) >= 0);
    assert_int_equal(fclose(file), 0);
    world.awaited = 50;
    for (int i = 0; i < 50; i++) {
        assert_true(world.looker.look(world.looker.self, job_of(&world, path)));
        assert_int_equal(world.done, 0);
    }
    fb_loop_run(world.loop);
    assert_int_equal(world.digested, 50);
    end(&world);
}

static void an_abandoned_job_is_not_told_of(void **state)
{
    struct world world;
    struct look_job *abandoned;

    (void)state;
    begin(&world);
    abandoned = job_of(&world, "/none");
    assert_true(world.looker.look(world.looker.self, abandoned));
    atomic_store(&abandoned->abandoned, true);
    assert_true(world.looker.look(world.looker.self, job_of(&world, "/none")));
    fb_loop_run(world.loop);
    assert_int_equal(world.done, 1);
    end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_read_beside_the_loop_and_told_on_it),
        cmocka_unit_test(an_abandoned_job_is_not_told_of),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
