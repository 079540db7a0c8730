"""flow-store as a foreign client (grpcio) sees it."""

import hashlib
import os
import queue
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import threading
import time
import unittest

import grpc
from google.protobuf import descriptor_pb2

from contracts import Caller, messages

pb = messages("flowbalancer/v1/session_store")
health = messages("grpc/health/v1/health")

MIB = 1 << 20
OPTIONS = [
    ("grpc.max_receive_message_length", 64 * MIB),
    ("grpc.max_send_message_length", 64 * MIB),
    ("grpc.initial_reconnect_backoff_ms", 20),
    ("grpc.min_reconnect_backoff_ms", 20),
    ("grpc.max_reconnect_backoff_ms", 100),
]
DEADLINE = 30


class Store:
    """A running flow-store on a Unix socket in a folder of its own."""

    def __init__(self, *arguments):
        self.folder = tempfile.mkdtemp(prefix="flow-store-")
        self.arguments = arguments
        self.process = None
        self.channel = None
        self.start()

    @property
    def database(self):
        return os.path.join(self.folder, "store.db")

    def start(self):
        address = "unix:" + os.path.join(self.folder, "s")
        self.process = subprocess.Popen(
            [os.path.join(os.environ["FB_BIN"], "flow-store"), "--listen", address,
             "--database", self.database, "--log_level", "warn", *self.arguments],
            env=dict(os.environ, HOME=self.folder))
        self.channel = grpc.insecure_channel(address, OPTIONS)
        self.call = Caller(self.channel, pb, "SessionStoreService")
        Caller(self.channel, health, "Health").Check(
            health.HealthCheckRequest(service="flowbalancer.v1.SessionStoreService"),
            wait_for_ready=True, timeout=DEADLINE)

    def stop(self, how=signal.SIGTERM):
        self.channel.close()
        self.process.send_signal(how)
        return self.process.wait(DEADLINE)

    def remove(self):
        if self.process.poll() is None:
            self.stop(signal.SIGKILL)
        shutil.rmtree(self.folder)

    # --- short forms ---

    def acquire(self, session_id="s", owner="worker-1", **more):
        return self.call.AcquireSession(pb.AcquireSessionRequest(
            session_id=session_id, owner=owner, create=True, **more), timeout=DEADLINE)

    def append(self, epoch, expected, request_id, *payloads, session_id="s"):
        return self.call.AppendEvents(pb.AppendEventsRequest(
            session_id=session_id, epoch=epoch, expected_sequence=expected, request_id=request_id,
            events=[pb.NewEvent(kind=7, payload=payload) for payload in payloads]),
            timeout=DEADLINE)

    def load(self, session_id="s", **more):
        """(session, snapshot or None, events)"""
        session, snapshot, events = None, None, []
        for part in self.call.LoadSession(pb.LoadSessionRequest(session_id=session_id, **more),
                                          timeout=DEADLINE):
            if part.HasField("session"):
                session = part.session
            elif part.HasField("snapshot"):
                snapshot = (snapshot or b"") + part.snapshot.data
            else:
                events += part.events.events
        return session, snapshot, events


class StoreTest(unittest.TestCase):
    def setUp(self):
        self.store = Store()
        self.addCleanup(self.store.remove)

    def refused(self, code, call, *arguments, **more):
        """The error that a call ends with."""
        with self.assertRaises(grpc.RpcError) as caught:
            answer = call(*arguments, **more)
            if hasattr(answer, "__iter__"):
                list(answer)
        self.assertEqual(caught.exception.code(), code, caught.exception.details())
        return caught.exception

    def trailer(self, error, key):
        return dict(error.trailing_metadata()).get(key)


