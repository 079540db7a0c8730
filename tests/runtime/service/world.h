#ifndef FB_TESTS_RUNTIME_SERVICE_WORLD_H
#define FB_TESTS_RUNTIME_SERVICE_WORLD_H

/*
 * world: the sample program in a process of its own, what it says, and calls to it.
 *
 * One program at a time; each test has a folder for its files and sockets. Failures end the test.
 */

#include <stdbool.h>
#include <stddef.h>

#include <protobuf-c/protobuf-c.h>

#include "runtime/loop/child.h"
#include "runtime/loop/loop.h"
#include "runtime/rpc/channel.h"
#include "tests/support/folder.h"

enum { PATIENCE_MS = 30000, OUTPUT_BYTES = 65536, ARGUMENTS_MOST = 24 };

#define OVERVIEW "/flowbalancer.v1.AdminService/GetOverview"
#define DRAIN    "/flowbalancer.v1.AdminService/DrainWorker"
#define RECENT   "/flowbalancer.v1.AdminService/RecentCalls"

extern struct fb_loop *loop;
extern struct fb_channel *channel;
extern char folder[FOLDER_BYTES];

/* The program under test and what it says. */
struct program {
    struct fb_child child;
    struct fb_child_end end;
    int ends;
    int output; /* both streams */
    char text[OUTPUT_BYTES];
    size_t size;
};

extern struct program program;

/* A call that we make, and what came of it. */
struct made {
    struct fb_client_call *call;
    ProtobufCMessage *message; /* the last */
    const ProtobufCMessageDescriptor *type;
    int messages;
    int ends;
    enum fb_code code;
    char why[256];
};

/* The arguments of the test: the sample program. Says so if they are others. */
bool world_takes(int argc, char **argv);

#define SERVICE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int set_up(void **state);
int tear_down(void **state);

/* The prefix, such as "unix:", and the name in the test's folder; good until seven more were made. */
const char *path_of(const char *prefix, const char *name);

/* Writes a file into the test's folder, readable by us alone. */
void write_file(const char *name, const char *text);

/* --- the program --- */

/* Starts the sample with further arguments, NULL-ended. */
void start(const char *first, ...);

/* Starts it on a socket in the folder, with 5 minutes for a drain, and dials that. */
void start_and_dial(void);

/* Turns our loop until `*count` is `wanted`. */
void turn_until(const int *count, int wanted);

/* Waits for words in what it says; returns what follows them. */
const char *wait_for_words(const char *words);

/* Waits for its end, with this code. */
void wait_for_exit(int exit_code);

/* Asks it to end, and waits for its end, with 0. */
void end_program(void);

/* --- calls --- */

void dial(const char *target);

/* Begins one; what comes of it is unpacked as `type`. */
void begin(struct made *made, const char *path, const ProtobufCMessageDescriptor *type);

/* Cancels it if it has not ended. */
void finish(struct made *made);

/* One message there, and the end awaited. */
void ask(struct made *made, const char *path, const ProtobufCMessage *request,
         const ProtobufCMessageDescriptor *type);

/* A call that the program keeps open; its first message has come. */
void begin_open(struct made *made);

/* That the sample greets so. */
void greeting_is(const char *greeting);

/* Tells the sample what to do. */
void order(const char *what);

#endif
