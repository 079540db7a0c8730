"""Memory of a suite with 50 servers configured that has nothing to do."""

import time

from measure import Suite, machine, proportional_kb, resident_kb, table, verdict

OURS = ("flow-store", "flow-router", "flow-worker", "flow-supervisor", "flow-guard", "flow-gateway")


def main():
    servers = {f"server{i}": {"command": "mcp-server-everything", "args": ["stdio"]}
               for i in range(50)}
    with Suite(servers) as suite:
        time.sleep(3)  # what is measured is a state of rest, not an event to wait for
        found = suite.pids()
        rows = []
        total = 0
        for name in sorted(found):
            for pid in found[name]:
                rows.append([name, f"{resident_kb(pid):,}", f"{proportional_kb(pid):,}"])
                total += proportional_kb(pid)
        rows.append(["all", "", f"{total:,}"])
        table("Idle: a suite with 50 servers configured", ["process", "resident kB",
                                                           "proportional kB"], rows, [machine()])
        print()
        verdict("idle suite at most 30 MB", total <= 30 * 1024)
        verdict("no instance runs", all(name in OURS for name in found))


main()
