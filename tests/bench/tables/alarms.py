"""What the alarms say of simulated projects: of those that go well, and of those where something is made to go wrong.

A project's pace, its holds, breaks and nights follow from a fixed seed, so the figures repeat.
"""

import bisect
import json
import math
import statistics
import subprocess

from measure import program, scaled, table, verdict

PROJECTS = 160
HOURS = 120
STOPS = 3
KINDS = ["stalled", "silent_agent", "thrashing", "runaway", "retry_storm", "cycle", "starved", "rate_drop",
         "chain_flood", "duplicate", "false_done"]
TIMEOUTS = {"held_wall": "held, by the clock", "held_awake": "held, awake", "silent_wall": "silent, by the clock",
            "silent_awake": "silent, awake"}
GRID = [60000 * 1.1 ** at for at in range(96)]
MOST_FALSE = .06
MOST_ALARMS = 2
NOTES = [
    "Holds of a project are log-normal around a median of its own (log-normal around 10 min, sigma 1.3), by weight, "
    "one in twelve from a tail twelve times as long; breaks and nights fall into them. Delays count from the last "
    "sign of life, by the clock; what is never told of is longer than all.",
    "Told of: stalled or silent_agent. Fixed timeouts: the shortest of each sort that is false on at most as many "
    "finished holds. \"Held\" is since the claim, \"silent\" since the holder was heard last; \"awake\" counts at "
    "most two hours of every silence of the session.",
]


def simulate(projects):
    done = subprocess.run([program("flow_alarms"), str(projects), str(HOURS), str(STOPS)], check=True,
                          stdout=subprocess.PIPE, text=True)
    found = {}
    for line in done.stdout.splitlines():
        row = json.loads(line)
        found.setdefault(row["is"], []).append(row)
    return found


def quantile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)]


def median_delay(delays):
    return statistics.median_low([math.inf if delay < 0 else delay for delay in delays])


def span(minutes):
    if math.isinf(minutes):
        return "never"
    return f"{minutes:.0f} min" if minutes < 180 else f"{minutes / 60:.1f} h"


def share(flags):
    return sum(map(bool, flags)) / len(flags)


def percent(value):
    return f"{100 * value:.2f} %"


def fixed(holds, stops, most_false):
    """Of each sort of timeout the shortest that is false on at most that share of holds: delay, share, limit."""
    best = {}
    for sort in TIMEOUTS:
        ordered = sorted(hold[sort] for hold in holds)
        for at, limit in enumerate(GRID):
            false = 1 - bisect.bisect_left(ordered, limit) / len(ordered)
            if false <= most_false:
                best[sort] = (median_delay([stop[sort][at] for stop in stops]), false, limit / 60000)
                break
    return best


def stops_table(found):
    holds, stops = found["hold"], found["stop"]
    rows = []
    for name, flags, delays in (
            ("stalled", [hold["stalled"] for hold in holds], [stop["stalled"] for stop in stops]),
            ("silent_agent", [hold["silent"] for hold in holds], [stop["silent"] for stop in stops]),
            ("either", [hold["stalled"] or hold["silent"] for hold in holds], [stop["told"] for stop in stops])):
        false, delay = share(flags), median_delay(delays)
        rows.append([name, percent(false), span(delay), f"{100 * share([late >= 0 for late in delays]):.0f} %"])
    best = fixed(holds, stops, false)
    for sort, (late, rate, limit) in best.items():
        rows.append([f"fixed: {span(limit)} {TIMEOUTS[sort]}", percent(rate), span(late), ""])
    quartiles = [span(quantile([hold["held_wall"] / 60000 for hold in holds], part)) for part in (.5, .75, .9)]
    table(f"Alarms: {len(stops)} agents that stop in the midst of a task",
          ["rule", "false, of finished holds", "median delay", "told of"], rows,
          [f"{len(holds)} finished holds: median {quartiles[0]}, Q75 {quartiles[1]}, Q90 {quartiles[2]}."] + NOTES)
    return false, delay, min(best.values())[0]


def clean_table(found):
    columns = []
    totals = {}
    for family in ("well", "busy"):
        runs = found[family]
        awake = sum(run["awake_h"] for run in runs)
        counts = [sum(run["alarms"][kind] for run in runs) for kind in KINDS]
        totals[family] = 100 * sum(counts) / awake
        columns.append([f"{100 * count / awake:.2f}" for count in counts] + [f"{totals[family]:.2f}"])
    heads = [f"{name}: {sum(run['awake_h'] for run in found[family]):.0f} awake hours, "
             f"{sum(run['holds'] for run in found[family])} holds"
             for name, family in (("like trackers", "well"), ("busy agents", "busy"))]
    table("Alarms in 100 awake hours of projects that go well", ["alarm"] + heads,
          [list(row) for row in zip(KINDS + ["all"], *columns)],
          ["Busy agents claim again within minutes and do nothing else; they were not measured anywhere, but made to "
           "show what comes of many holds."])
    return totals


def mishaps_table(found):
    rows = []
    for kind, what in (("thrashing", "claims and hand-backs of a task"), ("retry_storm", "further attempts"),
                       ("chain_flood", "chains planned"), ("rate_drop", ""), ("starved", "")):
        runs = found[kind]
        told = [run for run in runs if run["told"] >= 0]
        count = f"{statistics.median(run['count'] for run in told):.0f} {what}" if what and told else ""
        rows.append([kind, len(runs), f"{100 * len(told) / len(runs):.0f} %",
                     span(median_delay([run["told_awake"] for run in runs])), count])
    doubles = found["duplicate"]
    planned, seen = sum(run["all"] for run in doubles), sum(run["found"] for run in doubles)
    rows.append(["duplicate", planned, f"{100 * seen / planned:.1f} %", "at once", "a word left out, or one more"])
    for kind in ("cycle", "false_done"):
        rows.append([kind, len(found["at_once"]), f"{100 * share([run[kind] for run in found['at_once']]):.0f} %",
                     "at once", ""])
    calls = found["runaway"]
    third = share([run["warned"] == 3 and run["refused"] == 10 for run in calls])
    rows.append(["runaway", len(calls), f"{100 * third:.0f} %", "third call", "refused at the tenth"])
    table("Alarms: what is made to go wrong", ["alarm", "times", "told of", "median delay, awake", "by then"], rows)
    return third


def main():
    found = simulate(scaled(PROJECTS, least=24))
    false, delay, best = stops_table(found)
    totals = clean_table(found)
    third = mishaps_table(found)
    print()
    verdict(f"stalls: false on {percent(false)} of finished holds (at most {percent(MOST_FALSE)})", false <= MOST_FALSE)
    verdict(f"stalls: median delay {span(delay)}, of the best fixed timeout at that rate {span(best)} (at most half)",
            2 * delay <= best)
    verdict(f"runaway: {100 * third:.0f} % by the third repeat", third == 1)
    verdict(f"projects like trackers that go well: {totals['well']:.2f} alarms in 100 awake hours (fewer than "
            f"{MOST_ALARMS})", totals["well"] < MOST_ALARMS)


main()
