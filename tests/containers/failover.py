"""Calls go on while a worker container is killed and while a router container is restarted.

    failover.py GATEWAY COMPOSE TLS-FOLDER
"""

import json
import os
import subprocess
import sys
import threading
import time

CALLERS = 8
RECOVERY_S = 30


class Agent:
    """An MCP client with several calls in flight through one gateway."""

    def __init__(self, command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL)
        self.lock = threading.Lock()
        self.waiting = {}
        self.next_id = 1
        self.answered = 0
        self.failed = []
        self.wrong = []
        self.slowest_ms = 0.0
        self.stopping = False
        threading.Thread(target=self._read, daemon=True).start()
        self.ask("initialize", {"protocolVersion": "2025-11-25", "capabilities": {},
                                "clientInfo": {"name": "failover", "version": "1"}})
        self._say({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def _say(self, message):
        with self.lock:
            self.process.stdin.write(json.dumps(message).encode() + b"\n")
            self.process.stdin.flush()

    def _read(self):
        for line in self.process.stdout:
            message = json.loads(line)
            slot = self.waiting.pop(message.get("id"), None)
            if slot is not None:
                slot["answer"] = message
                slot["came"].set()

    def ask(self, method, params):
        slot = {"came": threading.Event()}
        with self.lock:
            number = self.next_id
            self.next_id += 1
            self.waiting[number] = slot
        self._say({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        if not slot["came"].wait(60):
            sys.exit(f"no answer to {method} for a minute")
        return slot["answer"]

    def call(self, text):
        from_s = time.monotonic()
        answer = self.ask("tools/call", {"name": "everything__echo", "arguments": {"message": text}})
        self.slowest_ms = max(self.slowest_ms, (time.monotonic() - from_s) * 1000)
        if "error" in answer or answer["result"].get("isError"):
            self.failed.append(json.dumps(answer))
        elif answer["result"]["content"][0]["text"] == f"Echo: {text}":
            self.answered += 1
        else:
            self.wrong.append((text, answer))

    def keep_calling(self, name):
        number = 0
        while not self.stopping:
            self.call(f"{name}-{number}")
            number += 1


def more_calls(agent, count):
    """Waits until so many further calls have succeeded; the time it took."""
    wanted = agent.answered + count
    from_s = time.monotonic()
    while agent.answered < wanted:
        if time.monotonic() - from_s > RECOVERY_S:
            sys.exit(f"only {agent.answered} of {wanted} calls after {RECOVERY_S} s; "
                     f"last failure: {agent.failed[-1:]}")
        time.sleep(0.01)
    return time.monotonic() - from_s


def docker(*words):
    return subprocess.run(["docker", *words], check=True, stdout=subprocess.PIPE,
                          text=True).stdout.split()


def container_with_instance():
    """The worker container in which the server runs now."""
    names = docker("ps", "--filter", "label=com.docker.compose.project=flow-balancer", "--filter",
                   "label=com.docker.compose.service=worker", "--format", "{{.Names}}")
    for name in names:
        if "mcp-server" in " ".join(docker("top", name)):
            return name
    sys.exit("the server runs in no worker container")


def main():
    gateway, compose, tls = sys.argv[1:]
    agent = Agent([gateway, "--router", "127.0.0.1:7070,127.0.0.1:7071",
                   "--tls-ca", os.path.join(tls, "ca.pem"),
                   "--tls-cert", os.path.join(tls, "gateway.pem"),
                   "--tls-key", os.path.join(tls, "gateway.key"),
                   "--tls-server-name", "flow-balancer"])
    callers = [threading.Thread(target=agent.keep_calling, args=(f"caller {i}",), daemon=True)
               for i in range(CALLERS)]
    for caller in callers:
        caller.start()
    print(f"the first 500 calls took {more_calls(agent, 500):.1f} s")
    steps = []

    def step(what, act):
        answered, failed = agent.answered, len(agent.failed)
        agent.slowest_ms = 0.0
        act()
        more_calls(agent, 1000)
        steps.append((what, agent.answered - answered, len(agent.failed) - failed,
                      agent.slowest_ms))
        print(f"{what}: {steps[-1][1]} calls answered, {steps[-1][2]} failed, "
              f"slowest {steps[-1][3]:.0f} ms", flush=True)

    for i in range(3):
        worker = container_with_instance()
        step(f"kill of {worker}, which runs the server", lambda: docker("kill", worker))
        docker("start", worker)
        for name in ("router-1", "router-2"):
            step(f"restart of {name}", lambda: subprocess.run(
                [compose, "restart", name], check=True, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL))
    agent.stopping = True
    for caller in callers:
        caller.join(60)
    agent.process.stdin.close()
    agent.process.wait(15)
    print(f"in all: {agent.answered} calls answered, {len(agent.failed)} failed, "
          f"{len(agent.wrong)} mixed up")
    for text in agent.failed[:5]:
        print(f"  {text[:300]}")
    # What ran in a container that is killed may have run: at most the callers' calls of that moment.
    killed = [failed for what, _, failed, _ in steps if what.startswith("kill")]
    restarted = [failed for what, _, failed, _ in steps if what.startswith("restart")]
    if agent.wrong or max(killed) > CALLERS or max(restarted) > CALLERS:
        sys.exit("DOES NOT HOLD: more failed than was running on what was killed")
    print("holds: calls go on while workers are killed and routers are restarted")


main()
