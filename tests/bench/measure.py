"""What the tables share: processes with their figures, alternation, medians, printing."""

import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

BIN = os.environ["FB_BIN"]
ROUNDS = int(os.environ.get("FB_BENCH_ROUNDS", "5"))
LOAD = float(os.environ.get("FB_BENCH_LOAD", "1"))
TICKS = os.sysconf("SC_CLK_TCK")


def program(name):
    """The path of one of our programs."""
    return os.path.join(BIN, name)


def scaled(count, least=50):
    """A number of calls under --quick."""
    return max(least, int(count * LOAD))


class Process:
    """A program that runs until the `with` ends, pinned to a processor."""

    def __init__(self, argv, cpu=None, env=None, cwd=None):
        if cpu is not None:
            argv = ["taskset", "-c", str(cpu)] + argv
        self.log = tempfile.TemporaryFile()
        self.popen = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, env=env, cwd=cwd)
        self.pid = self.popen.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
            try:
                self.popen.wait(15)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()

    def said(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

    def wait_port(self, port, seconds=15):
        """Returns when it accepts on the port of loopback."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.popen.poll() is not None:
                sys.exit(f"{self.popen.args}: ended with {self.popen.returncode}\n{self.said()}")
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return self
            time.sleep(0.01)
        sys.exit(f"{self.popen.args}: nobody listens on port {port}\n{self.said()}")

    def cpu_us(self):
        return cpu_us(self.pid)

    def resident_kb(self):
        return resident_kb(self.pid)


def cpu_us(pid):
    """Processor time of all its threads since its start."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    if os.path.exists(f"/proc/{pid}/schedstat"):
        total = 0
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/schedstat") as file:
                total += int(file.read().split()[0])
        return total / 1000
    return (int(fields[11]) + int(fields[12])) * 1e6 / TICKS


def resident_kb(pid):
    with open(f"/proc/{pid}/status") as file:
        for line in file:
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    return 0


def proportional_kb(pid):
    """Memory with shared pages divided among those who share them."""
    with open(f"/proc/{pid}/smaps_rollup") as file:
        for line in file:
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def alternate(subjects, measure, rounds=ROUNDS):
    """measure(subject) for each in turn, `rounds` times over; a list of results by subject.

    The order turns around from round to round, so that a drift of the machine's speed hits all.
    """
    results = {subject: [] for subject in subjects}
    for i in range(rounds):
        for subject in subjects if i % 2 == 0 else list(reversed(subjects)):
            results[subject].append(measure(subject))
    return results


def spread(values, digits=0):
    """least / median / most"""
    return " / ".join(
        f"{value:,.{digits}f}" for value in (min(values), statistics.median(values), max(values)))


def ratio(ours, theirs, digits=2):
    """Of the pairs of one round each, as least / median / most."""
    return spread([a / b for a, b in zip(ours, theirs) if b], digits)


def table(title, header, rows, notes=()):
    widths = [max(len(str(row[i])) for row in [header] + rows) for i in range(len(header))]
    print(f"\n## {title}\n")
    for row in [header, ["-" * width for width in widths]] + rows:
        print("| " + " | ".join(str(cell).ljust(width) for cell, width in zip(row, widths)) + " |")
    for note in notes:
        print(f"\n{note}")
    sys.stdout.flush()


def machine():
    with open("/proc/cpuinfo") as file:
        models = [line.split(":")[1].strip() for line in file if line.startswith("model name")]
    kind = models[0] if models else "unknown processor"
    return f"{len(models)} processors ({kind}), Linux {os.uname().release}, {ROUNDS} rounds"


def verdict(what, holds):
    """One line of the summary; the exit code of the table is not changed by it."""
    print(f"{'holds' if holds else 'DOES NOT HOLD'}: {what}")


class Suite:
    """A suite of our programs with a state of its own, for the `with`."""

    def __init__(self, servers, settings=None):
        self.home = tempfile.mkdtemp(prefix="flow-bench-", dir="/tmp")
        self.env = dict(os.environ, HOME=self.home)
        folder = os.path.join(self.home, ".config", "flow-balancer")
        os.makedirs(folder)
        self.config = os.path.join(folder, "config.json")
        with open(self.config, "w") as file:
            json.dump({"mcpServers": servers, "flow": settings or {}}, file)

    def __enter__(self):
        subprocess.run([program("flowctl"), "up"], env=self.env, check=True,
                       stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        return self

    def __exit__(self, *_):
        subprocess.run([program("flowctl"), "down"], env=self.env, stdout=subprocess.DEVNULL,
                       stdin=subprocess.DEVNULL)
        shutil.rmtree(self.home, ignore_errors=True)

    def pids(self):
        """Name to pids of all our programs that belong to this suite."""
        found = {}
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/environ", "rb") as file:
                    if f"HOME={self.home}".encode() not in file.read().split(b"\0"):
                        continue
                with open(f"/proc/{pid}/comm") as file:
                    found.setdefault(file.read().strip(), []).append(int(pid))
            except OSError:
                continue
        return found


def stdio_load(command, *options, env=None):
    """Figures of one run of stdio_load."""
    done = subprocess.run([program("stdio_load"), *options, "--", *command], env=env, check=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return json.loads(done.stdout)