class Sessions(StoreTest):
    def test_what_is_appended_is_loaded(self):
        epoch = self.store.acquire().epoch
        answer = self.store.append(epoch, 0, "r1", b"one", b"", b"\0three")
        self.assertEqual((answer.first_sequence, answer.last_sequence), (1, 3))
        self.assertAlmostEqual(answer.unix_ms / 1000, time.time(), delta=60)
        session, snapshot, events = self.store.load()
        self.assertEqual(session.last_sequence, 3)
        self.assertIsNone(snapshot)
        self.assertEqual([e.payload for e in events], [b"one", b"", b"\0three"])
        self.assertEqual([e.sequence for e in events], [1, 2, 3])
        self.assertEqual({e.kind for e in events}, {7})

    def test_a_session_gets_an_id_and_is_found_by_name(self):
        made = self.store.acquire(session_id="", name="plans")
        self.assertTrue(made.created)
        self.assertRegex(made.session_id, r"^s-[a-z2-7]{24}$")
        again = self.store.acquire(session_id="", name="plans")
        self.assertEqual((again.session_id, again.epoch, again.created),
                         (made.session_id, made.epoch, False))

    def test_the_holder_of_a_session_is_told_to_others(self):
        self.store.acquire(lease_ms=60000)
        error = self.refused(grpc.StatusCode.FAILED_PRECONDITION, self.store.acquire,
                             owner="worker-2")
        self.assertEqual(self.trailer(error, "flowbalancer-reason"), "held")
        self.assertEqual(self.trailer(error, "flowbalancer-holder"), "worker-1")
        self.assertLessEqual(int(self.trailer(error, "flowbalancer-retry-ms")), 60000)

    def test_a_stale_owner_is_told_so_in_a_word(self):
        old = self.store.acquire().epoch
        self.store.acquire(owner="worker-2", take_over=True)
        error = self.refused(grpc.StatusCode.ABORTED, self.store.append, old, 0, "r", b"late")
        self.assertEqual(self.trailer(error, "flowbalancer-reason"), "stale-epoch")

    def test_a_wrong_sequence_is_told_with_the_right_one(self):
        epoch = self.store.acquire().epoch
        self.store.append(epoch, 0, "r1", b"a", b"b")
        error = self.refused(grpc.StatusCode.ABORTED, self.store.append, epoch, 1, "r2", b"c")
        self.assertEqual(self.trailer(error, "flowbalancer-reason"), "wrong-sequence")
        self.assertEqual(self.trailer(error, "flowbalancer-last-sequence"), "2")

    def test_a_repeated_request_answers_as_the_first(self):
        epoch = self.store.acquire().epoch
        first = self.store.append(epoch, 0, "r1", b"a")
        again = self.store.append(epoch, 0, "r1", b"a")
        self.assertTrue(again.repeated_request)
        self.assertEqual((again.first_sequence, again.unix_ms), (first.first_sequence, first.unix_ms))
        self.refused(grpc.StatusCode.ALREADY_EXISTS, self.store.append, epoch, 1, "r1", b"b")

    def test_leases_are_renewed_and_released(self):
        epoch = self.store.acquire().epoch
        renewed = self.store.call.RenewSessions(pb.RenewSessionsRequest(
            owner="worker-1", sessions=[pb.HeldSession(session_id="s", epoch=epoch),
                                        pb.HeldSession(session_id="none", epoch=1)]))
        self.assertEqual(list(renewed.lost_session_ids), ["none"])
        self.store.call.ReleaseSession(pb.ReleaseSessionRequest(session_id="s", epoch=epoch))
        self.assertEqual(self.store.acquire(owner="worker-2").epoch, epoch + 1)

    def test_sessions_are_listed_in_pages(self):
        for i in range(25):
            self.store.acquire(session_id=f"id-{i}", name=f"übung {i:02}")
        self.store.acquire(session_id="other", name="else")
        names, token = [], ""
        while True:
            page = self.store.call.ListSessions(pb.ListSessionsRequest(
                name_prefix="übung", page_size=10, page_token=token))
            self.assertLessEqual(len(page.sessions), 10)
            names += [session.name for session in page.sessions]
            token = page.next_page_token
            if not token:
                break
        self.assertEqual(names, [f"übung {i:02}" for i in range(25)])

    def test_a_deleted_session_is_gone(self):
        epoch = self.store.acquire().epoch
        self.refused(grpc.StatusCode.FAILED_PRECONDITION, self.store.call.DeleteSession,
                     pb.DeleteSessionRequest(session_id="s"))
        self.store.call.DeleteSession(pb.DeleteSessionRequest(session_id="s", epoch=epoch))
        self.refused(grpc.StatusCode.NOT_FOUND, self.store.call.LoadSession,
                     pb.LoadSessionRequest(session_id="s"))

    def test_a_session_of_another_scope_is_not_there(self):
        self.store.acquire(scope="one")
        self.refused(grpc.StatusCode.NOT_FOUND, self.store.call.LoadSession,
                     pb.LoadSessionRequest(session_id="s", scope="two"))


class Snapshots(StoreTest):
    def test_a_snapshot_of_16_mib_comes_before_the_events_after_it(self):
        data = os.urandom(MIB) * 16
        epoch = self.store.acquire().epoch
        self.store.append(epoch, 0, "r1", *[b"%d" % i for i in range(1, 6)])
        self.store.call.PutSnapshot(pb.PutSnapshotRequest(
            session_id="s", epoch=epoch, sequence=3, data=data), timeout=DEADLINE)
        session, snapshot, events = self.store.load()
        self.assertEqual(session.snapshot_sequence, 3)
        self.assertEqual(hashlib.sha256(snapshot).digest(), hashlib.sha256(data).digest())
        self.assertEqual([e.payload for e in events], [b"4", b"5"])
        _, snapshot, events = self.store.load(after_sequence=4)
        self.assertIsNone(snapshot)
        self.assertEqual([e.payload for e in events], [b"5"])

    def test_a_snapshot_in_parts_comes_whole(self):
        data = os.urandom(MIB) * 40 + b"end"
        epoch = self.store.acquire().epoch
        self.store.append(epoch, 0, "r1", b"a", b"b")
        for offset in range(0, len(data), 16 * MIB):
            answer = self.store.call.PutSnapshot(pb.PutSnapshotRequest(
                session_id="s", epoch=epoch, sequence=1, offset=offset, total_bytes=len(data),
                data=data[offset:offset + 16 * MIB]), timeout=DEADLINE)
            self.assertEqual(answer.complete, offset + 16 * MIB >= len(data))
        session, snapshot, events = self.store.load()
        self.assertEqual((session.snapshot_sequence, len(events)), (1, 1))
        self.assertEqual(hashlib.sha256(snapshot).digest(), hashlib.sha256(data).digest())

    def test_a_long_session_is_loaded_whole_by_a_slow_reader(self):
        epoch = self.store.acquire().epoch
        for i in range(12):
            self.store.append(epoch, i * 4, f"r{i}", *[os.urandom(MIB - 100)] * 4)
        count, largest = 0, 0
        for part in self.store.call.LoadSession(pb.LoadSessionRequest(session_id="s"),
                                                timeout=DEADLINE):
            count += len(part.events.events)
            largest = max(largest, part.ByteSize())
        self.assertEqual(count, 48)
        self.assertLess(largest, 2 * MIB)

    def test_loading_beyond_the_end_is_out_of_range(self):
        self.store.acquire()
        self.refused(grpc.StatusCode.OUT_OF_RANGE, self.store.call.LoadSession,
                     pb.LoadSessionRequest(session_id="s", after_sequence=1))


