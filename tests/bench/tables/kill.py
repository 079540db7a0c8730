"""Rounds of kill -9 under load: how soon the suite goes on, what is lost, what is left."""

import os
import shutil
import sys

from measure import BIN, machine, scaled, spread, table, verdict
from storm import Storm

ROUNDS = 200


def main():
    rounds = scaled(ROUNDS, least=12)
    server = {"command": shutil.which("mcp-server-everything"), "args": ["stdio"],
              "env": {"PATH": os.environ["PATH"]}}
    with Storm(BIN, server) as storm:
        for i in range(rounds):
            storm.kill(Storm.programs[i % len(Storm.programs)])
            print(f"\r{i + 1} of {rounds} kills", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
        stock = storm.finish()
    rows = [[name, storm.kills[name], spread(storm.recoveries_ms[name])] for name in Storm.programs]
    table("kill -9 under load: one agent, one writer", ["program", "kills",
                                                        "calls and appends go on after ms"], rows,
          [machine()])
    for name, value in stock.items():
        print(f"{name}: {value}")
    print()
    verdict("no acknowledged event is lost", stock["events lost"] == 0)
    verdict("no process is left", stock["processes left"] == [])


main()
