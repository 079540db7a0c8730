"""Start-up and memory of flow-gateway beside npm bridges.

Each is started anew, asked `initialize` at once, looked at and ended. supergateway is the nearest of kin: stdio in
front of a server that runs elsewhere (here over Streamable HTTP). mcp-proxy stands the other way round, HTTP in
front of a stdio server that it starts, so its figure holds the start of that server, too.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request

from measure import (Process, Suite, alternate, free_port, machine, program, resident_kb, scaled,
                     spread, stdio_load, table, verdict)

SERVER = shutil.which("mcp-server-everything")
HELLO = {"jsonrpc": "2.0", "id": 1, "method": "initialize",
         "params": {"protocolVersion": "2025-11-25", "capabilities": {},
                    "clientInfo": {"name": "bench", "version": "1"}}}


def spawn_stdio(command, env=None):
    run = stdio_load(command, "--spawns", "1", env=env)
    return run["handshake_us"] / 1000, run["resident_kb"]


def spawn_mcp_proxy():
    port = free_port()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/mcp", json.dumps(HELLO).encode(),
        {"content-type": "application/json", "accept": "application/json, text/event-stream"})
    from_s = time.monotonic()
    with Process(["mcp-proxy", "--host", "127.0.0.1", "--port", str(port), "--", SERVER,
                  "stdio"]) as proxy:
        while True:
            try:
                with urllib.request.urlopen(request, timeout=10) as answer:
                    if b'"protocolVersion"' not in answer.read(4096):
                        sys.exit("mcp-proxy: no answer to initialize")
                break
            except (urllib.error.URLError, OSError):
                if proxy.popen.poll() is not None or time.monotonic() - from_s > 30:
                    sys.exit(f"mcp-proxy does not answer:\n{proxy.said()}")
                time.sleep(0.001)
        took_ms = (time.monotonic() - from_s) * 1000
        return took_ms, resident_kb(proxy.pid)


def main():
    port = free_port()
    everything = Process([SERVER, "streamableHttp"], env=dict(os.environ, PORT=str(port)))
    everything.wait_port(port)
    with everything, Suite({"everything": {"command": SERVER, "args": ["stdio"]}}) as suite:
        ways = {
            "flow-gateway": lambda: spawn_stdio([program("flow-gateway")], suite.env),
            "supergateway": lambda: spawn_stdio(
                ["supergateway", "--streamableHttp", f"http://127.0.0.1:{port}/mcp", "--logLevel",
                 "none"]),
            "mcp-proxy": spawn_mcp_proxy,
        }
        results = alternate(list(ways), lambda way: ways[way](), rounds=scaled(20, least=3))
    rows = [[way, spread([ms for ms, _ in runs], 1), spread([kb for _, kb in runs])]
            for way, runs in results.items()]
    table("Gateway: from start to the answered handshake (least / median / most)",
          ["program", "ms", "resident kB"], rows, [machine()])
    ours_ms = statistics.median(ms for ms, _ in results["flow-gateway"])
    ours_kb = statistics.median(kb for _, kb in results["flow-gateway"])
    for name in ("supergateway", "mcp-proxy"):
        theirs_ms = statistics.median(ms for ms, _ in results[name])
        theirs_kb = statistics.median(kb for _, kb in results[name])
        print(f"{name} takes {theirs_ms / ours_ms:,.0f} times as long and "
              f"{theirs_kb / ours_kb:,.0f} times the memory")
    print()
    verdict(f"answered handshake within 5 ms (median {ours_ms:.1f})", ours_ms <= 5)
    verdict(f"at most 4 MB resident (median {ours_kb / 1024:.1f} MiB)", ours_kb * 1024 <= 4e6)


main()
