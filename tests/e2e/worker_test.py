"""flow-worker as foreign gRPC programs (grpcio) and real MCP servers see it."""

import concurrent.futures
import json
import os
import queue
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import unittest
import uuid

import grpc

from contracts import Caller, messages

pb = messages("flowbalancer/v1/mcp")
context_pb = messages("flowbalancer/v1/context")
registry_pb = messages("flowbalancer/v1/registry")
store_pb = messages("flowbalancer/v1/session_store")
health = messages("grpc/health/v1/health")

DEADLINE = 60
ROUNDS = 20
MODERN = os.path.abspath("tests/e2e/modern_server.mjs")
GROWING = os.path.abspath("tests/support/growing_server.py")
OPTIONS = [
    ("grpc.initial_reconnect_backoff_ms", 20),
    ("grpc.min_reconnect_backoff_ms", 20),
    ("grpc.max_reconnect_backoff_ms", 100),
    ("grpc.use_local_subchannel_pool", 1),
]


def wait_until(holds, what):
    limit = time.monotonic() + DEADLINE
    while not holds():
        if time.monotonic() > limit:
            raise AssertionError("in vain waited for: " + what)
        time.sleep(0.01)


def program(name):
    return os.path.join(os.environ["FB_BIN"], name)


def serving(process, channel, service):
    """Waits until the program answers that it serves."""
    call = Caller(channel, health, "Health")
    call.Check(health.HealthCheckRequest(service=service), wait_for_ready=True, timeout=DEADLINE)
    assert process.poll() is None


