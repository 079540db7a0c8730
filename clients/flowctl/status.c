/*
 * status: what runs, how busy it is, and whether it is well.
 */

#include <inttypes.h>
#include <string.h>

#include "clients/c/admin.h"
#include "clients/c/health.h"
#include "clients/flowctl/commands.h"
#include "clients/flowctl/connect.h"
#include "clients/flowctl/health.h"
#include "clients/flowctl/suite.h"
#include "clients/flowctl/table.h"
#include "clients/flowctl/terminal.h"
#include "clients/flowctl/units.h"
#include "clients/flowctl/writer.h"
#include "runtime/base/clock.h"

struct status_options {
    bool instances;
};

static struct status_options status_options;

static const struct fb_option status_table[] = {
    {"instances", FB_OPTION_BOOL, offsetof(struct status_options, instances), .fallback = "true",
     .help = "show the running instances of each worker's servers"},
    {.name = NULL},
};

static const char *tier_name(Flowbalancer__V1__Tier tier)
{
    switch (tier) {
    case FLOWBALANCER__V1__TIER__TIER_HOT:
        return "hot";
    case FLOWBALANCER__V1__TIER__TIER_WARM:
        return "warm";
    case FLOWBALANCER__V1__TIER__TIER_COLD:
        return "cold";
    default:
        return "-";
    }
}

/* A word of the contract's enums, with its colour. */
struct word {
    const char *name;
    enum terminal_colour colour;
};

static struct word worker_state(Flowbalancer__V1__WorkerState state)
{
    static const struct word words[] = {
        [FLOWBALANCER__V1__WORKER_STATE__WORKER_STATE_UNSPECIFIED] = {"-", TERMINAL_DIM},
        [FLOWBALANCER__V1__WORKER_STATE__WORKER_STATE_JOINING] = {"joining", TERMINAL_WARN},
        [FLOWBALANCER__V1__WORKER_STATE__WORKER_STATE_READY] = {"ready", TERMINAL_GOOD},
        [FLOWBALANCER__V1__WORKER_STATE__WORKER_STATE_DRAINING] = {"draining", TERMINAL_WARN},
        [FLOWBALANCER__V1__WORKER_STATE__WORKER_STATE_EJECTED] = {"ejected", TERMINAL_BAD},
        [FLOWBALANCER__V1__WORKER_STATE__WORKER_STATE_GONE] = {"gone", TERMINAL_DIM},
    };

    return (size_t)state < sizeof(words) / sizeof(words[0]) ? words[state] : words[0];
}

static struct word instance_state(Flowbalancer__V1__InstanceState state)
{
    static const struct word words[] = {
        [FLOWBALANCER__V1__INSTANCE_STATE__INSTANCE_STATE_UNSPECIFIED] = {"-", TERMINAL_DIM},
        [FLOWBALANCER__V1__INSTANCE_STATE__INSTANCE_STATE_STARTING] = {"starting", TERMINAL_WARN},
        [FLOWBALANCER__V1__INSTANCE_STATE__INSTANCE_STATE_READY] = {"ready", TERMINAL_GOOD},
        [FLOWBALANCER__V1__INSTANCE_STATE__INSTANCE_STATE_STOPPING] = {"stopping", TERMINAL_DIM},
        [FLOWBALANCER__V1__INSTANCE_STATE__INSTANCE_STATE_CRASHED] = {"crashed", TERMINAL_BAD},
        [FLOWBALANCER__V1__INSTANCE_STATE__INSTANCE_STATE_GONE] = {"gone", TERMINAL_DIM},
    };

    return (size_t)state < sizeof(words) / sizeof(words[0]) ? words[state] : words[0];
}

/* --- for programs --- */

static void write_router(struct writer *writer, const Flowbalancer__V1__RouterOverview *router)
{
    writer_key(writer, "router");
    writer_open(writer, '{');
    writer_key_string(writer, "router_id", router->router_id);
    writer_key_string(writer, "version", router->version);
    writer_key_int(writer, "start_unix_ms", router->start_unix_ms);
    writer_key_uint(writer, "in_flight", router->in_flight);
    writer_key_uint(writer, "calls", router->calls);
    writer_key_uint(writer, "failures", router->failures);
    writer_key_uint(writer, "retries", router->retries);
    writer_key_uint(writer, "connections", router->connections);
    writer_key_int(writer, "cpu_ms", router->cpu_ms);
    writer_key_int(writer, "resident_bytes", router->resident_bytes);
    writer_key(writer, "queues");
    writer_open(writer, '[');
    for (size_t i = 0; i < router->n_queues; i++) {
        writer_open(writer, '{');
        writer_key_string(writer, "tier", tier_name(router->queues[i]->tier));
        writer_key_uint(writer, "waiting", router->queues[i]->waiting);
        writer_key_int(writer, "oldest_ms", router->queues[i]->oldest_ms);
        writer_key_uint(writer, "limit", router->queues[i]->limit);
        writer_close(writer, '}');
    }
    writer_close(writer, ']');
    writer_close(writer, '}');
}

