"""flow-router, nghttpx, HAProxy and nginx in front of the same echo.

The proxy under test has processor 0 to itself; echo and load share processor 1. All are up for the
whole run, only one is loaded at a time.
"""

import os
import statistics
import subprocess
import sys
import tempfile

from measure import (Process, alternate, free_port, machine, program, ratio, scaled, spread, table,
                     verdict)

PATH = "/flowbalancer.v1.McpService/Complete"

# size of the message, connections, streams each, calls of one measurement
SHAPES = [
    (32, 1, 1, 8000), (32, 1, 32, 40000), (32, 4, 32, 80000),
    (4096, 1, 1, 6000), (4096, 1, 32, 25000), (4096, 4, 32, 40000),
]

NGINX = """
daemon off; master_process off; worker_processes 1; pid {dir}/nginx.pid; error_log stderr warn;
events {{ worker_connections 8192; }}
http {{
    access_log off; tcp_nodelay on;
    keepalive_requests 1000000000; keepalive_timeout 300s; http2_max_concurrent_streams 256;
    client_max_body_size 0;
    client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi;
    upstream echo {{ server 127.0.0.1:{echo}; keepalive 256; keepalive_requests 1000000000; }}
    server {{
        listen 127.0.0.1:{port} http2 backlog=1024;
        location / {{ grpc_pass grpc://echo; grpc_buffer_size 16k; client_body_buffer_size 64k; }}
    }}
}}
"""

HAPROXY = """
global
    nbthread 1
    maxconn 8192
    tune.h2.max-concurrent-streams 256
    tune.h2.initial-window-size 1048576
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    http-reuse always
frontend grpc_in
    bind 127.0.0.1:{port} proto h2
    default_backend grpc_out
backend grpc_out
    server s1 127.0.0.1:{echo} proto h2
"""

NGHTTPX = """
frontend=127.0.0.1,{port};no-tls
backend=127.0.0.1,{echo};;proto=h2
workers=1
single-process=yes
errorlog-file=/dev/stderr
frontend-http2-max-concurrent-streams=256
backend-http2-max-concurrent-streams=256
backend-connections-per-host=8
"""


def varint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def message(size):
    """A CompleteRequest of just that size: a context, and filling in ref_json."""
    front = b"\x0a\x07\x12\x05bench"
    for filling in range(size):
        whole = front + b"\x12" + varint(filling) + b"x" * filling
        if len(whole) == size:
            return whole
    sys.exit(f"no message has {size} bytes")


def configured(folder, name, text, port, echo):
    path = os.path.join(folder, name)
    with open(path, "w") as file:
        file.write(text.format(dir=folder, port=port, echo=echo))
    return path


def check(port):
    """A real gRPC client gets its own bytes back through the proxy."""
    import grpc

    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        request = message(100)
        reply = channel.unary_unary(PATH)(request, timeout=10, wait_for_ready=True)
        if reply != request:
            sys.exit(f"the proxy on port {port} changes what it forwards")