class Projections(StoreTest):
    def plan(self, session_id="s", tasks=(), **more):
        """A session with one event that shows these (title, more of TaskLine)."""
        epoch = self.store.acquire(session_id=session_id, **more).epoch
        self.store.call.AppendEvents(pb.AppendEventsRequest(
            session_id=session_id, epoch=epoch, request_id="plan", events=[pb.NewEvent()],
            projection=pb.Projection(sequence=1, line=pb.SessionLine(
                flow_state=2, progress_permille=170, tasks_by_state=[len(tasks)],
                alarms=[pb.SessionAlarm(kind=3, task=1, since_unix_ms=5)]), tasks=[
                    pb.TaskLine(**{"number": number, "updated_unix_ms": number, **fields,
                                   "texts": pb.TaskTexts(title=title)})
                    for number, (title, fields) in enumerate(tasks, 1)])), timeout=DEADLINE)
        return epoch

    def search(self, **request):
        """(found tasks, last message)"""
        found, last = [], None
        for last in self.store.call.SearchTasks(pb.SearchTasksRequest(**request), timeout=DEADLINE):
            self.assertLessEqual(len(last.tasks), 256)
            found += last.tasks
        self.assertTrue(last.done)
        return found, last

    def test_what_is_shown_with_an_append_is_found_and_listed(self):
        self.plan(tasks=[("Parse the file", {"state": 1, "agent": "ada", "priority": 2,
                                             "weight": 5, "percent": 40}), ("Release", {})])
        found, last = self.search(text="parse fi*")
        self.assertEqual([each.task.number for each in found], [1])
        self.assertEqual(found[0].session_id, "s")
        self.assertEqual((found[0].task.agent, found[0].task.percent), ("ada", 40))
        self.assertEqual(found[0].task.texts.title, "Parse the file")
        self.assertEqual(found[0].snippet, "\x02Parse\x03 the \x02file\x03")
        self.assertGreater(found[0].rank, 0)
        self.assertEqual((last.next_page_token, list(last.behind_session_ids)), ("", []))
        listed = self.store.call.ListSessions(pb.ListSessionsRequest()).sessions[0]
        self.assertEqual((listed.projection_sequence, listed.line.progress_permille), (1, 170))
        self.assertEqual(listed.line.alarms[0].task, 1)
        self.assertEqual(self.store.load()[0].line, listed.line)

    def test_filters_choose(self):
        self.plan(tasks=[("a", {"state": 0, "priority": 4}), ("b", {"state": 1, "agent": "ada"}),
                         ("c", {"state": 4, "weight": 9})])
        for request, numbers in [
                ({}, [3, 2, 1]), ({"states": [0, 4]}, [3, 1]), ({"agent": "ada"}, [2]),
                ({"priority_least": 1}, [1]), ({"priority_below": 1}, [3, 2]),
                ({"weight_least": 9, "weight_most": 9}, [3]), ({"updated_since_unix_ms": 2}, [3, 2]),
                ({"order": pb.TASK_ORDER_PRIORITY}, [3, 2, 1]), ({"text": "b"}, [2])]:
            with self.subTest(request=request):
                self.assertEqual([each.task.number for each in self.search(**request)[0]], numbers)

    def test_a_plan_larger_than_an_append_is_shown_by_what_follows(self):
        epoch = self.plan(tasks=[(f"first {number}", {}) for number in range(100)])
        self.store.append(epoch, 1, "r2", b"more tasks")
        self.assertEqual(list(self.search(text="first")[1].behind_session_ids), ["s"])
        for begin in range(101, 32869, 16384):
            self.store.call.PutProjection(pb.PutProjectionRequest(
                session_id="s", epoch=epoch, projection=pb.Projection(
                    sequence=2 if begin > 16485 - 1 else 1, tasks=[
                        pb.TaskLine(number=number, updated_unix_ms=number,
                                    texts=pb.TaskTexts(title=f"further {number}"))
                        for number in range(begin, begin + 16384)])), timeout=DEADLINE)
        found, last = self.search(text="further", page_size=10000, no_snippets=True)
        self.assertEqual(len(found), 10000)
        self.assertEqual(list(last.behind_session_ids), [])
        more, last = self.search(text="further", page_size=10000, page_token=last.next_page_token)
        self.assertEqual(len({each.task.number for each in found} |
                             {each.task.number for each in more}), 20000)
        for sequence, reason in ((3, "wrong-sequence"), (2, "stale-epoch")):
            error = self.refused(grpc.StatusCode.ABORTED, self.store.call.PutProjection,
                                 pb.PutProjectionRequest(
                                     session_id="s", epoch=epoch + (sequence == 2),
                                     projection=pb.Projection(sequence=sequence)))
            self.assertEqual(self.trailer(error, "flowbalancer-reason"), reason)

    def test_no_text_is_an_error(self):
        self.plan(tasks=[("Parse the file", {})])
        for text in ('"', '""', '*', 'AND', 'OR NOT', 'NEAR(', 'title:x', '^', '(', ')', "'", '-', ' ',
                     '{a b}:c', '+', '"*', 'a"', ':', '\\', '\U0001f980', 'x' * 1024, 'x* ' * 64):
            with self.subTest(text=text):
                self.assertEqual(self.search(text=text)[0], [])
        self.assertEqual(len(self.search(text='(parse) AND* file')[0]), 0)
        self.assertEqual(len(self.search(text='(parse) -file')[0]), 1)

    def test_sessions_are_listed_by_their_last_event_in_pages(self):
        ids = [f"s{number}" for number in range(5)]
        for session_id in ids:
            self.plan(session_id)
            start = time.time()
            while int(time.time() * 1000) == int(start * 1000):
                pass
        seen, token = [], ""
        while True:
            page = self.store.call.ListSessions(pb.ListSessionsRequest(
                order=pb.SESSION_ORDER_UPDATED, page_size=2, page_token=token))
            seen += [session.session_id for session in page.sessions]
            token = page.next_page_token
            if not token:
                break
        self.assertEqual(seen, ids[::-1])
        since = page.sessions[0].updated_unix_ms + 1
        self.assertEqual(len(self.store.call.ListSessions(pb.ListSessionsRequest(
            updated_since_unix_ms=since)).sessions), 4)

    def test_what_is_shown_survives_a_restart_and_goes_with_the_session(self):
        epoch = self.plan(tasks=[("kept", {})])
        self.store.stop(signal.SIGKILL)
        self.store.start()
        self.assertEqual(len(self.search(text="kept")[0]), 1)
        self.assertEqual(list(self.store.call.Check(pb.CheckRequest()))[-1].findings_total, 0)
        self.store.call.DeleteSession(pb.DeleteSessionRequest(session_id="s", epoch=epoch))
        self.assertEqual(self.search(text="kept")[0], [])
        self.refused(grpc.StatusCode.NOT_FOUND, self.store.call.SearchTasks,
                     pb.SearchTasksRequest(session_id="s"))


