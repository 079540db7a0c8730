"""Logs of sessions, generated or given, replayed through the worker's own session."""

import functools
import json
import os
import subprocess
import sys
import tempfile

from measure import LOAD, program

GIVEN = os.environ.get("FB_BENCH_LOGS", "").split()
SEEDS = (1, 2, 3) if LOAD >= 1 else (1,)
PROJECTS = 12
ONCE = ("--once", "--projects", "40")

NOTES = (["The logs are those in FB_BENCH_LOGS: " + ", ".join(os.path.basename(name) for name in GIVEN) + "."] if GIVEN
         else [f"The logs are made up: {PROJECTS} projects of three weeks for each of the seeds "
               f"{', '.join(map(str, SEEDS))}. Agents in them choose by topics, memory, lists and urgency that no "
               "forecast is told of, with so much chance that they are no easier to foresee than public trackers of "
               "agents' work; figures of real work will differ."])


def logs(folder, once):
    if GIVEN:
        return GIVEN
    found = []
    for seed in SEEDS:
        name = os.path.join(folder, f"seed-{seed}.jsonl")
        with open(name, "w") as file:
            subprocess.run([sys.executable, "tests/bench/flow_logs.py", "--seed", str(seed),
                            *(ONCE if once else ("--projects", str(PROJECTS)))], check=True, stdout=file)
        found.append(name)
    return found


@functools.lru_cache(maxsize=None)
def replayed(*options, once=False):
    """What flow_replay says of the logs; `once`: of projects that are planned at their begin. Sessions of different logs are told apart by the log."""
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        for name in logs(folder, once):
            done = subprocess.run([program("flow_replay"), *options, name], check=True, stdout=subprocess.PIPE,
                                  text=True)
            for line in done.stdout.splitlines():
                one = json.loads(line)
                if not GIVEN:
                    one["session"] += " of " + os.path.basename(name).removesuffix(".jsonl")
                lines.append(one)
    for one in of(lines, "log"):
        if one["fault"]:
            sys.exit(f"{one['session']}: {one['fault']}")
    return lines


def of(lines, kind):
    return [one for one in lines if one["of"] == kind]