static void write_instance(struct writer *writer, const Flowbalancer__V1__InstanceReport *instance)
{
    writer_open(writer, '{');
    writer_key_string(writer, "instance_id", instance->instance_id);
    writer_key_string(writer, "server", instance->server);
    writer_key_string(writer, "state", instance_state(instance->state).name);
    writer_key_uint(writer, "in_flight", instance->in_flight);
    writer_key_bool(writer, "warm", instance->warm);
    writer_key_int(writer, "pid", instance->pid);
    writer_key_int(writer, "resident_bytes", instance->resident_bytes);
    writer_key_uint(writer, "starts", instance->starts);
    writer_close(writer, '}');
}

static void write_worker(struct writer *writer, const Flowbalancer__V1__WorkerOverview *worker)
{
    writer_open(writer, '{');
    writer_key_string(writer, "worker_id", worker->worker_id);
    writer_key_string(writer, "address", worker->address);
    writer_key_string(writer, "tier", tier_name(worker->tier));
    writer_key_string(writer, "state", worker_state(worker->state).name);
    writer_key_string(writer, "version", worker->version);
    writer_key_int(writer, "start_unix_ms", worker->start_unix_ms);
    writer_key_uint(writer, "in_flight", worker->in_flight);
    writer_key_uint(writer, "in_flight_here", worker->in_flight_here);
    writer_key_uint(writer, "capacity", worker->capacity);
    writer_key_uint(writer, "calls", worker->calls);
    writer_key_uint(writer, "failures", worker->failures);
    writer_key_int(writer, "silent_ms", worker->silent_ms);
    writer_key_uint(writer, "sessions", worker->sessions);
    writer_key_int(writer, "cpu_ms", worker->cpu_ms);
    writer_key_int(writer, "resident_bytes", worker->resident_bytes);
    writer_key(writer, "servers");
    writer_open(writer, '[');
    for (size_t i = 0; i < worker->n_servers; i++) {
        writer_string(writer, worker->servers[i]);
    }
    writer_close(writer, ']');
    writer_key(writer, "instances");
    writer_open(writer, '[');
    for (size_t i = 0; i < worker->n_instances; i++) {
        write_instance(writer, worker->instances[i]);
    }
    writer_close(writer, ']');
    writer_close(writer, '}');
}

/* --- for people --- */

static void print_table(struct table *table)
{
    struct fb_buffer text = {.data = NULL};

    fb_buffer_string(&text, "\n");
    table_render(table, &text);
    terminal_write((struct fb_text){.data = text.data, .size = text.size});
    fb_buffer_finish(&text);
    table_finish(table);
}

static void print_router(const Flowbalancer__V1__RouterOverview *router, int64_t now_unix_ms)
{
    char up[UNITS_ROOM];
    char memory[UNITS_ROOM];
    char cpu[UNITS_ROOM];

    terminal_print("%srouter %s%s  version %s, up %s, %s, %s of processor time\n",
                   terminal_colour(TERMINAL_BOLD), router->router_id,
                   terminal_colour(TERMINAL_PLAIN), router->version,
                   units_ms(now_unix_ms - router->start_unix_ms, up),
                   units_bytes(router->resident_bytes, memory), units_ms(router->cpu_ms, cpu));
    terminal_print("%" PRIu64 " %s, %" PRIu64 " failed, %" PRIu64 " tried again, %" PRIu32
                   " in flight, %" PRIu32 " connections\n",
                   router->calls, router->calls == 1 ? "call" : "calls", router->failures,
                   router->retries, router->in_flight, router->connections);
    for (size_t i = 0; i < router->n_queues; i++) {
        const Flowbalancer__V1__QueueOverview *queue = router->queues[i];

        if (queue->waiting > 0) {
            terminal_print("%s%" PRIu32 " of at most %" PRIu32
                           " wait for tier %s%s, the first for %s\n",
                           terminal_colour(TERMINAL_WARN), queue->waiting, queue->limit,
                           tier_name(queue->tier), terminal_colour(TERMINAL_PLAIN),
                           units_ms(queue->oldest_ms, up));
        }
    }
}

