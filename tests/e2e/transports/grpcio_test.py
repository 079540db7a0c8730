"""Both transports and grpcio: their clients call our server, ours call theirs."""

import os
import sys
import unittest

import grpc

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from echo_peers import (DEADLINE, MODES, TRANSPORTS, Caller, GrpcioServer, OurServer,  # noqa: E402
                        ask_all, channel_to, pb)

LIMIT = 4 << 20  # of echo_server


class TheirClient:
    """grpcio calls echo_server; mixed into one class for each transport and mode."""

    transport = None
    mode = None

    @classmethod
    def setUpClass(cls):
        cls.server = OurServer(cls.transport, cls.mode)
        cls.channel = channel_to(cls.server.address, cls.mode)
        cls.call = Caller(cls.channel)

    @classmethod
    def tearDownClass(cls):
        cls.channel.close()
        assert cls.server.stop() == 0

    def refused(self, start):
        """The error that the call ends with."""
        with self.assertRaises(grpc.RpcError) as caught:
            result = start()
            if hasattr(result, "__iter__"):
                list(result)
        return caught.exception

    def test_payloads_of_every_size_come_back(self):
        for size in (0, 1, 5, 16379, 16384, 65535, 65536, 1 << 20, 4000000):
            payload = os.urandom(size)
            answer = self.call.unary(pb.EchoRequest(payload=payload), timeout=DEADLINE)
            self.assertEqual(answer.payload, payload)

    def test_gzip_is_taken_in(self):
        for size in (0, 100, 1000000):
            payload = b"compressible " * (size // 13)
            answer = self.call.unary(pb.EchoRequest(payload=payload), timeout=DEADLINE,
                                     compression=grpc.Compression.Gzip)
            self.assertEqual(answer.payload, payload)
        answer = self.call.collect(
            (pb.EchoRequest(payload=b"y" * 1000) for _ in range(100)), timeout=DEADLINE,
            compression=grpc.Compression.Gzip)
        self.assertEqual((answer.index, answer.bytes), (100, 100000))

    def test_a_gzip_bomb_is_refused(self):
        error = self.refused(lambda: self.call.unary(
            pb.EchoRequest(payload=bytes(200 << 20)), timeout=DEADLINE,
            compression=grpc.Compression.Gzip))
        self.assertEqual(error.code(), grpc.StatusCode.RESOURCE_EXHAUSTED)
        self.call.unary(pb.EchoRequest(), timeout=DEADLINE)

    def test_a_server_streams_in_order(self):
        answers = self.call.expand(pb.EchoRequest(repeat=2000, answer_bytes=3000), timeout=DEADLINE)
        self.assertEqual([answer.index for answer in answers], list(range(2000)))

    def test_a_client_streams(self):
        answer = self.call.collect((pb.EchoRequest(payload=b"y" * 1000) for _ in range(1000)),
                                   timeout=DEADLINE)
        self.assertEqual((answer.index, answer.bytes), (1000, 1000000))

    def test_both_stream(self):
        answers = self.call.chat((pb.EchoRequest(payload=b"y" * 5000) for _ in range(500)),
                                 timeout=DEADLINE)
        self.assertEqual([answer.index for answer in answers], list(range(500)))

    def test_many_at_once_get_their_own_answers(self):
        calls = [self.call.unary.future(pb.EchoRequest(payload=str(i).encode()), timeout=DEADLINE)
                 for i in range(300)]
        for i, call in enumerate(calls):
            self.assertEqual(call.result().payload, str(i).encode())

    def test_codes_and_messages_arrive_as_they_are(self):
        for code in list(grpc.StatusCode)[1:]:
            for message in ("as asked", "100% é ☃ 😀\n\t", " spaces "):
                error = self.refused(lambda: self.call.unary(
                    pb.EchoRequest(code=code.value[0], message=message), timeout=DEADLINE))
                self.assertEqual((error.code(), error.details()), (code, message))

    def test_an_error_follows_the_messages_sent_before_it(self):
        call = self.call.expand(pb.EchoRequest(repeat=3, code=15), timeout=DEADLINE)
        self.assertEqual([next(call).index for _ in range(3)], [0, 1, 2])
        self.assertEqual(self.refused(lambda: call).code(), grpc.StatusCode.DATA_LOSS)

    def test_metadata_travels_both_ways(self):
        sent = (("echo-plain", "plain ~ text"), ("echo-any-bin", bytes(range(256))),
                ("echo-empty-bin", b""), ("echo-list", "first"), ("echo-list", "second"))
        _, call = self.call.unary.with_call(pb.EchoRequest(), timeout=DEADLINE, metadata=sent)
        for back in (call.initial_metadata(), call.trailing_metadata()):
            self.assertEqual([tuple(item) for item in back if item[0].startswith("echo-")],
                             list(sent))

    def test_an_answer_without_messages_has_its_trailers(self):
        error = self.refused(lambda: self.call.unary(
            pb.EchoRequest(code=5), timeout=DEADLINE, metadata=(("echo-plain", "there"),)))
        self.assertIn(("echo-plain", "there"), [tuple(item) for item in error.trailing_metadata()])

    def test_a_deadline_is_kept(self):
        error = self.refused(lambda: self.call.unary(pb.EchoRequest(hold=True), timeout=0.3))
        self.assertEqual(error.code(), grpc.StatusCode.DEADLINE_EXCEEDED)
        self.assertTrue(self.server.cancelled.acquire(timeout=DEADLINE))

    def test_a_deadline_travels(self):
        answer = self.call.unary(pb.EchoRequest(), timeout=50)
        self.assertTrue(30000 < answer.deadline_left_ms <= 50500, answer.deadline_left_ms)

    def test_a_cancel_reaches_the_handler(self):
        call = self.call.expand(pb.EchoRequest(hold=True, repeat=1))
        next(call)
        call.cancel()
        self.assertTrue(self.server.cancelled.acquire(timeout=DEADLINE))

    def test_an_unknown_method_is_unimplemented(self):
        error = self.refused(lambda: self.call.nothing(pb.EchoRequest(), timeout=DEADLINE))
        self.assertEqual(error.code(), grpc.StatusCode.UNIMPLEMENTED)

    def test_bytes_that_are_no_message_are_refused(self):
        error = self.refused(lambda: self.call.raw(b"\x0a\xff\xff", timeout=DEADLINE))
        self.assertEqual(error.code(), grpc.StatusCode.INVALID_ARGUMENT)
        self.assertIn("payload", error.details())

    def test_a_message_beyond_the_limit_is_refused(self):
        error = self.refused(lambda: self.call.unary(
            pb.EchoRequest(payload=bytes(LIMIT + 1)), timeout=DEADLINE))
        self.assertEqual(error.code(), grpc.StatusCode.RESOURCE_EXHAUSTED)
        self.call.unary(pb.EchoRequest(), timeout=DEADLINE)

    def test_who_calls_is_known(self):
        answer = self.call.unary(pb.EchoRequest(), timeout=DEADLINE)
        self.assertEqual(answer.subject, "dev" if self.mode == "mtls" else "")
        self.assertRegex(answer.peer, "^unix:$" if self.mode == "unix" else r"^127\.0\.0\.1:\d+$")

    def test_without_a_certificate_mutual_tls_refuses(self):
        if self.mode != "mtls":
            return
        with channel_to(self.server.address, self.mode, client=None) as channel:
            error = self.refused(lambda: Caller(channel).unary(pb.EchoRequest(), timeout=DEADLINE))
        self.assertEqual(error.code(), grpc.StatusCode.UNAVAILABLE)


class OurClient:
    """echo_client calls grpcio; mixed into one class for each transport and mode."""

    transport = None
    mode = None

    def ask(self, compression):
        server = GrpcioServer(self.mode, compression)
        try:
            code, said = ask_all(self.transport, self.mode, server.address)
        finally:
            server.stop()
        self.assertEqual(code, 0, said)
        self.assertNotIn("not ok", said)

    def test_all_that_a_client_may_ask_is_answered(self):
        self.ask(None)

    def test_answers_in_gzip_are_read(self):
        self.ask(grpc.Compression.Gzip)


for _transport in TRANSPORTS:
    for _mode in MODES:
        for _half in (TheirClient, OurClient):
            _name = f"{_half.__name__}_{_transport}_{_mode}"
            globals()[_name] = type(_name, (_half, unittest.TestCase),
                                    {"transport": _transport, "mode": _mode,
                                     "__doc__": _half.__doc__})