class Watching(StoreTest):
    def watch(self, method, request):
        """The stream and a queue of what it brings, with the error at its end."""
        stream = method(request)
        seen = queue.Queue()

        def read():
            try:
                for part in stream:
                    seen.put(part)
                seen.put(None)
            except grpc.RpcError as error:
                seen.put(error)

        threading.Thread(target=read, daemon=True).start()
        self.addCleanup(stream.cancel)
        return stream, seen

    def watch_session(self, after=0):
        return self.watch(self.store.call.WatchSession,
                          pb.WatchSessionRequest(session_id="s", after_sequence=after))

    def test_a_watcher_sees_what_was_and_what_comes(self):
        epoch = self.store.acquire().epoch
        self.store.append(epoch, 0, "r1", b"a", b"b")
        _, seen = self.watch_session()
        self.assertEqual([e.payload for e in seen.get(timeout=DEADLINE).events.events], [b"a", b"b"])
        self.assertEqual(seen.get(timeout=DEADLINE).caught_up.last, 2)
        self.store.append(epoch, 2, "r2", b"c")
        self.assertEqual([e.payload for e in seen.get(timeout=DEADLINE).events.events], [b"c"])

    def test_a_watcher_that_was_cut_off_resumes_without_a_gap_or_a_repeat(self):
        epoch = self.store.acquire().epoch
        writer = threading.Thread(target=lambda: [
            self.store.append(epoch, i, f"r{i}", b"%d" % (i + 1)) for i in range(300)])
        writer.start()
        sequences = []
        while len(sequences) < 300:
            stream, seen = self.watch_session(sequences[-1] if sequences else 0)
            for _ in range(5):
                part = seen.get(timeout=DEADLINE)
                if isinstance(part, grpc.RpcError):
                    break
                sequences += [e.sequence for e in part.events.events]
                if len(sequences) >= 300:
                    break
            stream.cancel()
        writer.join()
        self.assertEqual(sequences, list(range(1, 301)))

    def test_many_watchers_all_see_everything(self):
        epoch = self.store.acquire().epoch
        watchers = [self.watch_session()[1] for _ in range(50)]
        for seen in watchers:
            self.assertEqual(seen.get(timeout=DEADLINE).caught_up.last, 0)
        for i in range(20):
            self.store.append(epoch, i, f"r{i}", b"x")
        for seen in watchers:
            sequences = []
            while len(sequences) < 20:
                sequences += [e.sequence for e in seen.get(timeout=DEADLINE).events.events]
            self.assertEqual(sequences, list(range(1, 21)))

    def test_a_watched_session_that_is_deleted_is_not_found(self):
        epoch = self.store.acquire().epoch
        _, seen = self.watch_session()
        self.assertTrue(seen.get(timeout=DEADLINE).HasField("caught_up"))
        self.store.call.DeleteSession(pb.DeleteSessionRequest(session_id="s", epoch=epoch))
        self.assertEqual(seen.get(timeout=DEADLINE).code(), grpc.StatusCode.NOT_FOUND)

    def test_a_store_that_goes_down_ends_its_watchers_and_itself(self):
        self.store.acquire()
        _, seen = self.watch_session()
        self.assertTrue(seen.get(timeout=DEADLINE).HasField("caught_up"))
        self.store.process.send_signal(signal.SIGTERM)
        self.assertEqual(seen.get(timeout=DEADLINE).code(), grpc.StatusCode.UNAVAILABLE)
        self.assertEqual(self.store.process.wait(DEADLINE), 0)

    def test_the_catalogue_is_watched(self):
        entry = pb.CatalogueEntry(server="git", config_digest=b"\1" * 32,
                                  kind=pb.CATALOGUE_KIND_TOOLS, items_json=[b'{"name":"log"}'])
        self.store.call.PutCatalogueEntry(pb.PutCatalogueEntryRequest(entry=entry))
        _, seen = self.watch(self.store.call.WatchCatalogue, pb.WatchCatalogueRequest())
        self.assertEqual(seen.get(timeout=DEADLINE).entry.server, "git")
        self.assertEqual(seen.get(timeout=DEADLINE).caught_up.last, 1)
        entry.items_json.append(b'{"name":"show"}')
        self.store.call.PutCatalogueEntry(pb.PutCatalogueEntryRequest(entry=entry))
        changed = seen.get(timeout=DEADLINE).entry
        self.assertEqual((len(changed.items_json), changed.version), (2, 2))


