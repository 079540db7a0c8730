"""An echo service (tests/support/echo.proto) in grpcio, and our own echo programs as processes."""

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from concurrent import futures

import grpc

DEADLINE = 60
TRANSPORTS = ("h2", "core")
MODES = ("tcp", "unix", "tls", "mtls")
SERVICE = "flowbalancer.test.EchoService"

folder = tempfile.mkdtemp(prefix="flow-echo-")
atexit.register(shutil.rmtree, folder, ignore_errors=True)
subprocess.run(["protoc", "-Itests/support", f"--python_out={folder}", "tests/support/echo.proto"],
               check=True)
sys.path.insert(0, folder)
import echo_pb2 as pb  # noqa: E402 (made just above)

certificates = os.path.join(folder, "ca")
subprocess.run(["deploy/dev-ca", certificates], check=True)


def path_of(name):
    return os.path.join(certificates, name)


def read(name):
    with open(path_of(name), "rb") as file:
        return file.read()


def program(name):
    return os.path.join(os.environ["FB_BIN"], name)


def address_for(mode):
    if mode == "unix":
        return f"unix:{tempfile.mkdtemp(dir=folder)}/s"
    return "127.0.0.1:0"


class OurServer:
    """echo_server on either transport; `cancelled` counts what it told."""

    def __init__(self, transport, mode):
        arguments = [program("echo_server"), "--transport", transport, "--address", address_for(mode)]
        if mode in ("tls", "mtls"):
            arguments += ["--cert", path_of("server.pem"), "--key", path_of("server.key")]
        if mode == "mtls":
            arguments += ["--ca", path_of("ca.pem"), "--mutual"]
        self.process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)
        self.address = self.process.stdout.readline().strip()
        self.cancelled = threading.Semaphore(0)
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            if line == "cancelled\n":
                self.cancelled.release()

    def stop(self):
        """Lets it drain; its exit code."""
        self.process.stdin.close()
        code = self.process.wait(DEADLINE)
        self.reader.join()
        self.process.stdout.close()
        return code


def channel_to(address, mode, client="dev", options=()):
    """A grpcio channel; `client` None has no certificate."""
    options = [("grpc.max_receive_message_length", 64 << 20), *options]
    if mode in ("tcp", "unix"):
        return grpc.insecure_channel(address, options)
    key = read(f"{client}.key") if mode == "mtls" and client else None
    chain = read(f"{client}.pem") if mode == "mtls" and client else None
    return grpc.secure_channel(address, grpc.ssl_channel_credentials(read("ca.pem"), key, chain),
                               options)


class Caller:
    """The four methods on a channel."""

    def __init__(self, channel):
        out, back = pb.EchoRequest.SerializeToString, pb.EchoResponse.FromString
        self.unary = channel.unary_unary(f"/{SERVICE}/Unary", out, back)
        self.expand = channel.unary_stream(f"/{SERVICE}/Expand", out, back)
        self.collect = channel.stream_unary(f"/{SERVICE}/Collect", out, back)
        self.chat = channel.stream_stream(f"/{SERVICE}/Chat", out, back)
        self.nothing = channel.unary_unary(f"/{SERVICE}/Nothing", out, back)
        self.raw = channel.unary_unary(f"/{SERVICE}/Unary", bytes, back)


def _code(number):
    return next(code for code in grpc.StatusCode if code.value[0] == number)


class EchoService:
    """What echo.proto says, in grpcio."""

    def _begin(self, context):
        back = [(key, value) for key, value in context.invocation_metadata()
                if key.startswith("echo-")]
        context.send_initial_metadata(back)
        context.set_trailing_metadata(back)

    def _hold(self, context):
        over = threading.Event()
        context.add_callback(over.set)
        over.wait(DEADLINE)

    def _finish(self, request, context):
        if request.code != 0:
            context.abort(_code(request.code), request.message)

    def _payload(self, request):
        return b"x" * request.answer_bytes if request.answer_bytes else request.payload

    def unary(self, request, context):
        self._begin(context)
        if request.hold:
            self._hold(context)
        self._finish(request, context)
        return pb.EchoResponse(payload=self._payload(request))

    def expand(self, request, context):
        self._begin(context)
        for index in range(request.repeat):
            yield pb.EchoResponse(payload=self._payload(request), index=index)
        if request.hold:
            self._hold(context)
        self._finish(request, context)

    def collect(self, requests, context):
        self._begin(context)
        count = total = 0
        for request in requests:
            count += 1
            total += len(request.payload)
        return pb.EchoResponse(index=count, bytes=total)

    def chat(self, requests, context):
        self._begin(context)
        for index, request in enumerate(requests):
            yield pb.EchoResponse(payload=request.payload, index=index)


class GrpcioServer:
    """The service, served by grpcio."""

    def __init__(self, mode, compression=None):
        service = EchoService()
        into, back = pb.EchoRequest.FromString, pb.EchoResponse.SerializeToString
        handlers = {
            "Unary": grpc.unary_unary_rpc_method_handler(service.unary, into, back),
            "Expand": grpc.unary_stream_rpc_method_handler(service.expand, into, back),
            "Collect": grpc.stream_unary_rpc_method_handler(service.collect, into, back),
            "Chat": grpc.stream_stream_rpc_method_handler(service.chat, into, back),
        }
        self.server = grpc.server(
            futures.ThreadPoolExecutor(32), compression=compression,
            options=[("grpc.max_receive_message_length", 64 << 20),
                     ("grpc.max_send_message_length", 64 << 20)])
        self.server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(SERVICE, handlers),))
        address = address_for(mode)
        if mode in ("tcp", "unix"):
            port = self.server.add_insecure_port(address)
        else:
            port = self.server.add_secure_port(address, grpc.ssl_server_credentials(
                [(read("server.key"), read("server.pem"))], read("ca.pem"), mode == "mtls"))
        self.address = address if mode == "unix" else f"127.0.0.1:{port}"
        self.server.start()

    def stop(self):
        self.server.stop(None).wait(DEADLINE)


def ask_all(transport, mode, address):
    """Runs echo_client; its exit code and what it wrote."""
    arguments = [program("echo_client"), "--transport", transport, "--address", address]
    if mode in ("tls", "mtls"):
        arguments += ["--ca", path_of("ca.pem"), "--name", "localhost"]
    if mode == "mtls":
        arguments += ["--cert", path_of("dev.pem"), "--key", path_of("dev.key")]
    done = subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=2 * DEADLINE)
    return done.returncode, done.stdout