class World:
    """A folder with a configuration, and a worker on a Unix socket in it."""

    def __init__(self, servers):
        self.folder = tempfile.mkdtemp(prefix="flow-worker-")
        self.notes = os.path.join(self.folder, "notes")
        self.mark = str(uuid.uuid4())
        with open(self.path("config.json"), "w", encoding="utf-8") as file:
            json.dump({"mcpServers": servers(self)}, file)
        self.address = "unix:" + self.path("w")
        self.processes = []
        self.channels = []
        self.worker = None

    def path(self, name):
        return os.path.join(self.folder, name)

    def growing(self):
        return {"command": "/usr/bin/python3", "args": [GROWING, self.notes],
                "env": {"FLOW_MARK": self.mark}}

    def spawn(self, name, *arguments):
        process = subprocess.Popen(
            [program(name), "--config", self.path("config.json"), "--log-level", "error", *arguments])
        self.processes.append(process)
        return process

    def start(self, *arguments):
        self.worker = self.spawn("flow-worker", "--listen", self.address, "--id", "w1", *arguments)
        channel = self.dial(self.address)
        serving(self.worker, channel, "flowbalancer.v1.McpService")
        self.call = Caller(channel, pb, "McpService")
        return self

    def start_store(self):
        address = "unix:" + self.path("s")
        store = self.spawn("flow-store", "--listen", address, "--database", self.path("store.db"))
        serving(store, self.dial(address), "flowbalancer.v1.SessionStoreService")
        return store, address

    def kept(self, address):
        """The one entry of the catalogue, once the store has it."""
        store = Caller(self.dial(address), store_pb, "SessionStoreService")
        wait_until(lambda: len(list(store.GetCatalogue(store_pb.GetCatalogueRequest()))) == 1,
                   "the entry")
        return next(store.GetCatalogue(store_pb.GetCatalogueRequest())).entry

    def dial(self, address):
        channel = grpc.insecure_channel(address, OPTIONS)
        self.channels.append(channel)
        return channel

    def noted(self, what):
        if not os.path.exists(self.notes):
            return 0
        with open(self.notes, encoding="utf-8") as file:
            return file.read().splitlines().count(what)

    def survivors(self):
        """Processes that were started for this world's servers."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/environ", "rb") as file:
                    if self.mark.encode() in file.read():
                        found.append(int(pid))
            except OSError:
                pass
        return found

    def list(self, **fields):
        return self.call.ListTools(
            pb.ListToolsRequest(context=context_pb.CallContext(agent="a"), **fields),
            timeout=DEADLINE)

    def names(self, **fields):
        return [json.loads(item)["name"] for item in self.list(**fields).items_json]

    def begin(self, name, arguments=None, caller=None, **fields):
        request = pb.CallToolRequest(
            context=context_pb.CallContext(agent="a", server=name.split("__")[0], name=name),
            arguments_json=b"" if arguments is None else json.dumps(arguments).encode(), **fields)
        return (caller or self.call).CallTool(request, timeout=DEADLINE)

    def result(self, *arguments, **fields):
        last = list(self.begin(*arguments, **fields))[-1]
        return json.loads(last.result.result_json)

    def close(self):
        for channel in self.channels:
            channel.close()
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes:
            process.wait(DEADLINE)
        wait_until(lambda: not self.survivors(), "the servers' end")
        shutil.rmtree(self.folder)


class WorkerTest(unittest.TestCase):
    def world(self, servers=lambda world: {"growing": world.growing()}):
        world = World(servers)
        self.addCleanup(world.close)
        return world

    def fails(self, call):
        with self.assertRaises(grpc.RpcError) as caught:
            list(call)
        trailers = dict(caught.exception.trailing_metadata() or ())
        return caught.exception.code(), caught.exception.details(), trailers.get(
            "flowbalancer-reason")

    def test_real_servers_are_listed_and_called_under_prefixed_names(self):
        world = self.world(lambda world: {
            "everything": {"command": "mcp-server-everything", "args": ["stdio"]},
            "My Files": {"command": "mcp-server-filesystem", "args": [world.folder]},
            "memory": {"command": "mcp-server-memory",
                       "env": {"MEMORY_FILE_PATH": world.path("memory.jsonl")}},
        }).start()
        names = world.names(wait_ms=30000)
        self.assertEqual(names, sorted(names))
        for name in ("everything__echo", "my-files__read_text_file", "memory__read_graph"):
            self.assertIn(name, names)
        echo = world.result("everything__echo", {"message": "hi"})
        self.assertEqual(echo["content"][0]["text"], "Echo: hi")
        events = list(world.begin("everything__trigger-long-running-operation",
                                  {"duration": 0.3, "steps": 3}, progress=True))
        self.assertEqual([json.loads(e.progress.params_json)["progress"] for e in events[:-1]],
                         [1, 2, 3])
        with open(world.path("note.txt"), "w", encoding="utf-8") as file:
            file.write("kept")
        read = world.result("my-files__read_text_file", {"path": world.path("note.txt")})
        self.assertEqual(read["content"][0]["text"], "kept")

    def test_each_of_500_calls_at_once_from_several_callers_gets_its_own_answer(self):
        world = self.world(lambda world: {
            "everything": {"command": "mcp-server-everything", "args": ["stdio"]}}).start()
        callers = [Caller(world.dial(world.address), pb, "McpService") for _ in range(5)]

        def ask(number):
            return world.result("everything__echo", {"message": f"n{number}"},
                                caller=callers[number % 5])["content"][0]["text"]

        with concurrent.futures.ThreadPoolExecutor(100) as threads:
            answers = list(threads.map(ask, range(500)))
        self.assertEqual(answers, [f"Echo: n{number}" for number in range(500)])

    def test_a_modern_server_is_spoken_to_in_its_own_way(self):
        world = self.world(lambda world: {
            "modern": {"command": "node", "args": [MODERN, world.notes],
                       "env": {"FLOW_MARK": world.mark}}}).start()
        first = world.list(wait_ms=30000)
        self.assertEqual([json.loads(item)["name"] for item in first.items_json],
                         ["modern__echo", "modern__grow", "modern__progress", "modern__wait"])
        event = list(world.begin("modern__echo", {"message": "hi"}))[-1]
        self.assertEqual(event.result.upstream_revision, "2026-07-28")
        result = json.loads(event.result.result_json)
        self.assertEqual((result["resultType"], result["content"][0]["text"]), ("complete", "hi"))
        events = list(world.begin("modern__progress", {}, progress=True))
        self.assertEqual([json.loads(e.progress.params_json) for e in events[:-1]],
                         [{"progress": step, "total": 3} for step in (1, 2, 3)])
        call = world.begin("modern__wait", {})
        wait_until(lambda: world.noted("call wait") == 1, "the call")
        call.cancel()
        wait_until(lambda: world.noted("cancelled") == 1, "the cancellation")
        # Changes come by a subscription of the worker's own.
        stream = world.call.Listen(pb.ListenRequest(
            context=context_pb.CallContext(agent="a"),
            lists=[pb.ListInterest(kind=pb.LIST_KIND_TOOLS, version=first.version)]),
            timeout=DEADLINE)
        next(stream)
        list(world.begin("modern__grow", {}))
        next(stream)
        stream.cancel()
        self.assertIn("modern__grown", world.names())
        self.assertEqual(world.noted("start"), 1)

    def test_what_cannot_be_called_says_why_and_what_was_meant(self):
        world = self.world(lambda world: {
            "growing": world.growing(),
            "absent": {"command": "no-such-command"},
            "remote": {"type": "http", "url": "http://127.0.0.1:9/mcp"},
        }).start()
        cases = [
            ("growing__eco", None, grpc.StatusCode.NOT_FOUND, "did you mean 'growing__echo'",
             "tool"),
            ("nobody__echo", None, grpc.StatusCode.NOT_FOUND, "no server", "server"),
            ("absent__x", None, grpc.StatusCode.FAILED_PRECONDITION,
             "command 'no-such-command' is not found", "not-run"),
            ("remote__x", None, grpc.StatusCode.FAILED_PRECONDITION, "type http", "not-run"),
            ("", None, grpc.StatusCode.INVALID_ARGUMENT, "context.name", "not-run"),
            ("growing__echo", [1], grpc.StatusCode.INVALID_ARGUMENT, "arguments_json", "not-run"),
        ]
        world.names(wait_ms=30000)
        for name, arguments, code, words, reason in cases:
            with self.subTest(name):
                told = self.fails(world.begin(name, arguments))
                self.assertEqual((told[0], told[2]), (code, reason))
                self.assertIn(words, told[1])
        pending = {p.server: p for p in world.list().pending_servers}
        self.assertEqual(set(pending), {"absent", "remote"})
        self.assertIn("type http", pending["remote"].detail)
        self.assertEqual(pending["remote"].reason, pb.PENDING_REASON_UNREACHABLE)

    def test_a_method_that_is_not_served_yet_answers_unimplemented(self):
        world = self.world().start()
        with self.assertRaises(grpc.RpcError) as caught:
            world.call.ListPrompts(pb.ListPromptsRequest(), timeout=DEADLINE)
        self.assertEqual(caught.exception.code(), grpc.StatusCode.UNIMPLEMENTED)

    def test_a_list_waits_for_a_silent_server_no_longer_than_it_was_asked_to(self):
        world = self.world(lambda world: {
            "growing": world.growing(),
            "silent": {"command": "sleep", "args": ["1000"], "env": {"FLOW_MARK": world.mark}},
        }).start()
        response = world.list(wait_ms=1500)
        self.assertEqual(len(response.items_json), 4)
        self.assertEqual([(p.server, p.reason) for p in response.pending_servers],
                         [("silent", pb.PENDING_REASON_STARTING)])
        self.assertEqual(world.result("growing__echo", {"a": 1})["structuredContent"], {"a": 1})

    def test_pages_join_to_the_whole_list_and_an_equal_version_spares_it(self):
        world = self.world().start()
        whole = world.list(wait_ms=30000)
        names, cursor = [], ""
        while True:
            page = world.list(page_size=1, cursor=cursor)
            names += [json.loads(item)["name"] for item in page.items_json]
            cursor = page.next_cursor
            if not cursor:
                break
        self.assertEqual(names, [json.loads(item)["name"] for item in whole.items_json])
        again = world.list(if_version=whole.version)
        self.assertTrue(again.unchanged)
        self.assertEqual(len(again.items_json), 0)
        with self.assertRaises(grpc.RpcError) as caught:
            world.list(cursor="made up")
        self.assertEqual(caught.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)

    def test_a_cancelled_call_is_cancelled_at_the_server(self):
        world = self.world().start()
        call = world.begin("growing__wait", {"seconds": 60})
        wait_until(lambda: world.noted("call wait") == 1, "the call")
        call.cancel()
        wait_until(lambda: world.noted("cancelled") == 1, "the cancellation")
        self.assertEqual(world.result("growing__echo", {"a": 1})["structuredContent"], {"a": 1})

    def test_a_deadline_is_kept_and_cancels_at_the_server(self):
        world = self.world().start()
        world.names(wait_ms=30000)
        request = pb.CallToolRequest(
            context=context_pb.CallContext(agent="a", name="growing__wait"),
            arguments_json=b'{"seconds":60}')
        told = self.fails(world.call.CallTool(request, timeout=0.5))
        self.assertEqual(told[0], grpc.StatusCode.DEADLINE_EXCEEDED)
        wait_until(lambda: world.noted("cancelled") == 1, "the cancellation")

    def test_a_call_lost_in_a_crash_may_have_run_and_the_next_one_is_served(self):
        world = self.world().start()
        told = self.fails(world.begin("growing__crash"))
        self.assertEqual((told[0], told[2]), (grpc.StatusCode.UNKNOWN, "may-have-run"))
        self.assertEqual(world.result("growing__echo", {"b": 2})["structuredContent"], {"b": 2})
        self.assertEqual(world.noted("start"), 2)

    def test_changes_of_the_tools_are_told_to_those_who_listen(self):
        world = self.world().start()
        first = world.list(wait_ms=30000)
        stream = world.call.Listen(pb.ListenRequest(
            context=context_pb.CallContext(agent="a"),
            lists=[pb.ListInterest(kind=pb.LIST_KIND_TOOLS, version=first.version),
                   pb.ListInterest(kind=pb.LIST_KIND_PROMPTS)]), timeout=DEADLINE)
        self.assertEqual(list(next(stream).acknowledged.lists), [pb.LIST_KIND_TOOLS])
        world.result("growing__grow", {"tool": "new"})
        changed = next(stream).list_changed
        self.assertEqual(changed.kind, pb.LIST_KIND_TOOLS)
        self.assertNotEqual(changed.version, first.version)
        self.assertIn("growing__new", world.names())
        stream.cancel()
        late = world.call.Listen(pb.ListenRequest(
            context=context_pb.CallContext(agent="a"),
            lists=[pb.ListInterest(kind=pb.LIST_KIND_TOOLS, version=first.version)]),
            timeout=DEADLINE)
        next(late)
        self.assertEqual(next(late).list_changed.version, changed.version)
        late.cancel()

    def test_the_list_comes_from_the_store_with_no_server_running(self):
        world = self.world()
        _, store = world.start_store()
        world.start("--store", store)
        names = world.names(wait_ms=30000)
        self.assertEqual(len(names), 4)
        starts = world.noted("start")
        world.kept(store)
        world.worker.kill()
        world.worker.wait(DEADLINE)
        world.start("--store", store)
        self.assertEqual(world.names(wait_ms=30000), names)
        self.assertEqual(world.noted("start"), starts)
        world.result("growing__echo", {})
        self.assertEqual(world.noted("start"), starts + 1)

    def test_a_store_that_was_away_gets_what_it_missed(self):
        world = self.world()
        address = "unix:" + world.path("s")
        world.start("--store", address)
        names = world.names(wait_ms=30000)
        world.start_store()
        entry = world.kept(address)
        self.assertEqual(entry.server, "growing")
        self.assertEqual(len(entry.items_json), len(names))
        self.assertEqual(entry.revision, "2025-11-25")

    def test_a_worker_that_is_told_to_end_lets_calls_finish(self):
        world = self.world().start()
        call = world.begin("growing__wait", {"seconds": 1})
        wait_until(lambda: world.noted("call wait") == 1, "the call")
        world.worker.send_signal(signal.SIGTERM)
        self.assertEqual(json.loads(list(call)[-1].result.result_json)["structuredContent"],
                         {"seconds": 1})
        self.assertEqual(world.worker.wait(DEADLINE), 0)
        self.assertEqual(world.survivors(), [])

    def test_kill_minus_9_under_load_leaves_no_process(self):
        world = self.world()
        for _ in range(ROUNDS):
            world.start()
            calls = [world.begin("growing__wait", {"seconds": 60}) for _ in range(10)]
            echo = world.result("growing__echo", {"x": 1})
            self.assertEqual(echo["structuredContent"], {"x": 1})
            world.worker.kill()
            world.worker.wait(DEADLINE)
            for call in calls:
                self.assertEqual(self.fails(call)[0], grpc.StatusCode.UNAVAILABLE)
            wait_until(lambda: not world.survivors(), "the servers' end")


class Router:
    """WorkerRegistryService as a router serves it, in grpcio."""

    def __init__(self):
        self.got = queue.Queue()
        self.say = queue.Queue()
        self.server = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
        handler = grpc.stream_stream_rpc_method_handler(
            self.join, registry_pb.JoinRequest.FromString,
            registry_pb.JoinResponse.SerializeToString)
        self.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(
            "flowbalancer.v1.WorkerRegistryService", {"Join": handler}),))
        self.port = self.server.add_insecure_port("127.0.0.1:0")
        self.server.start()

    def join(self, requests, _):
        threading.Thread(target=self.read, args=(requests,), daemon=True).start()
        yield registry_pb.JoinResponse(welcome=registry_pb.RouterWelcome(
            router_id="r", heartbeat_interval_ms=50, grace_ms=1000))
        while True:
            message = self.say.get()
            if message is None:
                return
            yield message

    def read(self, requests):
        try:
            for request in requests:
                self.got.put(request)
        except grpc.RpcError:
            pass

    def next(self, wanted):
        while True:
            request = self.got.get(timeout=DEADLINE)
            if wanted(request):
                return request

    def stop(self):
        self.say.put(None)
        self.server.stop(0).wait()


class JoinTest(unittest.TestCase):
    def setUp(self):
        self.world = World(lambda world: {"growing": world.growing()})
        self.addCleanup(self.world.close)
        self.routers = [Router(), Router()]
        for router in self.routers:
            self.addCleanup(router.stop)

    def start(self):
        self.world.start("--tier", "hot", "--capacity", "7", *(
            argument for router in self.routers
            for argument in ("--router", f"127.0.0.1:{router.port}")))

    def test_every_router_is_told_who_joins_and_what_runs(self):
        self.start()
        for router in self.routers:
            hello = router.got.get(timeout=DEADLINE).hello
            self.assertEqual(hello.worker_id, "w1")
            self.assertEqual(list(hello.addresses), [self.world.address])
            self.assertEqual((hello.tier, hello.capacity), (registry_pb.TIER_HOT, 7))
            self.assertEqual([offer.server for offer in hello.servers], ["growing"])
            self.assertEqual(len(hello.servers[0].config_digest), 32)
            self.assertEqual(hello.state.in_flight, 0)
        call = self.world.begin("growing__wait", {"seconds": 60})
        for router in self.routers:
            router.next(lambda r: any(i.state == registry_pb.INSTANCE_STATE_READY and i.warm
                                      for i in r.heartbeat.instances))
            router.next(lambda r: r.heartbeat.in_flight == 1)
            router.next(lambda r: any(i.resident_bytes > 1000000 for i in r.heartbeat.instances))
        call.cancel()
        self.routers[0].next(lambda r: r.heartbeat.in_flight == 0)

    def test_who_listens_everywhere_is_reached_at_its_own_address(self):
        self.world.start("--advertise", "0.0.0.0:7071", "--advertise", "worker.example:7",
                         "--router", f"127.0.0.1:{self.routers[0].port}")
        hello = self.routers[0].next(lambda r: r.HasField("hello")).hello
        self.assertEqual(list(hello.addresses), ["127.0.0.1:7071", "worker.example:7"])

    def test_a_ping_is_answered_and_a_drain_obeyed(self):
        self.start()
        router = self.routers[0]
        router.say.put(registry_pb.JoinResponse(ping=registry_pb.Ping(id=41)))
        router.next(lambda r: r.heartbeat.pong == 41)
        router.say.put(registry_pb.JoinResponse(drain=registry_pb.DrainCommand(reason="test")))
        for each in self.routers:
            each.next(lambda r: r.heartbeat.draining)

    def test_a_drain_with_a_deadline_ends_what_still_runs(self):
        self.start()
        call = self.world.begin("growing__wait", {"seconds": 60})
        wait_until(lambda: self.world.noted("call wait") == 1, "the call")
        self.routers[0].say.put(registry_pb.JoinResponse(
            drain=registry_pb.DrainCommand(reason="test", deadline_ms=50)))
        with self.assertRaises(grpc.RpcError) as caught:
            list(call)
        self.assertEqual(caught.exception.code(), grpc.StatusCode.UNKNOWN)

    def test_a_router_that_ends_the_stream_is_joined_again(self):
        self.start()
        router = self.routers[0]
        router.next(lambda r: r.HasField("hello"))
        router.say.put(None)
        again = router.next(lambda r: r.HasField("hello"))
        self.assertEqual(again.hello.worker_id, "w1")


if __name__ == "__main__":
    unittest.main()