class Catalogue(StoreTest):
    def test_watching_from_beyond_the_last_version_is_out_of_range(self):
        self.refused(grpc.StatusCode.OUT_OF_RANGE, self.store.call.WatchCatalogue,
                     pb.WatchCatalogueRequest(after_version=1), timeout=DEADLINE)

    def test_entries_come_back_as_they_went(self):
        entry = pb.CatalogueEntry(
            server="git", config_digest=bytes(range(32)), kind=pb.CATALOGUE_KIND_PROMPTS,
            items_json=[b'{"name":"a","n":1e400}', b"{}"], server_info_json=b'{"name":"git"}',
            capabilities_json=b'{"tools":{}}', instructions="Läuft.", era=pb.PROTOCOL_ERA_LEGACY,
            revision="2025-11-25", fetched_unix_ms=123, ttl_ms=456)
        put = self.store.call.PutCatalogueEntry(pb.PutCatalogueEntryRequest(entry=entry))
        self.assertTrue(put.changed)
        entry.version = put.version
        got = list(self.store.call.GetCatalogue(pb.GetCatalogueRequest()))
        self.assertEqual([answer.entry for answer in got], [entry])
        entry.fetched_unix_ms = 999
        put = self.store.call.PutCatalogueEntry(pb.PutCatalogueEntryRequest(entry=entry))
        self.assertFalse(put.changed)
        self.assertEqual(put.version, entry.version)

    def test_a_large_catalogue_is_read_whole_and_in_order(self):
        for i in range(40):
            self.store.call.PutCatalogueEntry(pb.PutCatalogueEntryRequest(entry=pb.CatalogueEntry(
                server=f"server-{39 - i:02}", config_digest=b"\0" * 32,
                kind=pb.CATALOGUE_KIND_TOOLS, items_json=[os.urandom(2000)] * 100)))
        got = [answer.entry.server for answer in
               self.store.call.GetCatalogue(pb.GetCatalogueRequest(), timeout=DEADLINE)]
        self.assertEqual(got, [f"server-{i:02}" for i in range(40)])
        chosen = list(self.store.call.GetCatalogue(pb.GetCatalogueRequest(filters=[
            pb.CatalogueFilter(server="server-07"), pb.CatalogueFilter(server="none")])))
        self.assertEqual([answer.entry.server for answer in chosen], ["server-07"])


class BlobsAndResults(StoreTest):
    def test_a_blob_of_16_mib_comes_back_in_chunks(self):
        data = os.urandom(MIB) * 16
        sha256 = self.store.call.PutBlob(pb.PutBlobRequest(data=data), timeout=DEADLINE).sha256
        self.assertEqual(sha256, hashlib.sha256(data).digest())
        chunks = list(self.store.call.GetBlob(pb.GetBlobRequest(sha256=sha256), timeout=DEADLINE))
        self.assertEqual(len(chunks), 16)
        self.assertEqual(b"".join(chunk.data for chunk in chunks), data)

    def test_an_empty_blob_is_one_empty_chunk(self):
        sha256 = self.store.call.PutBlob(pb.PutBlobRequest()).sha256
        chunks = list(self.store.call.GetBlob(pb.GetBlobRequest(sha256=sha256)))
        self.assertEqual([(chunk.total_bytes, chunk.data) for chunk in chunks], [(0, b"")])

    def test_a_wrong_digest_is_refused(self):
        self.refused(grpc.StatusCode.INVALID_ARGUMENT, self.store.call.PutBlob,
                     pb.PutBlobRequest(data=b"x", sha256=b"\0" * 32))
        self.refused(grpc.StatusCode.NOT_FOUND, self.store.call.GetBlob,
                     pb.GetBlobRequest(sha256=b"\0" * 32))

    def test_a_result_is_kept(self):
        self.store.call.PutResult(pb.PutResultRequest(key=b"\0k", value=b"v", ttl_ms=60000))
        got = self.store.call.GetResult(pb.GetResultRequest(key=b"\0k"))
        self.assertEqual((got.value, got.expires_unix_ms - got.stored_unix_ms), (b"v", 60000))
        self.refused(grpc.StatusCode.NOT_FOUND, self.store.call.GetResult,
                     pb.GetResultRequest(key=b"\0k", scope="other"))


