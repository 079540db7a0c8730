"""Claim, pulse and finish of a task until they are on disk, in a session of 100,000 tasks."""

import json
import os
import shutil
import statistics
import subprocess
import tempfile

from measure import ROUNDS, Process, machine, program, scaled, spread, table, verdict

TASKS = 100000
SMALL = 10000
# callers at once, tasks that are done by them all
SHAPES = [(1, 2000), (64, 20000)]
STEPS = ("claim", "pulse", "finish")
LIMIT_US = 2000
LOAD_LIMIT_MS = 50


def run(*arguments):
    done = subprocess.run([program("flow_durable"), *arguments], check=True,
                          stdout=subprocess.PIPE)
    return json.loads(done.stdout)


class Store(Process):
    """A flow-store with a file of its own."""

    def __init__(self, folder):
        self.address = "unix:" + os.path.join(folder, "s")
        super().__init__([program("flow-store"), "--listen", self.address, "--log_level", "warn",
                          "--database", os.path.join(folder, "store.db")])


def measure(folder):
    """All of it once: the disk's own sync before and after the steps of each shape."""
    figures = {"sync": [], "load_ms": []}
    sync = ("--sync", os.path.join(folder, "sync"), "--rounds", str(scaled(2000)))
    with Store(folder) as store:
        for callers, rounds in SHAPES:
            figures["sync"].append(run(*sync)["sync"])
            figures[callers] = run(
                "--target", store.address, "--session", f"s{callers}", "--tasks", str(TASKS),
                "--callers", str(callers), "--rounds", str(scaled(rounds)))
            figures["sync"].append(run(*sync)["sync"])
        run("--target", store.address, "--session", "small", "--tasks", str(SMALL),
            "--rounds", "100")
        for _ in range(3):
            figures["load_ms"].append(
                run("--load", store.address, "--session", "small")["load_ms"])
    return figures


def main():
    runs = []
    for _ in range(ROUNDS):
        folder = tempfile.mkdtemp(prefix="flow-bench-", dir=os.environ.get("FB_BENCH_DISK", "/tmp"))
        try:
            runs.append(measure(folder))
        finally:
            shutil.rmtree(folder)
    rows = []
    worst = {}
    for callers, _ in SHAPES:
        for step in STEPS:
            rows.append([callers, step] + [
                spread([figures[callers][step][key] for figures in runs])
                for key in ("p50_us", "p99_us")] + [""])
            worst[callers] = max(worst.get(callers, 0), statistics.median(
                figures[callers][step]["p99_us"] for figures in runs))
        rows.append([callers, "all", "", "",
                     spread([figures[callers]["calls_per_s"] for figures in runs])])
    rows.append(["", "fdatasync of 4 KiB"] + [
        spread([sync[key] for figures in runs for sync in figures["sync"]])
        for key in ("p50_us", "p99_us")] + [""])
    table(f"Durable: one session of {TASKS:,} tasks (least / median / most)",
          ["callers", "step", "p50 us", "p99 us", "calls/s"], rows,
          [machine(),
           "From the call to the keeper of a worker until its answer, which is given when flow-store has "
           "it on disk. All callers share one session; each claims, notes and finishes one task after "
           "the other. The sync of the disk itself is taken around each run."])
    loads = [load for figures in runs for load in figures["load_ms"]]
    print()
    for callers, _ in SHAPES:
        verdict(f"{callers} callers: p99 of each step at most {LIMIT_US / 1000:g} ms "
                f"(median {worst[callers] / 1000:.2f} ms)", worst[callers] <= LIMIT_US)
    verdict(f"a session of {SMALL:,} tasks is there within {LOAD_LIMIT_MS} ms "
            f"(median {statistics.median(loads):.1f} ms)",
            statistics.median(loads) <= LOAD_LIMIT_MS)


main()
