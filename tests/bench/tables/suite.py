"""A call through the whole suite, and the same call by a direct pipe to the same server."""

import shutil
import statistics

from measure import Suite, alternate, machine, program, scaled, spread, stdio_load, table, verdict

SERVER = [shutil.which("mcp-server-everything"), "stdio"]

# calls in flight, calls
SHAPES = [(1, 3000), (8, 6000), (64, 10000)]


def main():
    servers = {"everything": {"command": SERVER[0], "args": SERVER[1:]}}
    rows = []
    added = []
    with Suite(servers) as suite:
        ways = {
            "direct pipe": (SERVER, "echo"),
            "suite": ([program("flow-gateway")], "everything__echo"),
        }
        for in_flight, calls in SHAPES:
            results = alternate(list(ways), lambda way: stdio_load(
                ways[way][0], "--tool", ways[way][1], "--calls", str(scaled(calls)),
                "--warmup", str(scaled(1000)), "--in-flight", str(in_flight), env=suite.env))
            for way, runs in results.items():
                rows.append([in_flight, way] + [spread([run[key] for run in runs]) for key in (
                    "p50_us", "p99_us", "calls_per_s", "first_us")])
            differences = [ours["p50_us"] - theirs["p50_us"] for ours, theirs in
                           zip(results["suite"], results["direct pipe"])]
            rows.append([in_flight, "added p50", spread(differences), "", "", ""])
            if in_flight == 1:
                added = differences
    table("Suite: a call of server-everything's echo (least / median / most)",
          ["in flight", "way", "p50 us", "p99 us", "calls/s", "first call us"], rows, [machine()])
    print()
    verdict(f"one in flight: added p50 at most 150 us (median {statistics.median(added):.0f})",
            statistics.median(added) <= 150)


main()