class BadInput(StoreTest):
    def test_each_bad_field_is_named(self):
        call = self.store.call
        good = dict(session_id="s", epoch=1, request_id="r", events=[pb.NewEvent()])
        large = pb.NewEvent(payload=b"x" * (MIB + 1))
        fit = pb.NewEvent(payload=b"x" * MIB)
        cases = [
            (call.AcquireSession, pb.AcquireSessionRequest(session_id="s"), "owner"),
            (call.AcquireSession, pb.AcquireSessionRequest(owner="w"), "session_id"),
            (call.AcquireSession, pb.AcquireSessionRequest(session_id="a b", owner="w"), "session_id"),
            (call.AcquireSession, pb.AcquireSessionRequest(session_id="ü", owner="w"), "session_id"),
            (call.AcquireSession, pb.AcquireSessionRequest(session_id="x" * 129, owner="w"),
             "session_id"),
            (call.AcquireSession, pb.AcquireSessionRequest(name="a\nb", owner="w"), "name"),
            (call.AcquireSession, pb.AcquireSessionRequest(name="x" * 257, owner="w"), "name"),
            (call.AcquireSession, pb.AcquireSessionRequest(name="n", owner="w", lease_ms=1),
             "lease_ms"),
            (call.AppendEvents, pb.AppendEventsRequest(**{**good, "session_id": ""}), "session_id"),
            (call.AppendEvents, pb.AppendEventsRequest(**{**good, "epoch": 0}), "epoch"),
            (call.AppendEvents, pb.AppendEventsRequest(**good, expected_sequence=-1),
             "expected_sequence"),
            (call.AppendEvents, pb.AppendEventsRequest(**{**good, "request_id": ""}), "request_id"),
            (call.AppendEvents, pb.AppendEventsRequest(**{**good, "events": []}), "events"),
            (call.AppendEvents, pb.AppendEventsRequest(**{**good, "events": [pb.NewEvent()] * 4097}),
             "events"),
            (call.AppendEvents, pb.AppendEventsRequest(**{**good, "events": [large]}),
             "events.payload"),
            (call.AppendEvents, pb.AppendEventsRequest(**{**good, "events": [fit] * 17}), "events"),
            (call.PutSnapshot, pb.PutSnapshotRequest(session_id="s", epoch=1, sequence=0),
             "sequence"),
            (call.PutSnapshot, pb.PutSnapshotRequest(session_id="s", epoch=1, sequence=1,
                                                     data=b"x" * (16 * MIB + 1)), "data"),
            (call.PutSnapshot, pb.PutSnapshotRequest(session_id="s", epoch=1, sequence=1, offset=1,
                                                     data=b"x"), "offset"),
            (call.PutSnapshot, pb.PutSnapshotRequest(session_id="s", epoch=1, sequence=1, offset=3,
                                                     total_bytes=4, data=b"xx"), "data"),
            (call.PutSnapshot, pb.PutSnapshotRequest(session_id="s", epoch=1, sequence=1,
                                                     total_bytes=4), "data"),
            (call.PutSnapshot, pb.PutSnapshotRequest(
                session_id="s", epoch=1, sequence=1, total_bytes=512 * MIB + 1, data=b"x"),
             "total_bytes"),
            (call.AppendEvents, pb.AppendEventsRequest(
                **good, projection=pb.Projection(sequence=2)), "projection.sequence"),
            (call.PutProjection, pb.PutProjectionRequest(session_id="s", epoch=1), "projection"),
            *[(call.PutProjection, pb.PutProjectionRequest(
                session_id="s", epoch=1, projection=pb.Projection(tasks=[pb.TaskLine(**task)])),
               "projection.tasks." + field) for task, field in [
                   ({}, "number"), ({"number": 1000001}, "number"),
                   ({"number": 1, "state": 32}, "state"), ({"number": 1, "percent": 101}, "percent"),
                   ({"number": 1, "agent": "x" * 129}, "agent"),
                   ({"number": 1, "texts": pb.TaskTexts(title="x" * 513)}, "texts.title"),
                   ({"number": 1, "texts": pb.TaskTexts(body="x" * 16385)}, "texts.body")]],
            (call.PutProjection, pb.PutProjectionRequest(session_id="s", epoch=1, projection=pb.Projection(
                line=pb.SessionLine(progress_permille=1001))), "projection.line.progress_permille"),
            (call.SearchTasks, pb.SearchTasksRequest(order=pb.TASK_ORDER_RANK), "order"),
            (call.SearchTasks, pb.SearchTasksRequest(order=9), "order"),
            (call.SearchTasks, pb.SearchTasksRequest(text="x" * 1025), "text"),
            (call.SearchTasks, pb.SearchTasksRequest(text="x " * 65), "text"),
            (call.SearchTasks, pb.SearchTasksRequest(text="a\nb"), "text"),
            (call.SearchTasks, pb.SearchTasksRequest(states=[32]), "states"),
            (call.SearchTasks, pb.SearchTasksRequest(page_size=10001), "page_size"),
            (call.SearchTasks, pb.SearchTasksRequest(page_token="x"), "page_token"),
            (call.SearchTasks, pb.SearchTasksRequest(page_token="f" * 48), "page_token"),
            (call.ListSessions, pb.ListSessionsRequest(order=2), "order"),
            (call.ListSessions, pb.ListSessionsRequest(
                order=pb.SESSION_ORDER_UPDATED, page_token="612062"), "page_token"),
            (call.LoadSession, pb.LoadSessionRequest(), "session_id"),
            (call.WatchSession, pb.WatchSessionRequest(session_id="s", after_sequence=-1),
             "after_sequence"),
            (call.ListSessions, pb.ListSessionsRequest(page_size=1001), "page_size"),
            (call.ListSessions, pb.ListSessionsRequest(page_token="zz"), "page_token"),
            (call.ListSessions, pb.ListSessionsRequest(page_token="6100"), "page_token"),
            (call.DeleteSession, pb.DeleteSessionRequest(session_id="s", epoch=-1), "epoch"),
            (call.RenewSessions, pb.RenewSessionsRequest(
                owner="w", sessions=[pb.HeldSession(session_id="", epoch=1)]),
             "sessions.session_id"),
            (call.ReleaseSession, pb.ReleaseSessionRequest(session_id="s"), "epoch"),
            (call.PutBlob, pb.PutBlobRequest(sha256=b"x"), "sha256"),
            (call.PutBlob, pb.PutBlobRequest(data=b"x" * (16 * MIB + 1)), "data"),
            (call.GetBlob, pb.GetBlobRequest(), "sha256"),
            (call.PutCatalogueEntry, pb.PutCatalogueEntryRequest(), "entry"),
            (call.PutCatalogueEntry, pb.PutCatalogueEntryRequest(entry=pb.CatalogueEntry(
                server="a", config_digest=b"\0" * 32)), "entry.kind"),
            (call.PutCatalogueEntry, pb.PutCatalogueEntryRequest(entry=pb.CatalogueEntry(
                server="a", config_digest=b"\0" * 31, kind=1)), "entry.config_digest"),
            (call.PutCatalogueEntry, pb.PutCatalogueEntryRequest(entry=pb.CatalogueEntry(
                server="a", config_digest=b"\0" * 32, kind=1, items_json=[b"x"] * 10001)),
             "entry.items_json"),
            (call.GetCatalogue, pb.GetCatalogueRequest(
                filters=[pb.CatalogueFilter(config_digest=b"x")]), "filters.config_digest"),
            (call.PutResult, pb.PutResultRequest(ttl_ms=1), "key"),
            (call.PutResult, pb.PutResultRequest(key=b"k"), "ttl_ms"),
            (call.GetResult, pb.GetResultRequest(key=b"x" * 257), "key"),
            (call.Backup, pb.BackupRequest(path="../x"), "path"),
            (call.Backup, pb.BackupRequest(path="/etc/x"), "path"),
            (call.Backup, pb.BackupRequest(path="a//b"), "path"),
            (call.Backup, pb.BackupRequest(path="a/"), "path"),
        ]
        for method, request, field in cases:
            with self.subTest(request=str(request)[:80], field=field):
                error = self.refused(grpc.StatusCode.INVALID_ARGUMENT, method, request,
                                     timeout=DEADLINE)
                self.assertTrue(error.details().startswith(field + ":"), error.details())
        self.store.acquire()  # it lives on

    def test_bytes_that_are_no_message_are_refused_and_the_store_lives_on(self):
        raw = self.store.channel.unary_unary("/flowbalancer.v1.SessionStoreService/AppendEvents")
        for junk in (b"\xff", b"\x0a\xff\xff\xff\xff\x0f", b"\x0a\x02\xff\xfe", os.urandom(5000)):
            with self.subTest(junk=junk[:8]):
                self.refused(grpc.StatusCode.INVALID_ARGUMENT, raw, junk, timeout=DEADLINE)
        raw = self.store.channel.unary_unary("/flowbalancer.v1.SessionStoreService/NoSuchMethod")
        self.refused(grpc.StatusCode.UNIMPLEMENTED, raw, b"", timeout=DEADLINE)
        self.store.acquire()

    def test_the_largest_append_is_taken(self):
        epoch = self.store.acquire().epoch
        self.store.append(epoch, 0, "r1", *[os.urandom(MIB)] * 16)
        self.store.append(epoch, 16, "r2", *[b""] * 4096)
        _, _, events = self.store.load()
        self.assertEqual(len(events), 16 + 4096)