static void print_workers(const Flowbalancer__V1__GetOverviewResponse *overview)
{
    struct table table = {
        .headings = {"WORKER", "TIER", "STATE", "BUSY", "CALLS", "FAILED", "SESSIONS", "INSTANCES",
                     "MEMORY", "PROCESSOR"},
        .right = {false, false, false, true, true, true, true, true, true, true},
    };
    char room[UNITS_ROOM];

    for (size_t i = 0; i < overview->n_workers; i++) {
        const Flowbalancer__V1__WorkerOverview *worker = overview->workers[i];
        const struct word state = worker_state(worker->state);

        table_put(&table, TERMINAL_PLAIN, "%s", worker->worker_id);
        table_put(&table, TERMINAL_PLAIN, "%s", tier_name(worker->tier));
        table_put(&table, state.colour, "%s", state.name);
        table_put(&table, TERMINAL_PLAIN, "%" PRIu32 "/%" PRIu32, worker->in_flight,
                  worker->capacity);
        table_put(&table, TERMINAL_PLAIN, "%" PRIu64, worker->calls);
        table_put(&table, worker->failures > 0 ? TERMINAL_WARN : TERMINAL_PLAIN, "%" PRIu64,
                  worker->failures);
        table_put(&table, TERMINAL_PLAIN, "%" PRIu32, worker->sessions);
        table_put(&table, TERMINAL_PLAIN, "%zu", worker->n_instances);
        table_put(&table, TERMINAL_PLAIN, "%s", units_bytes(worker->resident_bytes, room));
        table_put(&table, TERMINAL_PLAIN, "%s", units_ms(worker->cpu_ms, room));
    }
    if (overview->n_workers > 0) {
        print_table(&table);
    } else {
        terminal_complain("see log/suite.log in the state folder",
                          "no worker has joined the router");
    }
}

static void print_instances(const Flowbalancer__V1__GetOverviewResponse *overview)
{
    struct table table = {
        .headings = {"SERVER", "WORKER", "STATE", "PID", "BUSY", "MEMORY", "STARTS"},
        .right = {false, false, false, true, true, true, true},
    };
    size_t count = 0;
    char room[UNITS_ROOM];

    for (size_t i = 0; i < overview->n_workers; i++) {
        const Flowbalancer__V1__WorkerOverview *worker = overview->workers[i];

        for (size_t j = 0; j < worker->n_instances; j++) {
            const Flowbalancer__V1__InstanceReport *instance = worker->instances[j];
            const struct word state = instance_state(instance->state);

            count++;
            table_put(&table, TERMINAL_PLAIN, "%s", instance->server);
            table_put(&table, TERMINAL_PLAIN, "%s", worker->worker_id);
            table_put(&table, state.colour, "%s", state.name);
            table_put(&table, TERMINAL_PLAIN, "%" PRId64, instance->pid);
            table_put(&table, TERMINAL_PLAIN, "%" PRIu32, instance->in_flight);
            table_put(&table, TERMINAL_PLAIN, "%s", units_bytes(instance->resident_bytes, room));
            table_put(&table, instance->starts > 1 ? TERMINAL_WARN : TERMINAL_PLAIN, "%" PRIu32,
                      instance->starts);
        }
    }
    if (count > 0) {
        print_table(&table);
    }
    table_finish(&table);
}

/* --- the programs of this machine --- */

static const struct suite_program *find_program(const struct suite *suite, const char *name)
{
    for (size_t i = 0; i < suite->count; i++) {
        if (strcmp(suite->programs[i].name, name) == 0) {
            return &suite->programs[i];
        }
    }
    return NULL;
}

static void put_program(struct table *table, const char *name, const char *address,
                        const struct suite_program *program, const struct health_finding *health,
                        int64_t now_unix_ms)
{
    char room[UNITS_ROOM];

    table_put(table, TERMINAL_PLAIN, "%s", name);
    table_put(table, health->is_well ? TERMINAL_GOOD : TERMINAL_BAD, "%s", health->word);
    if (program == NULL) {
        table_put(table, TERMINAL_DIM, "-");
        table_put(table, TERMINAL_DIM, "-");
        table_put(table, TERMINAL_DIM, "-");
    } else {
        table_put(table, TERMINAL_PLAIN, "%" PRId64, program->pid);
        table_put(table, TERMINAL_PLAIN, "%s",
                  units_ms(now_unix_ms - program->started_unix_ms, room));
        table_put(table, program->starts > 1 ? TERMINAL_WARN : TERMINAL_PLAIN, "%" PRId64,
                  program->starts);
    }
    table_put(table, TERMINAL_PLAIN, "%s", address);
}