def load(port, process, shape, folder):
    size, connections, streams, calls = shape
    calls = scaled(calls, least=500)
    body = os.path.join(folder, f"{size}.bin")
    log = os.path.join(folder, "h2load.log")
    with open(body, "wb") as file:
        file.write(b"\0" + size.to_bytes(4, "big") + message(size))
    if os.path.exists(log):
        os.remove(log)
    before_us = process.cpu_us()
    done = subprocess.run(
        ["taskset", "-c", "1", "h2load", "-t1", f"-c{connections}", f"-m{streams}", f"-n{calls}",
         "-d", body, f"--log-file={log}", "-H", "content-type: application/grpc",
         "-H", "te: trailers", f"http://127.0.0.1:{port}{PATH}"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True)
    after_us = process.cpu_us()
    if f"{calls} succeeded, 0 failed, 0 errored" not in done.stdout:
        sys.exit(f"h2load: not all calls were answered:\n{done.stdout}")
    data = int(done.stdout.split(") data")[0].rsplit("(", 1)[1])
    if data != calls * (size + 5):
        sys.exit(f"h2load: {data} bytes came back, {calls * (size + 5)} were sent")
    took_us = sorted(int(line.split("\t")[2]) for line in open(log))
    seconds = next(line for line in done.stdout.splitlines() if line.startswith("finished in"))
    return {
        "rate": float(seconds.split(",")[1].split()[0]),
        "p50": took_us[len(took_us) // 2],
        "p99": took_us[len(took_us) * 99 // 100],
        "cpu": (after_us - before_us) / calls,
    }


def main():
    with tempfile.TemporaryDirectory(prefix="flow-bench-") as folder:
        ports = {name: free_port() for name in ("flow-router", "nghttpx", "haproxy", "nginx")}
        echo = free_port()
        router = Process([program("flow-router"), "--listen", f"127.0.0.1:{ports['flow-router']}",
                          "--log-level", "warn"], cpu=0).wait_port(ports["flow-router"])
        worker = Process([program("echo_worker"), "--listen", f"127.0.0.1:{echo}", "--router",
                          f"127.0.0.1:{ports['flow-router']}", "--log-level", "warn"],
                         cpu=1).wait_port(echo)
        proxies = {
            "flow-router": router,
            "nghttpx": Process(["nghttpx", "--conf=" + configured(
                folder, "nghttpx.conf", NGHTTPX, ports["nghttpx"], echo)], cpu=0),
            "haproxy": Process(["haproxy", "-db", "-f", configured(
                folder, "haproxy.cfg", HAPROXY, ports["haproxy"], echo)], cpu=0),
            "nginx": Process(["nginx", "-p", folder, "-c", configured(
                folder, "nginx.conf", NGINX, ports["nginx"], echo)], cpu=0),
        }
        try:
            for name, process in proxies.items():
                process.wait_port(ports[name])
                check(ports[name])
            measure_all(proxies, ports, folder)
        finally:
            for process in list(proxies.values()) + [worker]:
                process.stop()


def measure_all(proxies, ports, folder):
    rows = []
    ratios = []
    for shape in SHAPES:
        results = alternate(list(proxies), lambda name: load(ports[name], proxies[name], shape,
                                                             folder))
        figures = {name: {key: [run[key] for run in runs] for key in runs[0]}
                   for name, runs in results.items()}
        size, connections, streams, _ = shape
        for name in proxies:
            f = figures[name]
            rows.append([f"{size} B", f"{connections} x {streams}", name, spread(f["rate"]),
                         spread(f["p50"]), spread(f["p99"]), spread(f["cpu"], 1)])
        ours = figures["flow-router"]
        ratios.append([f"{size} B", f"{connections} x {streams}"] + [
            ratio(ours[key], figures[name][key])
            for name in ("nghttpx", "haproxy", "nginx") for key in ("cpu", "rate")])
        if shape[:3] == (32, 1, 32):
            cpu = {name: statistics.median(figures[name]["cpu"]) for name in proxies}
            bars = [
                ("processor time per call below nghttpx", cpu["flow-router"] < cpu["nghttpx"]),
                ("below half of HAProxy", cpu["flow-router"] < cpu["haproxy"] / 2),
                ("below a quarter of nginx", cpu["flow-router"] < cpu["nginx"] / 4),
            ]
    table("Router: one call forwarded (least / median / most)",
          ["message", "conns x streams", "proxy", "calls/s", "p50 us", "p99 us", "CPU us/call"],
          rows, [machine()])
    table("Router: ours as a share of theirs, round by round",
          ["message", "conns x streams", "CPU / nghttpx", "calls/s / nghttpx", "CPU / HAProxy",
           "calls/s / HAProxy", "CPU / nginx", "calls/s / nginx"], ratios)
    print()
    for what, holds in bars:
        verdict(f"32 B, 32 in flight: {what}", holds)
    for name, process in proxies.items():
        print(f"resident after the run: {name} {process.resident_kb():,} kB")


main()
