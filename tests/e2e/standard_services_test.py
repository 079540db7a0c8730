"""Health and reflection of every serving program as a foreign client (grpcio) sees them."""

import os
import shutil
import signal
import subprocess
import tempfile
import unittest

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.message_factory import MessageFactory

from contracts import Caller, messages

health = messages("grpc/health/v1/health")
reflections = {
    "grpc.reflection.v1": messages("grpc/reflection/v1/reflection"),
    "grpc.reflection.v1alpha": messages("grpc/reflection/v1alpha/reflection"),
}

DEADLINE = 30
OPTIONS = [
    ("grpc.initial_reconnect_backoff_ms", 20),
    ("grpc.min_reconnect_backoff_ms", 20),
    ("grpc.max_reconnect_backoff_ms", 100),
]
STANDARD = {
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
}
PROGRAMS = {
    "flow-router": {
        "flowbalancer.v1.AdminService",
        "flowbalancer.v1.FlowService",
        "flowbalancer.v1.McpService",
        "flowbalancer.v1.WorkerRegistryService",
    },
    "flow-store": {"flowbalancer.v1.SessionStoreService"},
    "flow-worker": {"flowbalancer.v1.FlowService", "flowbalancer.v1.McpService"},
}


class Program:
    """A running program on a Unix socket in a folder of its own."""

    def __init__(self, name):
        self.folder = tempfile.mkdtemp(prefix="flow-standard-")
        address = "unix:" + os.path.join(self.folder, "s")
        arguments = [os.path.join(os.environ["FB_BIN"], name), "--listen", address,
                     "--log-level", "warn"]
        if name == "flow-store":
            arguments += ["--database", os.path.join(self.folder, "store.db")]
        environment = dict(os.environ, HOME=self.folder)  # no configuration but the defaults
        self.process = subprocess.Popen(arguments, env=environment)
        self.channel = grpc.insecure_channel(address, OPTIONS)
        self.health = Caller(self.channel, health, "Health")
        self.check("")

    def check(self, service):
        return self.health.Check(health.HealthCheckRequest(service=service), wait_for_ready=True,
                                 timeout=DEADLINE).status

    def reflect(self, package, *requests):
        module = reflections[package]
        caller = Caller(self.channel, module, "ServerReflection")
        return list(caller.ServerReflectionInfo(
            (module.ServerReflectionRequest(**request) for request in requests),
            timeout=DEADLINE))

    def remove(self):
        self.channel.close()
        self.process.kill()
        self.process.wait(DEADLINE)
        shutil.rmtree(self.folder)


class StandardServices(unittest.TestCase):
    def each_program(self):
        for name, services in PROGRAMS.items():
            with self.subTest(program=name):
                program = Program(name)
                try:
                    yield program, services
                finally:
                    program.remove()

    def test_health_knows_every_service_and_no_other(self):
        for program, services in self.each_program():
            for service in {""} | services | {"grpc.health.v1.Health"}:
                self.assertEqual(program.check(service),
                                 health.HealthCheckResponse.SERVING, service)
            with self.assertRaises(grpc.RpcError) as caught:
                program.check("flowbalancer.v1.Nothing")
            self.assertEqual(caught.exception.code(), grpc.StatusCode.NOT_FOUND)

    def test_who_watches_health_is_told_of_the_end(self):
        for program, _ in self.each_program():
            watch = program.health.Watch(health.HealthCheckRequest(), timeout=DEADLINE)
            self.assertEqual(next(watch).status, health.HealthCheckResponse.SERVING)
            program.process.send_signal(signal.SIGTERM)
            self.assertEqual(next(watch).status, health.HealthCheckResponse.NOT_SERVING)
            with self.assertRaises(grpc.RpcError) as caught:
                next(watch)
            self.assertEqual(caught.exception.code(), grpc.StatusCode.UNAVAILABLE)
            self.assertEqual(program.process.wait(DEADLINE), 0)

    def test_reflection_lists_exactly_what_is_served(self):
        for program, services in self.each_program():
            for package in reflections:
                answers = program.reflect(package, {"list_services": ""})
                listed = [entry.name for entry in answers[0].list_services_response.service]
                self.assertEqual(sorted(listed), sorted(services | STANDARD))

    def test_a_client_without_our_protos_learns_them_and_calls(self):
        for program, services in self.each_program():
            for package in reflections:
                for service in services | STANDARD:
                    self.learn(program, package, service)
            factory = self.learn(program, "grpc.reflection.v1", "grpc.health.v1.Health")
            ask, answer = (factory.GetPrototype(factory.pool.FindMessageTypeByName(
                "grpc.health.v1.HealthCheck" + kind)) for kind in ("Request", "Response"))
            call = program.channel.unary_unary("/grpc.health.v1.Health/Check",
                                               request_serializer=ask.SerializeToString,
                                               response_deserializer=answer.FromString)
            self.assertEqual(call(ask(), timeout=DEADLINE).status, 1)

    def learn(self, program, package, service):
        """A factory of messages from nothing but what reflection said of a service."""
        answers = program.reflect(package, {"file_containing_symbol": service})
        pool = descriptor_pool.DescriptorPool()
        files = [descriptor_pb2.FileDescriptorProto.FromString(file)
                 for file in answers[0].file_descriptor_response.file_descriptor_proto]
        # A file comes before what it imports, the pool wants it behind.
        for file in reversed(files):
            pool.Add(file)
        self.assertGreater(len(pool.FindServiceByName(service).methods), 0)
        return MessageFactory(pool)

    def test_reflection_answers_several_questions_on_one_stream_in_order(self):
        for program, _ in self.each_program():
            answers = program.reflect(
                "grpc.reflection.v1",
                {"host": "h", "list_services": ""},
                {"file_containing_symbol": "no.such.Symbol"},
                {"file_by_filename": "grpc/health/v1/health.proto"},
                {"all_extension_numbers_of_type": "grpc.health.v1.HealthCheckRequest"},
                {})
            self.assertEqual([answer.WhichOneof("message_response") for answer in answers],
                             ["list_services_response", "error_response",
                              "file_descriptor_response", "all_extension_numbers_response",
                              "error_response"])
            self.assertEqual(answers[0].valid_host, "h")
            self.assertEqual(answers[1].error_response.error_code, 5)
            self.assertEqual(answers[1].original_request.file_containing_symbol, "no.such.Symbol")


if __name__ == "__main__":
    unittest.main()
