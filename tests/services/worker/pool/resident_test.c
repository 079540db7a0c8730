#include "services/worker/pool/resident.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { GROWN_BYTES = 32 << 20 };

/* Holds memory until the other end of `life` closes. */
static void hold(int life, int ready)
{
    char *room = malloc(GROWN_BYTES);
    char byte;

    memset(room, 1, GROWN_BYTES);
    if (write(ready, "r", 1) == 1) {
        while (read(life, &byte, 1) > 0) {
        }
    }
    _exit(room[0] - 1);
}

static void a_process_counts_with_its_children_and_not_once_it_is_gone(void **state)
{
    int ready[2];
    int life[2];
    char byte;
    pid_t child;

    (void)state;
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(life), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(life[1]);
        if (fork() == 0) {
            hold(life[0], ready[1]);
        }
        wait(NULL);
        _exit(0);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_true(resident_of_tree(child) > GROWN_BYTES);
    assert_true(resident_of_tree(getpid()) > resident_of_tree(child));
    close(life[1]);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(resident_of_tree(child), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_process_counts_with_its_children_and_not_once_it_is_gone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
