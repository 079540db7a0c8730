#!/usr/bin/env python3
"""Generates the logs of some made-up projects, for flow_replay.

    flow_logs.py [--seed N] [--projects N] [--days N] [--once]

One JSON object a line, in the order of time; the same arguments give the same log. With --once all is planned in the
first two hours, and what agents find on the way is all that is added. A project is people who plan
in waves, one of three shapes (chains of four phases, layers that wait for each other, loose tasks as agents note
them), and one to six agents that people start during the working day, now and then over night. An agent works in
runs, and now and then begins by splitting a task; it may stall, or crash and leave its task to expire.

What an agent takes next comes from things that no forecast is told of: every task has a place in an unseen plane of
topics, and an agent prefers what is near to what it has just done, what it still has in its context, what stands
at the top of a list, and what is urgent, each agent to its own degree, with chance on top. How long a task takes is
log-normal about what its weight says.
"""

import argparse
import heapq
import json
import math
import random

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
MONDAY = 1_767_571_200_000  # the midnight before a Monday
SHARES = (15, 45, 25, 15)
SHAPES = ("chains", "layers", "loose")
CONTEXT = 40  # things that an agent has in mind


def median_minutes(weight):
    return 10 * math.expm1(weight / 2.2) / math.expm1(5 / 2.2)


class Task:
    def __init__(self, number, topic, weight, priority, parent):
        self.number = number
        self.topic = topic
        self.weight = weight
        self.priority = priority
        self.parent = parent
        self.waits_for = set()
        self.frees = []
        self.state = "open"
        self.split = False


class Agent:
    def __init__(self, name, chance):
        self.name = name
        self.topic = (chance.gauss(0, 1), chance.gauss(0, 1))
        self.context = []
        self.claims = chance.random() < 0.6
        self.focus = chance.lognormvariate(1.3, 0.4)   # how much it stays with a topic
        self.order = chance.lognormvariate(0.3, 0.5)   # how much it goes down a list from the top
        self.memory = chance.lognormvariate(0.4, 0.5)  # how much it keeps to what it has in mind
        self.duty = chance.lognormvariate(-0.6, 0.5)   # how much it minds what is urgent
        self.speed = chance.lognormvariate(0, 0.3)

    def reads(self, task):
        self.context = [task] + [other for other in self.context if other is not task][:CONTEXT - 1]


