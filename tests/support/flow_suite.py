"""A store, a router and workers for tests of FlowService, each a process of its own on a Unix socket."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid

import grpc

from contracts import Caller, messages

pb = messages("flowbalancer/v1/flow")
event_pb = messages("flowbalancer/v1/flow_event")
context_pb = messages("flowbalancer/v1/context")
admin_pb = messages("flowbalancer/v1/admin")
health = messages("grpc/health/v1/health")

DEADLINE = 60
OPTIONS = [
    ("grpc.initial_reconnect_backoff_ms", 20),
    ("grpc.min_reconnect_backoff_ms", 20),
    ("grpc.max_reconnect_backoff_ms", 100),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.max_receive_message_length", 32 << 20),
]


def wait_until(holds, what):
    limit = time.monotonic() + DEADLINE
    while not holds():
        if time.monotonic() > limit:
            raise AssertionError("in vain waited for: " + what)
        time.sleep(0.01)


class FlowSuite:
    """For the `with`."""

    def __init__(self, workers=1):
        self.folder = tempfile.mkdtemp(prefix="ff-", dir="/tmp")
        self.env = dict(os.environ, HOME=self.folder)
        self.channels = []
        self.processes = {}
        with open(self.path("config.json"), "w", encoding="utf-8") as file:
            json.dump({"mcpServers": {}}, file)
        self.start_store()
        self.start_router()
        for i in range(workers):
            self.start_worker(f"w{i}")
        self.admin = Caller(self.dial("router"), admin_pb, "AdminService")
        self.flow = Caller(self.dial("router"), pb, "FlowService")
        self.wait_for_workers(workers)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for channel in self.channels:
            channel.close()
        for process in self.processes.values():
            process.kill()
        for process in self.processes.values():
            process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.folder, name)

    def address(self, name):
        return "unix:" + self.path(name + ".sock")

    def dial(self, name):
        channel = grpc.insecure_channel(self.address(name), OPTIONS)
        self.channels.append(channel)
        return channel

    def start(self, program, name, *arguments):
        process = subprocess.Popen(
            [os.path.join(os.environ["FB_BIN"], program), "--config", self.path("config.json"),
             "--log-level", os.environ.get("FLOW_LOG_LEVEL", "error"),
             "--listen", self.address(name), *arguments], env=self.env)
        self.processes[name] = process
        call = Caller(self.dial(name), health, "Health")
        call.Check(health.HealthCheckRequest(), wait_for_ready=True, timeout=DEADLINE)
        assert process.poll() is None

    def start_store(self):
        self.start("flow-store", "store", "--database", self.path("store.db"))

    def start_router(self):
        self.start("flow-router", "router", "--heartbeat-interval", "100ms", "--heartbeat-grace", "2s")

    def start_worker(self, name):
        self.start("flow-worker", name, "--id", name, "--router", self.address("router"),
                   "--store", self.address("store"))

    def workers(self):
        """What the router knows of its workers, by id."""
        overview = self.admin.GetOverview(admin_pb.GetOverviewRequest(), timeout=DEADLINE)
        return {worker.worker_id: worker for worker in overview.workers}

    def wait_for_workers(self, count):
        wait_until(lambda: sum(worker.state == admin_pb.WORKER_STATE_READY
                               for worker in self.workers().values()) == count, "the workers")

    def holder(self):
        """Id of a worker that holds a session."""
        found = []

        def look():
            found[:] = [name for name, worker in self.workers().items() if worker.sessions > 0]
            return len(found) > 0
        wait_until(look, "a worker that holds a session")
        return found[0]

    def kill(self, name):
        self.processes[name].send_signal(signal.SIGKILL)
        self.processes[name].wait()

    def end(self, name):
        self.processes[name].send_signal(signal.SIGTERM)
        self.processes[name].wait(DEADLINE)


class Agent:
    """Who calls in one session; each mutation has a request id of its own."""

    def __init__(self, flow, session, name, scope=""):
        self.flow = flow
        self.context = context_pb.CallContext(session=session, agent="test", scope=scope)
        self.name = name

    def by(self, **more):
        more.setdefault("request_id", str(uuid.uuid4()))
        return pb.FlowMutation(actor=self.name, **more)

    def open(self, by=None, **more):
        return self.flow.OpenSession(pb.OpenSessionRequest(
            context=self.context, by=by or self.by(), **more), timeout=DEADLINE)

    def plan(self, *items, by=None, **more):
        return self.flow.Plan(pb.PlanRequest(
            context=self.context, by=by or self.by(), items=items, **more), timeout=DEADLINE)

    def next(self, by=None, timeout=DEADLINE, **more):
        """The stream of answers."""
        return self.flow.Next(pb.NextRequest(context=self.context, by=by or self.by(), **more),
                              timeout=timeout)

    def claim(self, **more):
        """The last answer."""
        return list(self.next(**more))[-1]

    def pulse(self, task, by=None, **more):
        return self.flow.Pulse(pb.PulseRequest(
            context=self.context, by=by or self.by(), task=ref(task), **more), timeout=DEADLINE)

    def finish(self, task, by=None, **more):
        return self.flow.Finish(pb.FinishRequest(
            context=self.context, by=by or self.by(), task=ref(task), **more), timeout=DEADLINE)

    def edit(self, task, by=None, **more):
        return self.flow.Edit(pb.EditRequest(
            context=self.context, by=by or self.by(), task=ref(task), **more), timeout=DEADLINE)

    def undo(self, task=None, by=None):
        return self.flow.Undo(pb.UndoRequest(
            context=self.context, by=by or self.by(), task=task and ref(task)), timeout=DEADLINE)

    def status(self, timeout=DEADLINE, **more):
        return self.flow.Status(pb.StatusRequest(context=self.context, **more), timeout=timeout)

    def find(self, **more):
        """All that was found, and how many there are."""
        answers = list(self.flow.Find(pb.FindRequest(context=self.context, **more),
                                      timeout=DEADLINE))
        return [found for answer in answers for found in answer.found], answers[0].total

    def watch(self, timeout=DEADLINE, **more):
        return self.flow.Watch(pb.WatchRequest(context=self.context, **more), timeout=timeout)

    def compact(self, by=None, restore=None, **more):
        return self.flow.Compact(pb.CompactRequest(
            context=self.context, by=by or self.by(), restore=restore and ref(restore), **more),
            timeout=DEADLINE)

    def merge(self, other, by=None, **more):
        return self.flow.MergeSessions(pb.MergeSessionsRequest(
            context=self.context, by=by or self.by(), from_session=other, **more), timeout=DEADLINE)

    def mute(self, kind, for_ms, task=None, by=None):
        return self.flow.Mute(pb.MuteRequest(
            context=self.context, by=by or self.by(), kind=kind, for_ms=for_ms,
            task=task and ref(task)), timeout=DEADLINE)

    def verify(self, *observations, task=None, by=None, **more):
        return self.flow.Verify(pb.VerifyRequest(
            context=self.context, by=by or self.by(), task=task and ref(task),
            observations=observations, **more), timeout=DEADLINE)

    def bring(self, data, piece=1 << 20, by=None, **header):
        """Imports a document in pieces."""
        def messages():
            yield pb.ImportRequest(context=self.context,
                                   header=pb.FlowImportHeader(by=by or self.by(), **header))
            for at in range(0, len(data), piece):
                yield pb.ImportRequest(data=data[at:at + piece])
        return self.flow.Import(messages(), timeout=DEADLINE)

    def export(self, **more):
        """The document."""
        return b"".join(part.data for part in self.flow.Export(
            pb.ExportRequest(context=self.context, **more), timeout=DEADLINE))

    def snapshot(self):
        parts = list(self.flow.Snapshot(pb.SnapshotRequest(context=self.context),
                                        timeout=DEADLINE))
        return b"".join(part.data for part in parts), parts[0].seq

    def graph(self, **more):
        return self.flow.Graph(pb.GraphRequest(context=self.context, **more), timeout=DEADLINE)


def ref(task):
    if isinstance(task, str):
        return pb.FlowTaskRef(key=task)
    return pb.FlowTaskRef(task=task)


def item(title, *after, key="", weight=3, priority=2, links=(), chain=False, **more):
    """An item of a plan; `after` are keys of others."""
    hangs = [pb.FlowPlanLink(kind=event_pb.FLOW_LINK_KIND_AFTER, key=on) for on in after]
    return pb.FlowPlanItem(
        task=event_pb.FlowPlannedTask(title=title, key=key or title, weight=weight,
                                      priority=priority, **more),
        links=hangs + list(links), chain=chain)
