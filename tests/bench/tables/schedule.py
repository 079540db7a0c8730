"""The order in which the worker gives out tasks, and other orders, on the same generated graphs.

C is the makespan as a multiple of what no schedule can beat, F the mean completion time as a multiple of FIFO's.
Durations are simulated; the seed is fixed, so the figures repeat.
"""

import json
import statistics
import subprocess

from measure import program, scaled, table, verdict

SEED = 1
DRAWS = 1000
OURS = "ours"
OTHERS = ["FIFO", "priority, newest", "priority, #dependencies, id"]
NOTES = [
    "Medians, C / F. Orders see weights of 1 to 10: the durations with log-normal noise of 0.6. Priorities "
    "are random. Agent-like durations: log-normal, median 10 min, sigma 1.3.",
    "\"priority, newest\" is the order of beads, \"priority, #dependencies, id\" that of Task Master. Bottom "
    "level and shortest are the two ends that ours stands between.",
]


def main():
    draws = scaled(DRAWS, least=100)
    done = subprocess.run(
        [program("flow_schedule"), "--seed", str(SEED), "--draws", str(draws)], check=True,
        stdout=subprocess.PIPE, text=True)
    runs = {}
    for line in done.stdout.splitlines():
        run = json.loads(line)
        runs.setdefault((run["workers"], run["family"], run["order"]), []).append(run)
    medians = {key: [statistics.median(run[figure] for run in found) for figure in ("c", "f")]
               for key, found in runs.items()}
    families = list(dict.fromkeys(family for _, family, _ in medians))
    orders = list(dict.fromkeys(order for _, _, order in medians))
    for workers in (2, 4, 8):
        rows = [[order] + ["{:.3f} / {:.3f}".format(*medians[workers, family, order])
                           for family in families] for order in orders]
        table(f"Schedule: {workers} workers, {draws} draws of each family", ["order"] + families,
              rows, NOTES if workers == 8 else ())
    print()
    for workers in (4, 8):
        for family in families:
            ours = medians[workers, family, OURS]
            lost = [f"{figure} of {other}" for other in OTHERS for figure, mine, theirs in
                    zip("CF", ours, medians[workers, family, other]) if mine >= theirs]
            verdict(f"{workers} workers, {family}: C and F below FIFO and both peers"
                    + (f" (not below: {'; '.join(lost)})" if lost else ""), not lost)


main()
