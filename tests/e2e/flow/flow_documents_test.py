"""FlowService as grpcio sees it: documents, merged sessions and cold storage."""

import json
import unittest

import grpc

from flow_case import Case
from flow_suite import DEADLINE, event_pb, item, pb, ref


ORIGINAL = {
    "sessionId": "old", "created": "2025-01-01T00:00:00Z", "status": "active", "context": {"why": "x"},
    "tasks": [
        {"id": "task-1-aaaaa", "description": "first", "weight": 3, "dependencies": [],
         "state": "completed", "momentum": 100},
        {"id": "task-2-bbbbb", "description": "second", "weight": 5, "dependencies": ["task-1-aaaaa"],
         "state": "queued", "momentum": 0},
    ],
    "workLog": [], "kept": {"verbatim": [1, 2, 3]},
}


class Documents(Case):
    def worked(self):
        ada = self.opened()
        ada.plan(item("a", body="text\n" * 100), item("b", "a"), item("c"))
        ada.claim()
        ada.pulse(1, note="on the way", percent=40)
        ada.finish(1, summary="done", next=True)
        return ada

    def test_a_journal_gives_the_same_session_elsewhere(self):
        ada = self.worked()
        for format in (pb.FLOW_FORMAT_JSONL, pb.FLOW_FORMAT_JSON):
            document = ada.export(format=format)
            copy = self.agent(session=f"{ada.context.session[:90]}-{format}")
            answer = copy.bring(document, piece=997)
            self.assertEqual(answer.format, format)
            self.assertEqual(answer.tasks, 3)
            self.assertEqual(answer.events, ada.status().line.seq)
            self.assertEqual(answer.line.completed, 1)
            mine, yours = json.loads(ada.snapshot()[0]), json.loads(copy.snapshot()[0])
            self.assertEqual(mine["state"], yours["state"])
            again = copy.bring(document)
            self.assertEqual(again.events, 0)
            self.assertEqual(copy.status().line.seq, ada.status().line.seq)

    def test_a_session_file_of_the_system_before_comes_in_and_goes_out_whole(self):
        ada = self.agent()
        document = json.dumps(ORIGINAL).encode()
        answer = ada.bring(document)
        self.assertEqual(answer.format, pb.FLOW_FORMAT_SESSION_FILE)
        self.assertEqual((answer.line.tasks, answer.line.completed), (2, 1))
        back = json.loads(ada.export(format=pb.FLOW_FORMAT_SESSION_FILE))
        self.assertEqual(back, ORIGINAL)
        ada.open()
        ada.finish("task-2-bbbbb")
        back = json.loads(ada.export(format=pb.FLOW_FORMAT_SESSION_FILE))
        self.assertEqual(back["tasks"][1]["state"], "completed")
        self.assertEqual(back["kept"], ORIGINAL["kept"])

    def test_a_session_that_was_never_one_is_written_as_a_session_file_all_the_same(self):
        ada = self.worked()
        tasks = json.loads(ada.export(format=pb.FLOW_FORMAT_SESSION_FILE))["tasks"]
        self.assertEqual(len(tasks), 3)

    def test_documents_of_others_come_in(self):
        ada = self.agent()
        master = {"tasks": [{"id": 1, "title": "one", "status": "done", "dependencies": [],
                             "priority": "high"},
                            {"id": 2, "title": "two", "status": "pending", "dependencies": [1],
                             "priority": "low"}]}
        answer = ada.bring(json.dumps(master).encode())
        self.assertEqual(answer.format, pb.FLOW_FORMAT_TASK_MASTER)
        self.assertEqual(answer.line.ready, 1)
        beads = "\n".join(json.dumps(one) for one in (
            {"id": "bd-1", "title": "one", "status": "open", "priority": 1, "issue_type": "task"},
            {"id": "bd-2", "title": "two", "status": "open", "priority": 2, "issue_type": "task",
             "dependencies": [{"issue_id": "bd-2", "depends_on_id": "bd-1", "type": "blocks"}]}))
        self.refused(grpc.StatusCode.FAILED_PRECONDITION, None,
                     lambda: ada.bring(beads.encode(), format=pb.FLOW_FORMAT_BEADS))
        answer = ada.bring(beads.encode(), format=pb.FLOW_FORMAT_BEADS, into_existing=True)
        self.assertEqual((answer.tasks, answer.line.tasks), (2, 4))

    def test_a_dry_run_says_what_would_come_in_and_changes_nothing(self):
        ada = self.agent()
        answer = ada.bring(json.dumps(ORIGINAL).encode(), dry_run=True)
        self.assertEqual(answer.line.tasks, 2)
        self.assertFalse(answer.HasField("committed"))
        self.refused(grpc.StatusCode.NOT_FOUND, "no_such", ada.status)

    def test_what_is_broken_is_named_by_its_place_and_nothing_comes_in(self):
        ada = self.worked()
        lines = ada.export().splitlines()
        lines[3] = b'{"unix_ms": "yesterday"}'
        copy = self.agent(session="broken")
        self.invalid("4", lambda: copy.bring(b"\n".join(lines) + b"\n"))
        self.refused(grpc.StatusCode.NOT_FOUND, "no_such", copy.status)
        self.invalid("header", lambda: self.suite.flow.Import(
            iter([pb.ImportRequest(context=copy.context)]), timeout=DEADLINE))
        self.invalid("format", lambda: ada.export(format=pb.FLOW_FORMAT_BEADS))

    def test_a_large_session_goes_out_and_comes_in_in_many_pieces(self):
        ada = self.opened()
        for part in range(5):
            ada.plan(*(pb.FlowPlanItem(task=event_pb.FlowPlannedTask(
                title=f"task {part} {i}", weight=1, body="line\n" * 600)) for i in range(1000)))
        document = ada.export()
        self.assertGreater(len(document), 10 << 20)
        copy = self.agent(session="large-copy")
        self.assertEqual(copy.bring(document).line.tasks, 5000)
        self.assertEqual(len(copy.export().splitlines()), len(document.splitlines()))

    def test_a_snapshot_is_the_state_after_an_event(self):
        ada = self.worked()
        text, seq = ada.snapshot()
        state = json.loads(text)
        self.assertEqual(state["seq"], seq)
        self.assertEqual(seq, ada.status().line.seq)
        self.assertEqual([task["title"] for task in state["state"]["tasks"]], ["a", "b", "c"])


