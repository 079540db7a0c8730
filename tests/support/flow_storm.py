"""Many agents in one session of a real suite, and what its log proves of them.

Each agent is a process with a gateway of its own (flow_agent.py). At the end the log is read back by a
foreign gRPC client and followed by flow_log.FlowLog; what the agents were told is held against it.
"""

import collections
import json
import os
import subprocess
import sys
import threading
import time

import grpc

from contracts import Caller, messages
from flow_log import COMPLETED, FlowLog
from suite import Suite

flow = messages("flowbalancer/v1/flow")
context = messages("flowbalancer/v1/context")

FOLDER = os.path.dirname(os.path.abspath(__file__))
READ_S = 120


class FlowStorm(Suite):
    """Agents at work in one session, for the `with`."""

    def __init__(self, bin_folder, session="storm"):
        super().__init__(bin_folder, {})
        self.session = session
        self.agents = {}  # name: process
        self.killed = set()
        self.kills = collections.Counter()

    def client(self):
        """FlowService by way of the router."""
        channel = grpc.insecure_channel(self.socket("router"), [
            ("grpc.max_receive_message_length", 64 << 20), ("grpc.default_authority", "localhost"),
            ("grpc.initial_reconnect_backoff_ms", 20), ("grpc.max_reconnect_backoff_ms", 200)])
        return Caller(channel, flow, "FlowService")

    def context(self):
        return context.CallContext(session=self.session, agent="storm")

    def call(self, client, method, **fields):
        """One unary call about the session."""
        request = getattr(flow, method + "Request")(context=self.context(), **fields)
        return getattr(client, method)(request, timeout=READ_S, wait_for_ready=True)

    def told(self, name):
        return os.path.join(self.home, name + ".jsonl")

    def begin(self, **settings):
        """Starts the suite and opens the session with settings of its own."""
        subprocess.run([os.path.join(self.bin, "flowctl"), "up"], env=self.env, check=True,
                       stdout=subprocess.DEVNULL)
        self.call(self.client(), "OpenSession", by=flow.FlowMutation(actor="opener"), **settings)

    def _start(self, name, *command):
        self.agents[name] = subprocess.Popen(command, env=self.env, stderr=subprocess.PIPE)

    def start(self, name, mutations, seed):
        """An agent that does so many things by chance."""
        self._start(name, sys.executable, os.path.join(FOLDER, "flow_agent.py"),
                    os.path.join(self.bin, "flow-gateway"), self.session, name, str(mutations),
                    str(seed), self.told(name))

    def start_sdk(self, name, kind, *mode):
        """An agent on an official client; see sdk_agent.mjs."""
        self._start(name, "node", os.path.join(FOLDER, "sdk_agent.mjs"),
                    os.path.join(self.bin, "flow-gateway"), self.session, name, self.told(name), kind,
                    *mode)

    def kill_agent(self, name):
        """kill -9 of an agent, with its gateway left to find out."""
        self.agents[name].kill()
        self.agents[name].wait()
        self.killed.add(name)

    def wait(self, seconds):
        """Until all agents have done what they came for; an error of one is ours."""
        end = time.monotonic() + seconds
        for name, agent in self.agents.items():
            try:
                _, errors = agent.communicate(timeout=max(0.1, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                raise AssertionError(f"{name} is not done after {seconds} s; it was told:\n"
                                     f"{self.tail(name)}\nlog:\n{self.log()}") from None
            if agent.returncode != 0 and name not in self.killed:
                raise AssertionError(f"{name} ended with {agent.returncode}:\n{errors.decode()}")

    def tail(self, name):
        with open(self.told(name)) as file:
            return "".join(file.readlines()[-5:])

    def records(self):
        """All that the agents said, with what they were told."""
        for name in self.agents:
            with open(self.told(name)) as file:
                for line in file:
                    if line.endswith("\n"):  # the last one of an agent that was killed may be cut off
                        yield dict(json.loads(line), agent=name)

    def holding(self):
        """The agents that hold a task now."""
        status = self.call(self.client(), "Status")
        return {agent.agent for agent in status.agents if agent.held > 0}

    def killing(self, programs, every_s, times):
        """Kills one of the programs in turn, so many times, while the body of the `with` runs."""
        return Killing(self, programs, every_s, times)

    def read(self):
        """The log as the router serves it, folded by the checker."""
        log = FlowLog()
        request = flow.WatchRequest(context=self.context())
        stream = self.client().Watch(request, timeout=READ_S, wait_for_ready=True)
        for message in stream:
            if message.WhichOneof("part") == "caught_up_seq":
                stream.cancel()
                break
            log.fold(message.event.seq, message.event.event)
        return log

    def check(self):
        """Reads and proves; the faults of log and agents, and what was counted."""
        log = self.read()
        faults = log.end()
        counts = collections.Counter()
        granted = {(task, fence): actor for _, task, fence, actor in log.claims}
        ended = {(task, fence) for _, task, fence, _, _ in log.finishes}
        for record in self.records():
            counts[record["outcome"]] += 1
            counts[record["tool"], record["outcome"]] += 1
            text, outcome = record["text"], record["outcome"]
            times = log.texts.get(text, 0) if text else 0
            if text and times > 1:
                faults.append(f"{text} is in the log {times} times")
            if outcome == "done" and text and times != 1:
                faults.append(f"{text} was acknowledged and is in the log {times} times")
            if record["tool"] == "flow_done" and outcome == "done":
                key = (record["task"], record["fence"])
                if key not in ended:
                    faults.append(f"the end of task {key[0]} with fence {key[1]} was acknowledged and "
                                  "is not in the log")
                if granted.get(key) != record["agent"]:
                    faults.append(f"{record['agent']} was told that it ended task {key[0]} with fence "
                                  f"{key[1]}, which is {granted.get(key)}'s")
        counts["completed"] = sum(task.state == COMPLETED for task in log.tasks.values())
        counts["tasks"] = len(log.tasks)
        counts["events"] = log.seq
        return faults, counts, log


class Killing:
    """What is killed in a row is started later and later, so this has an end."""

    def __init__(self, storm, programs, every_s, times):
        self.storm = storm
        self.programs = programs
        self.every_s = every_s
        self.times = times
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        for turn in range(self.times):
            program = self.programs[turn % len(self.programs)]
            if self.over.wait(self.every_s):
                return
            while self.storm.kill_one(program) is None:
                if self.over.wait(0.05):
                    return
            self.storm.kills[program] += 1

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
