"""Who may listen and who may call: the real programs over TCP, TLS, mutual TLS and with tokens."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import unittest

import grpc

from contracts import Caller, messages

admin = messages("flowbalancer/v1/admin")
health = messages("grpc/health/v1/health")

DEADLINE = 30
TOKEN = "a-token-of-twenty-or-so-bytes"


def read(*path):
    with open(os.path.join(*path), "rb") as file:
        return file.read()


class Security(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="flow-security-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        for place in ("ours", "strangers"):
            subprocess.run(["deploy/dev-ca", os.path.join(cls.folder, place)], check=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with open(os.open(os.path.join(cls.folder, "tokens"), os.O_CREAT | os.O_WRONLY, 0o600),
                  "w") as file:
            file.write(f"# tenants\nacme {TOKEN}\n")

    def file(self, name, place="ours"):
        return os.path.join(self.folder, place, name)

    def start(self, *arguments):
        """Starts flow-router; returns the process."""
        process = subprocess.Popen(
            [os.path.join(os.environ["FB_BIN"], "flow-router"), *arguments],
            env=dict(os.environ, HOME=self.folder), stderr=subprocess.PIPE, text=True)
        self.addCleanup(self.remove, process)
        return process

    def remove(self, process):
        process.kill()
        process.wait(DEADLINE)
        process.stderr.close()

    def listening(self, *arguments):
        """The port of a flow-router that listens on loopback."""
        process = self.start("--listen", "127.0.0.1:0", *arguments)
        for line in process.stderr:
            found = re.search(r"address=127\.0\.0\.1:(\d+)", line)
            if found:
                return int(found.group(1))
        self.fail("it does not listen")

    def tls(self, *more):
        return ("--tls-cert", self.file("server.pem"), "--tls-key", self.file("server.key"), *more)

    def client_credentials(self, place=None, trust="ours"):
        if place is None:
            return grpc.ssl_channel_credentials(read(self.file("ca.pem", trust)))
        return grpc.ssl_channel_credentials(read(self.file("ca.pem", trust)),
                                            read(self.file("dev.key", place)),
                                            read(self.file("dev.pem", place)))

    def overview(self, port, credentials=None, metadata=None):
        """Asks who it is; raises grpc.RpcError."""
        address = f"127.0.0.1:{port}"
        with (grpc.secure_channel(address, credentials) if credentials
              else grpc.insecure_channel(address)) as channel:
            return Caller(channel, admin, "AdminService").GetOverview(
                admin.GetOverviewRequest(), timeout=DEADLINE, metadata=metadata).router.router_id

    def refused(self, code, *arguments, **more):
        with self.assertRaises(grpc.RpcError) as caught:
            self.overview(*arguments, **more)
        self.assertEqual(caught.exception.code(), code, caught.exception.details())

    # --- listening ---

    def refuses_to_start(self, words, *arguments):
        process = self.start(*arguments)
        self.assertEqual(process.wait(DEADLINE), 78)
        self.assertIn(words, process.stderr.read())

    def test_beyond_loopback_nothing_is_served_without_protection(self):
        everywhere = ("--listen", "0.0.0.0:0")
        self.refuses_to_start("0.0.0.0:0", *everywhere)
        self.refuses_to_start("0.0.0.0:0", *everywhere, *self.tls())
        self.refuses_to_start("0.0.0.0:0", *everywhere, "--tokens",
                              os.path.join(self.folder, "tokens"))
        self.refuses_to_start("0.0.0.0:0", *everywhere,
                              *self.tls("--tls-ca", self.file("ca.pem"), "--no-tls-client-cert"))

    def test_beyond_loopback_mutual_tls_or_tls_with_tokens_will_do(self):
        for more in (("--tls-ca", self.file("ca.pem")),
                     ("--tokens", os.path.join(self.folder, "tokens"))):
            process = self.start("--listen", "0.0.0.0:0", *self.tls(*more))
            self.assertIn("address=0.0.0.0:", process.stderr.readline())
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.wait(DEADLINE), 0)

    def test_files_that_are_no_certificates_are_named(self):
        self.refuses_to_start("tokens", "--listen", "127.0.0.1:0", "--tls-cert",
                              os.path.join(self.folder, "tokens"), "--tls-key",
                              self.file("server.key"))

    # --- calling ---

    def test_tls_shows_who_serves(self):
        port = self.listening(*self.tls())
        self.assertNotEqual(self.overview(port, self.client_credentials()), "")
        self.refused(grpc.StatusCode.UNAVAILABLE, port,
                     self.client_credentials(trust="strangers"))
        self.refused(grpc.StatusCode.UNAVAILABLE, port)

    def test_mutual_tls_lets_in_whom_our_authority_knows(self):
        port = self.listening(*self.tls("--tls-ca", self.file("ca.pem")))
        self.assertNotEqual(self.overview(port, self.client_credentials("ours")), "")
        self.refused(grpc.StatusCode.UNAVAILABLE, port, self.client_credentials())
        self.refused(grpc.StatusCode.UNAVAILABLE, port, self.client_credentials("strangers"))

    def test_tokens_let_in_their_tenants(self):
        port = self.listening(*self.tls("--tokens", os.path.join(self.folder, "tokens")))
        credentials = self.client_credentials()
        self.assertNotEqual(
            self.overview(port, credentials, (("authorization", f"Bearer {TOKEN}"),)), "")
        for metadata in (None, (("authorization", f"Bearer {TOKEN}x"),),
                         (("authorization", TOKEN),), (("authorization", "Bearer "),)):
            self.refused(grpc.StatusCode.UNAUTHENTICATED, port, credentials, metadata)


if __name__ == "__main__":
    unittest.main()
