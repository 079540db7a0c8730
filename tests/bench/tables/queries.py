"""Tasks and sessions asked of flow-store, of JSON files and of SQLite as it comes."""

import json
import os
import shutil
import statistics
import subprocess
import tempfile

from measure import ROUNDS, Process, machine, program, spread, table, verdict

TASKS = (100, 1000, 10000, 100000)


def measure(tasks):
    """One run on new files: what query_load prints."""
    folder = tempfile.mkdtemp(prefix="flow-bench-", dir=os.environ.get("FB_BENCH_DISK", "/tmp"))
    address = "unix:" + os.path.join(folder, "s")
    files = os.path.join(folder, "files")
    os.mkdir(files)
    try:
        with Process([program("flow-store"), "--listen", address, "--log_level", "warn",
                      "--database", os.path.join(folder, "store.db")]):
            done = subprocess.run(
                [program("query_load"), "--store", address, "--files", files, "--plain",
                 os.path.join(folder, "plain.db"), "--tasks", str(tasks)],
                check=True, stdout=subprocess.PIPE)
        return [json.loads(line) for line in done.stdout.splitlines()]
    finally:
        shutil.rmtree(folder)


def main():
    rows = []
    medians = {}
    for tasks in TASKS:
        runs = [measure(tasks) for _ in range(ROUNDS)]
        for same in zip(*runs):
            times = {way: [each[way + "_us"] for each in same] for way in ("store", "files", "plain")}
            for way, values in times.items():
                medians[tasks, same[0]["query"], way] = statistics.median(values)
            store = medians[tasks, same[0]["query"], "store"]
            rows.append([tasks, same[0]["query"], same[0]["store"]] +
                        [spread(values) for values in times.values()] +
                        [f"{statistics.median(times[way]) / store:,.1f}"
                         for way in ("files", "plain")])
    table("Queries: us to the first page of 20 (least / median / most of the runs' medians)",
          ["tasks", "query", "answers", "flow-store, by gRPC", "JSON files", "SQLite as it comes",
           "files / store", "SQLite / store"], rows,
          [machine(),
           "One caller. The store answers from another process, on disk with all its checks, best "
           "match first with a snippet where words are sought (of more than 20,000 matches the latest). The JSON files, one for each session of "
           "100 tasks, are read in C by jansson and scanned in order; SQLite is in the caller's own "
           "process, one table without an index, words by LIKE. Both find words as parts of others "
           "too. All files are in the page cache."])
    print()
    # Within its own process the caller has read a hundred rows before any call has come back.
    for way, name, sizes in (("files", "JSON files", (TASKS[0], TASKS[-1])),
                             ("plain", "SQLite as it comes", (TASKS[-1],))):
        for size in sizes:
            gains = {query: medians[tasks, query, way] / medians[tasks, query, "store"]
                     for (tasks, query, each) in medians if each == way and tasks == size}
            worst = min(gains, key=gains.get)
            verdict(f"{size:,} tasks: every query faster than {name} "
                    f"(least gain {gains[worst]:.1f}: {worst})", gains[worst] > 1)


main()