class Care(StoreTest):
    def test_a_backup_while_writing_is_a_whole_store(self):
        epoch = self.store.acquire().epoch
        stop = threading.Event()

        def write():
            sequence = 0
            while not stop.is_set():
                sequence = self.store.append(epoch, sequence, f"r{sequence}",
                                             os.urandom(20000)).last_sequence

        writer = threading.Thread(target=write)
        writer.start()
        while self.store.load()[0].last_sequence < 50:
            pass
        told = list(self.store.call.Backup(pb.BackupRequest(path="copy.db"), timeout=DEADLINE))
        stop.set()
        writer.join()
        self.assertTrue(told[-1].done)
        self.assertEqual(told[-1].size_bytes, os.path.getsize(told[-1].path))
        self.refused(grpc.StatusCode.ALREADY_EXISTS, self.store.call.Backup,
                     pb.BackupRequest(path=told[-1].path))
        with sqlite3.connect(told[-1].path) as copy:
            self.assertEqual(copy.execute("PRAGMA integrity_check").fetchone(), ("ok",))
            self.assertGreaterEqual(
                copy.execute("SELECT last_sequence FROM session").fetchone()[0], 50)

    def test_a_backup_without_a_name_is_named_after_the_time(self):
        told = list(self.store.call.Backup(pb.BackupRequest(), timeout=DEADLINE))
        self.assertRegex(told[-1].path, r"/backups/store-\d{8}T\d{6}Z\.db$")

    def test_a_check_counts_and_finds(self):
        epoch = self.store.acquire().epoch
        self.store.append(epoch, 0, "r1", b"one", b"two")
        told = list(self.store.call.Check(pb.CheckRequest(), timeout=DEADLINE))
        self.assertEqual((told[-1].sessions, told[-1].events, told[-1].findings_total), (1, 2, 0))
        self.store.stop()
        with sqlite3.connect(self.store.database) as database:
            database.execute("UPDATE batch SET unix_ms = 1")
        database.close()
        self.store.start()
        told = list(self.store.call.Check(pb.CheckRequest(), timeout=DEADLINE))
        self.assertEqual(told[-1].findings_total, 1)
        self.assertIn("digest", told[-1].findings[0])
        self.refused(grpc.StatusCode.DATA_LOSS, self.store.call.LoadSession,
                     pb.LoadSessionRequest(session_id="s"))


class Reflection(StoreTest):
    def test_a_client_without_our_protos_learns_of_the_service(self):
        reflection = messages("grpc/reflection/v1/reflection")
        ask = reflection.ServerReflectionRequest
        answers = Caller(self.store.channel, reflection, "ServerReflection").ServerReflectionInfo(
            iter([ask(list_services="*"),
                  ask(file_containing_symbol="flowbalancer.v1.SessionStoreService"),
                  ask(file_by_filename="no.proto")]), timeout=DEADLINE)
        services, file, missing = list(answers)
        self.assertIn("flowbalancer.v1.SessionStoreService",
                      [service.name for service in services.list_services_response.service])
        written = [descriptor_pb2.FileDescriptorProto.FromString(each) for each in
                   file.file_descriptor_response.file_descriptor_proto]
        self.assertEqual([each.name for each in written], ["flowbalancer/v1/session_store.proto"])
        self.assertEqual([method.name for method in written[0].service[0].method],
                         list(pb.DESCRIPTOR.services_by_name["SessionStoreService"].methods_by_name))
        self.assertEqual(missing.error_response.error_code, 5)


