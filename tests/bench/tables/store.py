"""Appends of flow-store, and of a bare SQLite loop of the same durability, on the same disk."""

import json
import os
import shutil
import statistics
import subprocess
import tempfile

from measure import (
    Process, alternate, machine, program, ratio, scaled, spread, table, verdict)

# callers at once, appends of the store, of the bare loop
SHAPES = [(1, 4000, 4000), (64, 60000, 4000)]
# tasks that each session shows to queries where appends project
TASKS = {1: 100000, 64: 2000}
PROJECTING = "flow-store, projecting"
BYTES = (256, 4096)


def run(*arguments):
    done = subprocess.run([program("store_load"), *arguments], check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)


class Store(Process):
    """A flow-store with a file of its own."""

    def __init__(self, folder):
        self.address = "unix:" + os.path.join(folder, "s")
        super().__init__([program("flow-store"), "--listen", self.address, "--log_level", "warn",
                          "--database", os.path.join(folder, "store.db")])


def measure(way, callers, appends, size):
    """One run on a new file."""
    folder = tempfile.mkdtemp(prefix="flow-bench-", dir=os.environ.get("FB_BENCH_DISK", "/tmp"))
    try:
        if way == "bare loop":
            return run("--bare", os.path.join(folder, "bare.db"), "--appends", str(appends),
                       "--bytes", str(size))
        with Store(folder) as store:
            shape = ("--callers", str(callers), "--bytes", str(size), "--pid", str(store.pid))
            if way == PROJECTING:
                shape += ("--tasks", str(TASKS[callers]))
            run("--target", store.address, "--appends", str(max(callers, 200)), *shape)
            return run("--target", store.address, "--appends", str(appends), *shape)
    finally:
        shutil.rmtree(folder)


def main():
    rows = []
    gains = {}
    for size in BYTES:
        for callers, ours, theirs in SHAPES:
            counts = {"flow-store": scaled(ours), PROJECTING: scaled(ours),
                      "bare loop": scaled(theirs)}
            results = alternate(list(counts), lambda way: measure(way, callers, counts[way], size))
            store, showing, bare = ([run["appends_per_s"] for run in results[way]]
                                    for way in counts)
            for way, runs in results.items():
                rows.append([size, callers, way] + [
                    spread([run[key] for run in runs])
                    for key in ("appends_per_s", "p50_us", "p99_us")] + [
                    spread([run["cpu_us"] for run in runs]) if way in (
                        "flow-store", PROJECTING) else ""])
            rows.append([size, callers, "ratio", ratio(store, bare), "", "", ""])
            rows.append([size, callers, "ratio, projecting to not", ratio(showing, store), "", "",
                         ""])
            gains[(size, callers)] = statistics.median(a / b for a, b in zip(store, bare))
    table("Store: appends of one event (least / median / most)",
          ["bytes", "callers", "way", "appends/s", "p50 us", "p99 us", "cpu us/append"], rows,
          [machine(),
           "The bare loop is one caller in one thread: an INSERT into one table, a transaction and a "
           "sync for each, by the library and without a process between. The store checks owner, "
           "sequence and request id of each append, and answers by gRPC when it is on disk. Projecting, "
           "each append also shows to queries what a claim changes, the session's line and one of "
           f"{TASKS[1]:,} tasks (of {TASKS[64]:,} in each of 64 sessions)."])
    print()
    verdict(f"64 callers: at least 3 times the bare loop (median {gains[(256, 64)]:.1f})",
            gains[(256, 64)] >= 3)
    verdict(f"one caller: at least half of the bare loop (median {gains[(256, 1)]:.2f})",
            gains[(256, 1)] >= 0.5)


main()