class Merging(Case):
    def branched(self):
        """A session and a copy of it that have gone different ways."""
        ada = self.opened()
        ada.plan(item("a"), item("b", "a"))
        bob = self.agent("bob", session=ada.context.session[:80] + "-branch")
        bob.bring(ada.export())
        bob.open()
        ada.finish("a", summary="done by ada")
        ada.plan(item("only ada's"))
        bob.edit("b", set=event_pb.FlowTaskEdited(fields=1, title="B of bob"))
        bob.plan(item("only bob's"))
        return ada, bob

    def test_what_happened_in_both_is_in_a_third(self):
        ada, bob = self.branched()
        name = ada.context.session[:80] + "-both"
        answer = ada.merge(bob.context.session, as_session=name)
        self.assertGreater(answer.events, 0)
        self.assertEqual((answer.line.session, answer.line.tasks, answer.line.completed), (name, 4, 1))
        both = self.agent(session=name)
        self.assertEqual({one.task.title for one in both.find()[0]},
                         {"a", "B of bob", "only ada's", "only bob's"})
        other = bob.merge(ada.context.session, as_session=name + "-too").line
        self.assertEqual((other.tasks, other.completed), (4, 1))
        again = self.agent("ada", session=name).merge(bob.context.session)
        self.assertEqual(again.events, 0)

    def test_a_third_is_needed_and_has_to_be_new(self):
        ada, bob = self.branched()
        self.refused(grpc.StatusCode.FAILED_PRECONDITION, None,
                     lambda: ada.merge(bob.context.session))
        self.invalid("as_session", lambda: ada.merge(bob.context.session,
                                                     as_session=bob.context.session))
        self.invalid("from_session", lambda: ada.merge(""))
        self.refused(grpc.StatusCode.NOT_FOUND, "no_such",
                     lambda: ada.merge("never-was", as_session="new"))
        taken = self.agent(session="taken-by-another")
        taken.open()
        self.refused(grpc.StatusCode.FAILED_PRECONDITION, None,
                     lambda: ada.merge(bob.context.session, as_session="taken-by-another"))


class Cold(Case):
    def aged(self, days):
        """A session of which all has happened so many days ago."""
        ada = self.agent(session="young-" + self.id().rsplit(".", 1)[1][:80])
        ada.open()
        ada.plan(*(item(f"t{i}", body=f"the text of {i} " * 20) for i in range(3)))
        for i in range(2):
            ada.claim(task=ref(f"t{i}"))
            ada.pulse(f"t{i}", note=f"a note on {i}")
            ada.finish(f"t{i}", summary=f"done {i}")
        lines = ada.export().decode().splitlines()
        for at, line in enumerate(lines[1:], 1):
            event = json.loads(line)
            event["unix_ms"] = int(event["unix_ms"]) - days * 24 * 3600000
            lines[at] = json.dumps(event)
        old = self.agent()
        old.bring("\n".join(lines).encode() + b"\n")
        return old

    def test_texts_of_what_ended_long_ago_go_to_cold_storage_and_come_back(self):
        ada = self.aged(30)
        self.assertEqual(ada.compact(older_than_ms=40 * 24 * 3600000).tasks, 0)
        answer = ada.compact()
        self.assertEqual(answer.tasks, 2)
        self.assertGreater(answer.bytes, 0)
        self.assertEqual(ada.compact().tasks, 0)
        full = {one.task.task: one.task for one in ada.find(view=pb.FLOW_VIEW_FULL)[0]}
        self.assertEqual((full[1].cold, full[1].body, full[1].summary), (True, "", "done 0"))
        self.assertFalse(full[3].cold)
        self.assertEqual(ada.compact(restore="t0").tasks, 1)
        self.assertEqual(ada.compact(restore="t0").tasks, 0)
        full = {one.task.task: one.task for one in ada.find(view=pb.FLOW_VIEW_FULL)[0]}
        self.assertFalse(full[1].cold)
        self.assertTrue(full[1].body.startswith("the text of 0"))
        self.assertEqual(full[1].note, "a note on 0")
        self.assertTrue(full[2].cold)

    def test_what_ended_lately_stays_where_it_is(self):
        ada = self.aged(1)
        self.assertEqual(ada.compact().tasks, 0)
        self.invalid("older_than_ms", lambda: ada.compact(older_than_ms=1000))
        self.refused(grpc.StatusCode.NOT_FOUND, "no_such", lambda: ada.compact(restore="nobody"))


if __name__ == "__main__":
    unittest.main()