static void write_program(struct writer *writer, const char *name, const char *address,
                          const struct suite_program *program, const struct health_finding *health)
{
    writer_open(writer, '{');
    writer_key_string(writer, "name", name);
    writer_key_string(writer, "address", address);
    writer_key_string(writer, "health", health->word);
    if (program != NULL) {
        writer_key_int(writer, "pid", program->pid);
        writer_key_string(writer, "state", program->state);
        writer_key_int(writer, "start_unix_ms", program->started_unix_ms);
        writer_key_int(writer, "starts", program->starts);
    }
    writer_close(writer, '}');
}

/* Everything that can be asked for its health: those of the suite, else the two addresses given. */
static bool show_programs(const struct run *run, const struct suite *suite, struct writer *writer,
                          int64_t now_unix_ms)
{
    const bool is_local = suite->runs && run->globals->router == NULL;
    const char *names[] = {"router", "store"};
    const char *addresses[] = {run->router, run->store};
    const size_t count = is_local ? suite->count : run->globals->store != NULL ? 2 : 1;
    struct table table = {
        .headings = {"PROGRAM", "HEALTH", "PID", "UP", "STARTS", "ADDRESS"},
        .right = {false, false, true, true, true},
    };
    bool all_well = true;

    writer_key(writer, "programs");
    writer_open(writer, '[');
    for (size_t i = 0; i < count; i++) {
        const char *name = is_local ? suite->programs[i].name : names[i];
        const char *address = is_local ? suite->programs[i].address : addresses[i];
        const struct suite_program *program = is_local ? find_program(suite, name) : NULL;
        struct health_finding health;

        health_ask(run, address, &health);
        all_well = all_well && health.is_well;
        if (run->globals->json) {
            write_program(writer, name, address, program, &health);
        } else {
            put_program(&table, name, address, program, &health, now_unix_ms);
        }
    }
    writer_close(writer, ']');
    if (!run->globals->json) {
        print_table(&table);
    }
    table_finish(&table);
    return all_well;
}

static int status(const struct run *run)
{
    Flowbalancer__V1__GetOverviewRequest request = FLOWBALANCER__V1__GET_OVERVIEW_REQUEST__INIT;
    const Flowbalancer__V1__GetOverviewResponse *overview;
    struct fb_answer answer = {.status = fb_ok};
    const int64_t now_unix_ms = fb_clock_unix_ms();
    struct writer writer = {.depth = 0};
    struct suite suite;
    struct fb_client *client;
    int code = connect_or_complain(run, "the router", run->router, &client);

    if (code != EXIT_DONE) {
        return code;
    }
    (void)suite_read(run->state_dir, run->arena, &suite); /* the picture is the router's */
    overview = fb_admin_get_overview(client, &request, NULL, &answer);
    if (overview == NULL) {
        code = connect_complain(run, "the router", run->router, &answer);
    } else {
        writer_open(&writer, '{');
        if (run->globals->json) {
            write_router(&writer, overview->router);
            writer_key(&writer, "workers");
            writer_open(&writer, '[');
            for (size_t i = 0; i < overview->n_workers; i++) {
                write_worker(&writer, overview->workers[i]);
            }
            writer_close(&writer, ']');
        } else {
            print_router(overview->router, now_unix_ms);
            print_workers(overview);
            if (status_options.instances) {
                print_instances(overview);
            }
        }
        code = show_programs(run, &suite, &writer, now_unix_ms) && overview->n_workers > 0
                   ? EXIT_DONE
                   : EXIT_NEGATIVE;
        writer_key_bool(&writer, "well", code == EXIT_DONE);
        writer_close(&writer, '}');
        if (run->globals->json) {
            writer_send(&writer);
        }
    }
    fb_buffer_finish(&writer.text);
    fb_answer_finish(&answer);
    fb_client_close(client);
    return code;
}

const struct command command_status = {
    .name = "status",
    .usage = "",
    .purpose = "show what runs, how busy it is, and whether it is well",
    .details =
        "The picture of the router that is asked, and the health of each program of the local "
        "suite.\nExit code 1 when a program is not well, 69 when the router does not answer",
    .options = status_table,
    .config = &status_options,
    .run = status,
};
