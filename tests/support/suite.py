"""A suite in a home of its own: what runs in it, its end by kill -9 or in order."""

import json
import os
import shutil
import signal
import tempfile
import time

STOP_S = 30


class Suite:
    """For the `with`; the first gateway that is started in `env` starts it."""

    def __init__(self, bin_folder, servers, settings=None):
        self.bin = bin_folder
        self.home = tempfile.mkdtemp(prefix="fs-", dir="/tmp")
        self.env = dict(os.environ, HOME=self.home)
        self.state = os.path.join(self.home, ".local", "state", "flow-balancer")
        folder = os.path.join(self.home, ".config", "flow-balancer")
        os.makedirs(folder)
        config = {"mcpServers": servers}
        if settings:
            config["flow"] = settings
        with open(os.path.join(folder, "config.json"), "w") as file:
            json.dump(config, file)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end_processes()
        shutil.rmtree(self.home, ignore_errors=True)

    def socket(self, name):
        """Address of a program's socket, as "store" or "router"."""
        return "unix:" + os.path.join(self.state, "run", name + ".sock")

    def processes(self):
        """Pid and name of all that was started in this home."""
        found = []
        mark = f"HOME={self.home}".encode()
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/environ", "rb") as file:
                    if mark not in file.read().split(b"\0"):
                        continue
                with open(f"/proc/{pid}/comm") as file:
                    name = file.read().strip()
                with open(f"/proc/{pid}/stat") as file:
                    if file.read().rsplit(")", 1)[1].split()[0] == "Z":
                        continue
                found.append((int(pid), name))
            except OSError:
                continue
        return found

    def kill_one(self, program):
        """kill -9 of one process of a program; None when there is none."""
        pids = [pid for pid, name in self.processes() if name == program]
        if not pids:
            return None
        os.kill(pids[0], signal.SIGKILL)
        return pids[0]

    def log(self):
        try:
            with open(os.path.join(self.state, "log", "suite.log")) as file:
                return file.read()[-4000:]
        except OSError:
            return "(none)"

    def stop(self):
        """Ends it in order; what is left after that."""
        for pid, name in self.processes():
            if name == "flow-supervisor":
                os.kill(pid, signal.SIGTERM)
        end = time.monotonic() + STOP_S
        while self.processes() and time.monotonic() < end:
            time.sleep(0.02)
        left = self.processes()
        self.end_processes()
        return left

    def end_processes(self):
        for pid, _ in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
