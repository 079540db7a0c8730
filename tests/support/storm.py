"""A storm: programs of a suite are killed in turn, under load, and what must survive is counted.

An agent calls a tool through its gateway without pause, a writer appends to a session of the store
without pause, and each round ends with kill -9 of one program and the proof that both go on. At the end
the session is read back: what was acknowledged is there once, in order; and no process of the suite, its
servers' included, is left.
"""

import json
import os
import queue
import subprocess
import threading
import time

import grpc

from contracts import Caller, messages
from suite import Suite

pb = messages("flowbalancer/v1/session_store")

RECOVERY_S = 30
ANSWER_S = 60


class Agent:
    """An MCP client that keeps one call of `tool` in flight and starts its gateway anew when it dies."""

    def __init__(self, gateway, tool, env):
        self.command = [gateway]
        self.tool = tool
        self.env = env
        self.answered = 0  # with its own text
        self.failed = 0    # with an error that the agent can read
        self.wrong = []    # answers that are not ours
        self.gateways = 0
        self.stopping = False
        self.process = None
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _start(self):
        if self.process is not None:
            self._end()
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, env=self.env)
        self.gateways += 1
        self._ask("initialize", {"protocolVersion": "2025-11-25", "capabilities": {},
                                 "clientInfo": {"name": "storm", "version": "1"}})
        try:
            self._say({"jsonrpc": "2.0", "method": "notifications/initialized"})
        except OSError:
            pass  # killed in the midst of it: the first call finds out

    def _say(self, message):
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()

    def _ask(self, method, params):
        """The answer to one request; None when the gateway is gone."""
        self.id = getattr(self, "id", 0) + 1
        try:
            self._say({"jsonrpc": "2.0", "id": self.id, "method": method, "params": params})
            while True:
                line = self.process.stdout.readline()
                if not line:
                    return None
                answer = json.loads(line)
                if answer.get("id") == self.id:
                    return answer
        except OSError:
            return None

    def _run(self):
        while not self.stopping:
            if self.process is None or self.process.poll() is not None:
                self._start()
            text = f"round trip {self.answered + self.failed}"
            answer = self._ask("tools/call", {"name": self.tool, "arguments": {"message": text}})
            if answer is None:
                self._end()
            elif "error" in answer or answer["result"].get("isError"):
                self.failed += 1
                self.last_failure = json.dumps(answer)[:500]
                time.sleep(0.01)  # an agent that is told of a failure does not spin either
            elif answer["result"]["content"][0]["text"].endswith(text):
                self.answered += 1
            else:
                self.wrong.append((text, answer))

    def _end(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        try:
            self.process.stdin.close()
        except OSError:
            pass  # what was not written has no reader any more

    def stop(self):
        self.stopping = True
        self.thread.join(ANSWER_S)
        if self.process is not None:
            self._end()
        return not self.thread.is_alive()


class Writer:
    """Appends to one session, repeats what was not acknowledged, and remembers what was."""

    def __init__(self, address):
        self.address = address
        self.acknowledged = []  # (sequence, payload)
        self.stopping = False
        self.errors = queue.Queue()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _connect(self):
        options = [("grpc.initial_reconnect_backoff_ms", 20), ("grpc.min_reconnect_backoff_ms", 20),
                   ("grpc.max_reconnect_backoff_ms", 200)]
        self.channel = grpc.insecure_channel(self.address, options)
        self.store = Caller(self.channel, pb, "SessionStoreService")

    def _insist(self, method, request):
        """The answer, however often it takes; only what says that it may be repeated is repeated."""
        while not self.stopping:
            try:
                return method(request, timeout=5, wait_for_ready=True)
            except grpc.RpcError as error:
                # CANCELLED, which nobody here asked for, is what C core's server says to a call that
                # arrives between its shutdown and the client's hearing of it.
                if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED,
                                        grpc.StatusCode.DEADLINE_EXCEEDED):
                    raise
        return None

    def _run(self):
        try:
            self._connect()
            held = self._insist(self.store.AcquireSession, pb.AcquireSessionRequest(
                session_id="storm", owner="storm-1", create=True, lease_ms=600000))
            while not self.stopping:
                number = len(self.acknowledged)
                payload = f"event {number}".encode()
                done = self._insist(self.store.AppendEvents, pb.AppendEventsRequest(
                    session_id="storm", epoch=held.epoch, expected_sequence=number,
                    request_id=f"request-{number}",
                    events=[pb.NewEvent(kind=1, payload=payload)]))
                if done is not None:
                    self.acknowledged.append((done.first_sequence, payload))
        except Exception as error:  # told by `finish`, on the main thread
            self.errors.put(error)

    def stop(self):
        self.stopping = True
        self.thread.join(ANSWER_S)
        if not self.errors.empty():
            raise self.errors.get()
        return not self.thread.is_alive()

    def stored(self):
        """What the store has, in its order."""
        found = []
        for part in self.store.LoadSession(pb.LoadSessionRequest(session_id="storm"), timeout=60,
                                           wait_for_ready=True):
            found += [(event.sequence, event.payload) for event in part.events.events]
        return found