class Project:
    def __init__(self, name, shape, days, once, chance):
        self.name = name
        self.shape = shape
        self.once = once
        self.chance = chance
        self.log = []
        self.tasks = []
        self.queue = []
        self.turn = 0
        self.weekends = chance.random() < 0.4
        self.begin = MONDAY + chance.randrange(5) * DAY
        self.end = self.begin + days * DAY
        self.agents = [Agent(f"agent-{i + 1}", chance) for i in range(chance.randint(1, 6))]

    # -- time --

    def at(self, t_ms, what, *args):
        self.turn += 1
        heapq.heappush(self.queue, (int(t_ms), self.turn, what, args))

    def say(self, t_ms, kind, task=None, **more):
        event = {"t_ms": int(t_ms), "session": self.name, "kind": kind}
        if task is not None:
            event["task"] = task.number
        event.update(more)
        self.log.append(event)

    def working(self, t_ms):
        """Whether people are there: from about nine to six, less on a week's end."""
        day, hour = (t_ms // DAY + 4) % 7, t_ms % DAY / HOUR
        if day >= 5:
            return self.weekends and 10 < hour < 16
        return 9 <= hour < 18.5 and not 12.5 <= hour < 13.25

    def next_work(self, t_ms):
        while not self.working(t_ms):
            t_ms += 10 * MINUTE
        return t_ms + self.chance.expovariate(1 / (15 * MINUTE))

    # -- planning --

    def task(self, t_ms, topic, priority, parent, agent=None):
        weight = min(10, max(1, round(self.chance.gauss(4.5, 2))))
        task = Task(len(self.tasks) + 1, (self.chance.gauss(topic[0], 0.4), self.chance.gauss(topic[1], 0.4)),
                    weight, min(4, max(0, priority)), parent)
        self.tasks.append(task)
        self.say(t_ms, "created", task, weight=weight, priority=task.priority, agent=agent or "planner")
        if parent is not None:
            self.say(t_ms, "linked", task, link="parent", on=parent.number)
            parent.waits_for.add(task)
            task.frees.append(parent)
        return task

    def after(self, t_ms, task, on):
        if on.state == "open" and on not in task.waits_for and on is not task:
            self.say(t_ms, "linked", task, link="after", on=on.number)
            task.waits_for.add(on)
            on.frees.append(task)

    def plan(self, t_ms):
        """Some epics, each with its tasks in the project's shape, noted at once or one after the other."""
        for _ in range(self.chance.randint(1, 3)):
            topic = (self.chance.gauss(0, 1.5), self.chance.gauss(0, 1.5))
            priority = self.chance.choice((0, 1, 1, 2, 2, 2, 3))
            pause = self.chance.choice((0, 0, 2000, 20_000))
            epic = None
            if self.chance.random() < 0.7:
                epic = self.task(t_ms, topic, priority, None)
            made = []
            if self.shape == "chains":
                for _ in range(self.chance.randint(1, 4)):
                    last = None
                    for _ in SHARES:
                        t_ms += pause
                        task = self.task(t_ms, topic, priority, epic)
                        if last is not None:
                            self.after(t_ms, task, last)
                        last = task
            elif self.shape == "layers":
                before = []
                for _ in range(self.chance.randint(2, 5)):
                    layer = []
                    for _ in range(self.chance.randint(2, 6)):
                        t_ms += pause
                        layer.append(self.task(t_ms, topic, priority + self.chance.choice((-1, 0, 0, 1)), epic))
                    for task in layer:
                        for on in self.chance.sample(before, min(len(before), self.chance.randint(1, 3))):
                            self.after(t_ms, task, on)
                    before = layer
            else:
                for _ in range(self.chance.randint(3, 15)):
                    t_ms += pause
                    task = self.task(t_ms, topic, priority + self.chance.choice((-1, 0, 0, 1)), epic)
                    if made and self.chance.random() < 0.3:
                        self.after(t_ms, task, self.chance.choice(made[-5:]))
                    made.append(task)
        if self.once:
            if t_ms < self.begin + 11 * HOUR and self.chance.random() < 0.6:
                self.at(t_ms + self.chance.expovariate(1 / (30 * MINUTE)), self.plan)
        elif t_ms < self.end - 2 * DAY:
            self.at(self.next_work(t_ms + self.chance.expovariate(1 / (9 * HOUR))), self.plan)

    # -- working --

    def ready(self):
        return [task for task in self.tasks if task.state == "open" and not task.waits_for]

    def run(self, t_ms, agent):
        """People start an agent: it works until the run is over or nothing is left, then they start it again."""
        agent.until = t_ms + self.chance.lognormvariate(math.log(70), 0.9) * MINUTE
        agent.context = agent.context[:5]
        for task in self.tasks[-10:]:
            agent.reads(task)
        if self.chance.random() < 0.3:
            self.say(t_ms, "seen", agent=agent.name)
        self.take(t_ms, agent)

    def rest(self, t_ms, agent):
        if t_ms >= self.end and not self.ready():
            return
        pause = self.chance.lognormvariate(math.log(25), 1.1) * MINUTE
        if self.chance.random() < 0.06:
            self.at(t_ms + pause, self.run, agent)  # somebody lets it go on, even at night
        else:
            self.at(self.next_work(t_ms + pause), self.run, agent)

    def take(self, t_ms, agent):
        ready = self.ready()
        if not ready or t_ms > agent.until:
            self.rest(t_ms, agent)
            return

        first = {}
        for task in ready:
            first.setdefault(task.parent, task)

        def drawn(task):
            near = math.hypot(task.topic[0] - agent.topic[0], task.topic[1] - agent.topic[1])
            known = task in agent.context
            noise = -math.log(-math.log(self.chance.random()))
            top = task.parent is not None and first[task.parent] is task
            return (-agent.focus * near + agent.memory * known + agent.order * top
                    + agent.duty * (2 - task.priority) + noise)

        task = max(ready, key=drawn)
        if task.parent is None and task.weight >= 4 and not task.split and self.chance.random() < 0.4:
            self.split(t_ms, agent, task)
            return
        task.state = "active"
        agent.topic = task.topic
        agent.reads(task)
        for other in task.frees:
            agent.reads(other)
        minutes = median_minutes(task.weight) * agent.speed * self.chance.lognormvariate(0, 0.8)
        fate = self.chance.random()
        if agent.claims or self.chance.random() < 0.2:
            self.say(t_ms, "started", task, agent=agent.name)
        if fate < 0.03:
            self.at(t_ms + 3 * HOUR, self.expire, agent, task)
            return
        if fate < 0.07:
            minutes *= self.chance.uniform(4, 15)  # it stalls
        self.work(t_ms, agent, task, minutes * MINUTE)

    def split(self, t_ms, agent, task):
        """The agent makes a list of what the task takes, and goes on with that."""
        task.split = True
        agent.topic = task.topic
        for _ in range(self.chance.randint(2, 6)):
            part = self.task(t_ms, task.topic, task.priority, task, agent.name)
            part.weight = max(1, part.weight - 2)
            agent.reads(part)
            t_ms += self.chance.choice((0, 3000))
        self.at(t_ms + self.chance.expovariate(1 / MINUTE), self.take, agent)

    def work(self, t_ms, agent, task, left_ms):
        step = self.chance.expovariate(1 / (12 * MINUTE))
        if step < left_ms:
            self.at(t_ms + step, self.note, agent, task, left_ms - step)
        else:
            self.at(t_ms + left_ms, self.finish, agent, task)

    def note(self, t_ms, agent, task, left_ms):
        if agent.claims:
            self.say(t_ms, "noted", task, agent=agent.name)
        if self.chance.random() < 0.1:
            for _ in range(self.chance.randint(1, 3)):
                found = self.task(t_ms, task.topic, task.priority + self.chance.choice((-1, 0, 1)), None, agent.name)
                self.say(t_ms, "linked", found, link="from", on=task.number)
                agent.reads(found)
        self.work(t_ms, agent, task, left_ms)

    def expire(self, t_ms, agent, task):
        """It had crashed: the task is to be had again, the agent waits for people."""
        task.state = "open"
        self.say(t_ms, "handed_back", task)
        self.rest(t_ms, agent)

    def finish(self, t_ms, agent, task):
        if self.chance.random() < 0.03:
            task.state = "open"
            self.say(t_ms, "failed", task, agent=agent.name)
            self.say(t_ms, "reopened", task, agent=agent.name)
        else:
            self.complete(t_ms, task, agent.name)
        self.at(t_ms + self.chance.expovariate(1 / MINUTE), self.take, agent)

    def complete(self, t_ms, task, agent):
        task.state = "done"
        self.say(t_ms, "completed", task, agent=agent)
        for other in task.frees:
            other.waits_for.discard(task)
        # An epic whose parts are done is mostly closed with the last of them.
        if task.parent is not None and not task.parent.waits_for and self.chance.random() < 0.8:
            self.complete(t_ms + 1000, task.parent, agent)

    def play(self):
        self.at(self.next_work(self.begin), self.plan)
        for agent in self.agents:
            self.at(self.next_work(self.begin + self.chance.expovariate(1 / HOUR)), self.run, agent)
        while self.queue and self.queue[0][0] < self.end + 10 * DAY:
            t_ms, _, what, args = heapq.heappop(self.queue)
            what(t_ms, *args)
        self.log.sort(key=lambda event: event["t_ms"])
        return self.log


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--projects", type=int, default=12)
    options.add_argument("--days", type=int, default=21)
    options.add_argument("--once", action="store_true")
    given = options.parse_args()
    log = []
    for i in range(given.projects):
        shape = SHAPES[i % len(SHAPES)]
        log += Project(f"{shape}-{i + 1}", shape, given.days, given.once, random.Random(given.seed * 1000 + i)).play()
    log.sort(key=lambda event: event["t_ms"])
    for event in log:
        print(json.dumps(event))


main()
