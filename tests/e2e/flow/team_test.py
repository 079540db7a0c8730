"""Four agents on official clients work a planned graph to its end, each through a gateway of its own."""

import json
import os
import time
import unittest

from flow_log import COMPLETED
from flow_storm import FlowStorm

AGENTS = 4
SECONDS = 120
KINDS = ["v1", "v2", "v2-legacy", "v2"]
CHAIN = 4
LEAVES = 20


def graph():
    """A diamond, a chain below it, and leaves that wait for one or the other."""
    tasks = [{"title": "lay the ground", "key": "root"},
             {"title": "the left side", "key": "left", "after": ["root"]},
             {"title": "the right side", "key": "right", "after": ["root"], "priority": 0},
             {"title": "put both together", "key": "join", "after": ["left", "right"]},
             {"title": "the feature", "key": "feature", "after": ["join"], "chain": True, "weight": 8}]
    tasks += [{"title": f"leaf number {i}", "key": f"leaf-{i}", "weight": 1 + i % 3,
               "after": ["feature" if i % 2 else "join"]} for i in range(LEAVES)]
    return tasks


TASKS = len(graph()) + CHAIN


class Team(unittest.TestCase):
    def plan(self, storm, kind):
        path = os.path.join(storm.home, "plan.json")
        with open(path, "w") as file:
            json.dump(graph(), file)
        storm.start_sdk("planner", kind, "plan", path)
        storm.wait(SECONDS)

    def check(self, storm):
        faults, counts, log = storm.check()
        self.assertEqual([], faults[:10])
        self.assertEqual(TASKS, counts["tasks"])
        self.assertEqual({COMPLETED}, {task.state for task in log.tasks.values()})
        self.assertEqual({1}, {task.completions for task in log.tasks.values()})
        return counts, log

    def team(self, kind):
        with FlowStorm(os.environ["FB_BIN"], "team") as storm:
            storm.begin(load_most=100)
            self.plan(storm, kind)
            for i in range(AGENTS):
                storm.start_sdk(f"agent-{i}", KINDS[i] if kind == "v1" else kind, "work", "5")
            storm.wait(SECONDS)
            self.check(storm)
            # One flow_done for each task but the parent of the chain, which completes by itself; all
            # other calls are to begin, or to wait.
            done = [record for record in storm.records() if record["tool"] == "flow_done"]
            self.assertEqual(TASKS - 1, len(done))
            self.assertEqual({"done"}, {record["outcome"] for record in done})
            self.assertEqual({"flow_open", "flow_plan", "flow_next", "flow_done"},
                             {record["tool"] for record in storm.records()})
            began = [record for record in storm.records() if record["tool"] == "flow_open"]
            self.assertEqual(AGENTS + 1, len(began))
            self.assertEqual([], storm.stop())

    def test_a_plan_of_sdk_v1_is_worked_off_by_four_agents_with_one_call_for_each_task(self):
        self.team("v1")

    def test_a_plan_of_sdk_v2_is_worked_off_by_four_agents_with_one_call_for_each_task(self):
        self.team("v2")

    def test_what_killed_agents_held_expires_and_others_finish_the_work(self):
        with FlowStorm(os.environ["FB_BIN"], "team") as storm:
            storm.begin(load_most=100, lease_ms=1000)
            self.plan(storm, "v1")
            for generation in range(3):
                names = [f"agent-{generation}-{i}" for i in range(AGENTS)]
                for name, kind in zip(names, KINDS):
                    storm.start_sdk(name, kind, "work", "300")
                if generation < 2:
                    # Three of them are in the midst of a task when they are killed.
                    self.until(storm, lambda: storm.holding().issuperset(names[:3]))
                    for name in names[:3]:
                        storm.kill_agent(name)
            storm.wait(SECONDS)
            _, log = self.check(storm)
            self.assertGreaterEqual(log.expiries, 3)
            self.assertEqual([], storm.stop())

    def until(self, storm, holds):
        end = time.monotonic() + SECONDS
        while not holds():
            self.assertLess(time.monotonic(), end, storm.log())
            time.sleep(0.02)


if __name__ == "__main__":
    unittest.main()