class Storm(Suite):
    """A suite with an agent and a writer at work, for the `with`."""

    programs = ("flow-worker", "flow-router", "flow-store", "flow-gateway", "flow-guard",
                "flow-supervisor")

    def __init__(self, bin_folder, server):
        super().__init__(bin_folder, {"everything": server})
        self.kills = {}
        self.recoveries_ms = {}

    def __enter__(self):
        self.agent = Agent(os.path.join(self.bin, "flow-gateway"), "everything__echo", self.env)
        self.writer = Writer(self.socket("store"))
        self._both_go_on("at the start")
        return self

    def __exit__(self, kind, *rest):
        if kind is not None:
            self.agent.stopping = True
            self.writer.stopping = True
            self.end_processes()
            self.agent.stop()
            self.writer.stop()
        super().__exit__(kind, *rest)

    def _both_go_on(self, when):
        """Both have something acknowledged that they asked for after this was called."""
        calls = self.agent.answered + 1
        events = len(self.writer.acknowledged) + 1
        end = time.monotonic() + RECOVERY_S
        while self.agent.answered <= calls or len(self.writer.acknowledged) <= events:
            if not self.writer.errors.empty():
                raise self.writer.errors.get()
            if time.monotonic() > end:
                raise AssertionError(
                    f"no recovery within {RECOVERY_S} s {when}: {self.agent.answered} calls and "
                    f"{len(self.writer.acknowledged)} events before, {calls} and {events} wanted; "
                    f"last failure of the agent: {getattr(self.agent, 'last_failure', 'none')}; "
                    f"log:\n{self.log()}")
            time.sleep(0.005)

    def kill(self, program):
        """kill -9 of one process of the program, then waits until both go on."""
        from_s = time.monotonic()
        if self.kill_one(program) is None:
            raise AssertionError(f"no {program} runs: {self.processes()}")
        self.kills[program] = self.kills.get(program, 0) + 1
        self._both_go_on(f"after kill -9 of {program}")
        self.recoveries_ms.setdefault(program, []).append((time.monotonic() - from_s) * 1000)

    def finish(self):
        """Stops the load, takes stock, stops the suite: what was lost, what was mixed up, what is left."""
        if not self.agent.stop():
            raise AssertionError("a call of the agent was never answered")
        if not self.writer.stop():
            raise AssertionError("an append was never answered")
        stored = self.writer.stored()
        acknowledged = self.writer.acknowledged
        kept = set(stored)
        lost = [event for event in acknowledged if event not in kept]
        # The last append may be on disk although its answer was cut off by the end.
        extra = len(stored) - len(acknowledged)
        left = self.stop()
        return {
            "calls": self.agent.answered,
            "calls told to have failed": self.agent.failed,
            "answers mixed up": len(self.agent.wrong),
            "events acknowledged": len(acknowledged),
            "events lost": len(lost),
            "events out of place": 0 if extra in (0, 1) and stored[:len(acknowledged)] ==
                                   acknowledged else max(1, abs(extra)),
            "processes left": left,
        }
