"""An agent that works in a session through a gateway of its own, and remembers what it was told.

    flow_agent.py GATEWAY SESSION AGENT MUTATIONS SEED OUT

Opens the session, then plans, claims, tells, edits and finishes by chance until MUTATIONS have been
acknowledged. Every text it says is its own and said once, so that the log shows what became of it. Writes
to OUT one line of JSON for each call: what was said, and whether it was acknowledged, refused or left open.
"""

import json
import random
import subprocess
import sys
import time

ANSWER_S = 120


class Gateway:
    """A gateway, spoken to line by line; started anew when it is gone."""

    def __init__(self, command):
        self.command = command
        self.process = None
        self.id = 0

    def start(self):
        self.process = subprocess.Popen([self.command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL)
        self._ask("initialize", {"protocolVersion": "2025-11-25", "capabilities": {},
                                 "clientInfo": {"name": "agent", "version": "1"}})
        self._say({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def _say(self, message):
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()

    def _ask(self, method, params):
        self.id += 1
        self._say({"jsonrpc": "2.0", "id": self.id, "method": method, "params": params})
        while True:
            line = self.process.stdout.readline()
            if not line:
                raise OSError("the gateway is gone")
            answer = json.loads(line)
            if answer.get("id") == self.id:
                return answer

    def call(self, tool, arguments):
        """("done", structured), ("refused", kind and text) or ("open", text)."""
        try:
            if self.process is None or self.process.poll() is not None:
                self.start()
            answer = self._ask("tools/call", {"name": tool, "arguments": arguments})
        except OSError as error:
            if self.process is not None:
                self.process.kill()
                self.process.wait()
                self.process = None
            return "open", str(error)
        if "error" in answer:
            return "open", json.dumps(answer["error"])
        result = answer["result"]
        if not result.get("isError"):
            return "done", result["structuredContent"]
        text = result["content"][0]["text"]
        kind = text.split(":", 1)[0]
        return ("refused" if kind in REFUSALS else "open"), text


REFUSALS = {"conflict", "cycle", "not_ready", "wip_limit", "needs_caps", "stale_rev", "duplicate_key",
            "no_such", "budget", "invalid"}


class Agent:
    def __init__(self, gateway, session, name, seed, out):
        self.gateway = Gateway(gateway)
        self.session = session
        self.name = name
        self.chance = random.Random(seed)
        self.out = out
        self.said = 0
        self.acknowledged = 0
        self.handle = None
        self.held = []      # (task, fence)
        self.planned = []   # keys

    def tell(self, tool, text, arguments, task=None, fence=None):
        """One call; what it answered, or None when that was a refusal or nothing."""
        began = time.monotonic()
        if task is not None:
            arguments.update(task=f"#{task}", fence=fence)
        outcome, answer = self.gateway.call(tool, arguments)
        record = {"tool": tool, "text": text, "outcome": outcome, "task": task, "fence": fence,
                  "ms": (time.monotonic() - began) * 1e3}
        if outcome != "done":
            record["why"] = answer[:500]
        self.out.write(json.dumps(record) + "\n")
        if outcome == "done" and tool != "flow_open":
            self.acknowledged += 1
        if outcome == "open":
            self.handle = None
            time.sleep(0.01)
        return answer if outcome == "done" else None

    def text(self, what):
        self.said += 1
        return f"{what}-{self.name}-{self.said}"

    def take(self, claim):
        if claim and claim.get("task"):
            self.held.append((claim["task"], claim["fence"]))

    def open(self):
        answer = self.tell("flow_open", "", {"name": self.session, "agent": self.name})
        if answer is not None:
            self.handle = answer["session"]
            self.held = [(claim["task"], claim["fence"]) for claim in answer.get("held", [])]

    def plan(self):
        key = self.text("key")
        if self.tell("flow_plan", key, {"session": self.handle, "tasks": [
                {"title": f"work of {self.name} number {self.said}", "key": key, "weight": 1}]}):
            self.planned.append(key)

    def edit(self):
        body = self.text("body")
        self.tell("flow_edit", body, {"session": self.handle, "task": self.chance.choice(self.planned),
                                      "set": {"body": body}})

    def next(self):
        answer = self.tell("flow_next", "", {"session": self.handle})
        for claim in (answer or {}).get("tasks", []):
            self.take(claim)

    def pulse(self):
        task, fence = self.held[0]
        note = self.text("note")
        if self.tell("flow_pulse", note, {"session": self.handle, "note": note,
                                          "pct": self.chance.randrange(100)}, task, fence) is None:
            self.handle = None  # look what is still ours

    def done(self, next):
        task, fence = self.held.pop(0)
        summary = self.text("summary")
        answer = self.tell("flow_done", summary, {"session": self.handle, "summary": summary,
                                                  "next": next}, task, fence)
        if answer is None:
            self.handle = None
        elif next:
            self.take(answer.get("next"))

    def by_chance(self):
        if self.chance.random() < 0.05 and self.planned:
            self.edit()
        elif self.held:
            if self.chance.random() < 0.5:
                self.pulse()
            else:
                self.done(self.chance.random() < 0.7)
        elif self.chance.random() < 0.6:
            self.plan()
        else:
            self.next()

    def work(self, mutations):
        while self.acknowledged < mutations:
            if self.handle is None:
                self.open()
            else:
                self.by_chance()


def main():
    gateway, session, name, mutations, seed, out = sys.argv[1:7]
    with open(out, "a", buffering=1) as file:
        Agent(gateway, session, name, int(seed), file).work(int(mutations))


if __name__ == "__main__":
    main()
