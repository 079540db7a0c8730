"""Many agents change one session at once: nothing is lost, and every fence has one owner."""

import os
import unittest

from flow_storm import FlowStorm

AGENTS = 64
MUTATIONS = 1000
KILLS = 10
SECONDS = 280


class Many(unittest.TestCase):
    def storm(self, kills=()):
        with FlowStorm(os.environ["FB_BIN"]) as storm:
            for i in range(AGENTS):
                storm.start(f"agent-{i}", MUTATIONS, i)
            if kills:
                with storm.killing(kills, 1.0, KILLS):
                    storm.wait(SECONDS)
                self.assertEqual(KILLS, sum(storm.kills.values()), storm.kills)
            else:
                storm.wait(SECONDS)
            faults, counts, _ = storm.check()
            left = storm.stop()
        print(dict(counts), dict(storm.kills))
        self.assertEqual([], faults[:10], counts)
        self.assertGreaterEqual(counts["done"], AGENTS * MUTATIONS)
        self.assertEqual([], left)

    def test_64_agents_with_1000_mutations_each_lose_none_and_share_no_fence(self):
        self.storm()

    def test_64_agents_with_1000_mutations_each_lose_none_while_worker_and_store_are_killed(self):
        self.storm(["flow-worker", "flow-store"])


if __name__ == "__main__":
    unittest.main()
