"""The contracts of proto/ for Python tests: messages, and callers of any service."""

import atexit
import glob
import importlib
import os
import shutil
import subprocess
import sys
import tempfile

import grpc
from google.protobuf import descriptor_pb2
from google.protobuf.message_factory import MessageFactory

_folder = tempfile.mkdtemp(prefix="flow-contracts-")
atexit.register(shutil.rmtree, _folder, ignore_errors=True)
_files = glob.glob("proto/**/*.proto", recursive=True)
subprocess.run(["protoc", "-Iproto", f"--python_out={_folder}"] + _files, check=True)
sys.path.insert(0, _folder)
grpc.__path__.append(os.path.join(_folder, "grpc"))  # the standard's own services are of package grpc


def messages(file):
    """The module with the messages of a file, as "flowbalancer/v1/mcp"."""
    return importlib.import_module(file.replace("/", ".") + "_pb2")


class Caller:
    """Calls the methods of a service by their names: Caller(channel, module, "HealthService").Check(...)."""

    def __init__(self, channel, module, service):
        descriptor = module.DESCRIPTOR.services_by_name[service]
        # Which side streams is only in the serialised form.
        written = descriptor_pb2.FileDescriptorProto.FromString(module.DESCRIPTOR.serialized_pb)
        flags = {
            method.name: method
            for entry in written.service
            if entry.name == service
            for method in entry.method
        }
        factory = MessageFactory()
        for method in descriptor.methods:
            flag = flags[method.name]
            shape = "{}_{}".format(
                "stream" if flag.client_streaming else "unary",
                "stream" if flag.server_streaming else "unary")
            setattr(self, method.name, getattr(channel, shape)(
                f"/{descriptor.full_name}/{method.name}",
                request_serializer=factory.GetPrototype(method.input_type).SerializeToString,
                response_deserializer=factory.GetPrototype(method.output_type).FromString))