class Life(StoreTest):
    def test_kill_9_under_load_loses_nothing_that_was_acknowledged(self):
        acknowledged = {}
        for round_ in range(10):
            stop = []

            def write(number):
                owner, session_id = f"worker-{round_}", f"s{number}"
                got = self.store.acquire(session_id=session_id, owner=owner, take_over=True)
                sequence = got.last_sequence
                try:
                    while not stop:
                        sequence = self.store.append(
                            got.epoch, sequence, f"r{sequence}", b"%d" % (sequence + 1),
                            session_id=session_id).last_sequence
                        acknowledged[session_id] = sequence
                except grpc.RpcError:
                    pass

            before = sum(acknowledged.values())
            writers = [threading.Thread(target=write, args=(number,)) for number in range(8)]
            for writer in writers:
                writer.start()
            while sum(acknowledged.values()) < before + 100:
                self.assertTrue(any(writer.is_alive() for writer in writers))
            self.store.process.kill()
            self.store.process.wait()
            stop.append(True)
            for writer in writers:
                writer.join()
            self.store.start()
            for session_id, sequence in acknowledged.items():
                _, _, events = self.store.load(session_id)
                self.assertGreaterEqual(len(events), sequence)
                self.assertEqual([e.payload for e in events],
                                 [b"%d" % (i + 1) for i in range(len(events))])

    def test_kill_9_never_parts_what_is_shown_from_what_happened(self):
        for round_ in range(5):
            stop, done = [], []

            def write(number):
                session_id = f"s{number}"
                got = self.store.acquire(session_id=session_id, owner=f"w{round_}", take_over=True)
                sequence = got.last_sequence
                try:
                    while not stop:
                        sequence += 1
                        self.store.call.AppendEvents(pb.AppendEventsRequest(
                            session_id=session_id, epoch=got.epoch, expected_sequence=sequence - 1,
                            request_id=f"r{sequence}", events=[pb.NewEvent(payload=b"x")],
                            projection=pb.Projection(sequence=sequence, tasks=[pb.TaskLine(
                                number=sequence, updated_unix_ms=sequence,
                                texts=pb.TaskTexts(title=f"step {sequence}"))])), timeout=DEADLINE)
                        done.append(sequence)
                except grpc.RpcError:
                    pass

            writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
            for writer in writers:
                writer.start()
            while len(done) < 60:
                self.assertTrue(any(writer.is_alive() for writer in writers))
            self.store.process.kill()
            self.store.process.wait()
            stop.append(True)
            for writer in writers:
                writer.join()
            self.store.start()
            told = list(self.store.call.Check(pb.CheckRequest(), timeout=DEADLINE))[-1]
            self.assertEqual(list(told.findings), [])
            for session in self.store.call.ListSessions(pb.ListSessionsRequest()).sessions:
                self.assertEqual(session.projection_sequence, session.last_sequence)
                found = [each.task.number for part in self.store.call.SearchTasks(
                    pb.SearchTasksRequest(session_id=session.session_id, text="step",
                                          order=pb.TASK_ORDER_UPDATED, page_size=10000))
                         for each in part.tasks]
                self.assertEqual(found, list(range(session.last_sequence, 0, -1)))

    def test_a_full_store_says_so_and_keeps_what_it_has(self):
        small = Store("--size_limit", "1MiB")
        self.addCleanup(small.remove)
        epoch = small.acquire().epoch
        small.append(epoch, 0, "r1", b"kept")
        error = self.refused(grpc.StatusCode.RESOURCE_EXHAUSTED, small.append, epoch, 1, "r2",
                             os.urandom(MIB))
        self.assertEqual(self.trailer(error, "flowbalancer-reason"), "disk-full")
        small.append(epoch, 1, "r3", b"fits")
        self.assertEqual([e.payload for e in small.load()[2]], [b"kept", b"fits"])

    def test_a_disk_that_fails_is_unavailable_until_it_is_back(self):
        epoch = self.store.acquire().epoch
        self.store.append(epoch, 0, "r1", b"kept")
        limit = ["prlimit", "--pid", str(self.store.process.pid)]
        subprocess.run(limit + ["--fsize=4096:"], check=True)
        self.refused(grpc.StatusCode.UNAVAILABLE, self.store.append, epoch, 1, "r2", b"x" * 9999)
        subprocess.run(limit + ["--fsize=unlimited:"], check=True)
        self.assertEqual(self.store.append(epoch, 1, "r2", b"x" * 9999).last_sequence, 2)
        self.assertEqual(len(self.store.load()[2]), 2)

    def test_two_stores_never_share_a_file(self):
        second = subprocess.run(
            [os.path.join(os.environ["FB_BIN"], "flow-store"), "--listen",
             "unix:" + os.path.join(self.store.folder, "t"), "--database", self.store.database],
            stderr=subprocess.PIPE, timeout=DEADLINE)
        self.assertEqual(second.returncode, 78)
        self.assertIn(b"another flow-store has it open", second.stderr)

    def test_calls_that_are_cancelled_do_no_harm(self):
        epoch = self.store.acquire().epoch
        for i in range(200):
            future = self.store.call.AppendEvents.future(pb.AppendEventsRequest(
                session_id="s", epoch=epoch, expected_sequence=0, request_id=f"c{i}",
                events=[pb.NewEvent(payload=os.urandom(10000))]))
            if i % 2:
                future.cancel()
        session, _, events = self.store.load()
        self.assertEqual(session.last_sequence, len(events))

    def test_it_ends_at_once_at_a_second_signal_under_load(self):
        epoch = self.store.acquire().epoch
        futures = [self.store.call.PutBlob.future(pb.PutBlobRequest(data=os.urandom(MIB) * 8))
                   for _ in range(16)]
        self.store.append(epoch, 0, "r", b"x")
        self.store.process.send_signal(signal.SIGTERM)
        self.store.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.store.process.wait(DEADLINE), 0)
        for future in futures:
            future.cancel()


if __name__ == "__main__":
    unittest.main()
