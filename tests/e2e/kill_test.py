"""The suite survives kill -9 of each of its programs: 20 rounds under load."""

import os
import shutil
import unittest

from storm import Storm

ROUNDS = 20


class Kill(unittest.TestCase):
    def test_a_suite_whose_programs_are_killed_in_turn_recovers_and_loses_nothing(self):
        server = {"command": shutil.which("mcp-server-everything"), "args": ["stdio"],
                  "env": {"PATH": os.environ["PATH"]}}
        with Storm(os.environ["FB_BIN"], server) as storm:
            for i in range(ROUNDS):
                storm.kill(Storm.programs[i % len(Storm.programs)])
            stock = storm.finish()
        self.assertEqual(stock["events lost"], 0, stock)
        self.assertEqual(stock["events out of place"], 0, stock)
        self.assertEqual(stock["answers mixed up"], 0, stock)
        self.assertEqual(stock["processes left"], [], stock)
        self.assertEqual(sum(storm.kills.values()), ROUNDS)


if __name__ == "__main__":
    unittest.main()
