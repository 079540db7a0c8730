"""FlowService as grpcio sees it: sessions, the way of a task, repeats and refusals."""

import unittest

import grpc

from flow_case import Case
from flow_suite import DEADLINE, context_pb, event_pb, item, pb, ref


class Sessions(Case):
    def test_a_session_is_made_by_whoever_opens_it_first(self):
        ada = self.agent()
        first = ada.open(name="The work", caps=["c", "gpu"], wip=2, declares=True)
        self.assertTrue(first.created)
        self.assertEqual(first.line.name, "The work")
        self.assertEqual(first.line.session, ada.context.session)
        self.assertGreater(first.line.created_unix_ms, 1600000000000)
        second = self.agent("bob").open()
        self.assertFalse(second.created)
        self.assertEqual(second.line.agents, 2)
        self.assertGreater(second.committed.seq, first.committed.seq)

    def test_a_session_that_must_exist_is_not_made(self):
        refusal = self.refused(grpc.StatusCode.NOT_FOUND, "no_such",
                               lambda: self.agent().open(must_exist=True))
        self.assertIsNone(refusal)

    def test_an_agent_that_comes_back_is_told_what_it_holds_and_what_is_next(self):
        ada = self.opened()
        ada.plan(item("a"), item("b", "a"), item("c"))
        claim = ada.claim().claims[0]
        answer = ada.open()
        self.assertEqual([held.task.task for held in answer.held], [claim.task.task])
        self.assertEqual(answer.held[0].fence, claim.fence)
        self.assertTrue(answer.held[0].held)
        self.assertEqual(len(answer.ready), 1)

    def test_the_same_id_in_two_scopes_is_two_sessions(self):
        blue = self.agent(session="shared", scope="blue")
        red = self.agent(session="shared", scope="red")
        blue.open()
        blue.plan(item("only here"))
        self.assertEqual(red.open().line.tasks, 0)
        self.assertEqual(blue.status().line.tasks, 1)

    def test_sessions_of_a_scope_are_listed_the_last_changed_first(self):
        for name in ("first", "second", "third"):
            self.agent(session="listed-" + name, scope="lists").open(name="Listed " + name)
        context = context_pb.CallContext(agent="test", scope="lists")
        request = pb.ListFlowSessionsRequest(context=context, prefix="Listed", page_size=2)
        first = self.suite.flow.ListSessions(request, timeout=DEADLINE)
        self.assertEqual(len(first.sessions), 2)
        request.page_token = first.next_page_token
        last = self.suite.flow.ListSessions(request, timeout=DEADLINE)
        self.assertEqual(last.next_page_token, "")
        lines = list(first.sessions) + list(last.sessions)
        self.assertEqual({line.name for line in lines},
                         {"Listed first", "Listed second", "Listed third"})
        updated = [line.updated_unix_ms for line in lines]
        self.assertEqual(updated, sorted(updated, reverse=True))

    def test_what_is_missing_or_malformed_is_named(self):
        ada = self.opened()
        flow = self.suite.flow
        self.invalid("context", lambda: flow.Plan(pb.PlanRequest(), timeout=DEADLINE))
        self.invalid("context.session", lambda: flow.Plan(
            pb.PlanRequest(context=context_pb.CallContext(agent="x")), timeout=DEADLINE))
        self.invalid("by", lambda: flow.Plan(pb.PlanRequest(context=ada.context), timeout=DEADLINE))
        self.invalid("by.actor", lambda: ada.plan(item("a"), by=pb.FlowMutation(request_id="r")))
        self.invalid("by.request_id", lambda: ada.plan(item("a"), by=ada.by(request_id="a b")))
        self.invalid("items", ada.plan)
        self.invalid("n is", lambda: ada.claim(n=17))
        self.invalid("wait_ms", lambda: ada.claim(wait_ms=600001))
        self.invalid("task is missing", lambda: flow.Finish(
            pb.FinishRequest(context=ada.context, by=ada.by()), timeout=DEADLINE))
        self.invalid("nothing is to be changed", lambda: ada.plan(item("a")) and ada.edit(1))
        self.invalid("kinds", lambda: list(ada.watch(kinds=["nonsense"])))
        self.invalid("since_seq", lambda: ada.status(since_seq=-1))
        self.invalid("session", lambda: self.agent(session="no/id").open())


class Work(Case):
    def test_a_task_is_planned_claimed_worked_on_and_finished(self):
        ada = self.opened()
        plan = ada.plan(item("build", weight=5), item("ship", "build"))
        self.assertEqual(list(plan.tasks), [1, 2])
        self.assertEqual(plan.ready, 1)
        claim = ada.claim().claims[0]
        self.assertEqual(claim.task.title, "build")
        self.assertEqual(claim.task.state, pb.FLOW_TASK_STATE_ACTIVE)
        self.assertGreater(claim.fence, 0)
        self.assertGreater(claim.lease_ms, 0)
        pulse = ada.pulse(1, note="half of it", percent=50, by=ada.by(fence=claim.fence))
        self.assertEqual(pulse.lease_ms, claim.lease_ms)
        self.assertGreater(pulse.task_momentum, 0)
        done = ada.finish("build", summary="it builds", next=True)
        self.assertEqual([task.title for task in done.newly_ready], ["ship"])
        self.assertEqual(done.next.task.title, "ship")
        self.assertEqual(done.next.finished[0].summary, "it builds")
        self.assertEqual(done.line.completed, 1)
        last = ada.finish("ship", next=True)
        self.assertTrue(last.finished)
        self.assertFalse(last.HasField("next"))
        self.assertIn("ended", last.why)
        self.assertEqual(last.line.progress, 100)

    def test_evidence_is_kept_as_it_was_said(self):
        ada = self.opened()
        ada.plan(item("a"))
        ada.claim()
        evidence = event_pb.FlowEvidence(kind=event_pb.FLOW_EVIDENCE_KIND_FILE, ref="/tmp/a.c",
                                         sha256=bytes(range(32)), size=7, host="box")
        ada.finish(1, evidence=[evidence])
        found, _ = ada.find(where="has:evidence", view=pb.FLOW_VIEW_FULL)
        self.assertEqual(list(found[0].task.evidence), [evidence])

    def test_a_task_that_rests_or_waits_at_a_gate_is_nobodys(self):
        ada, bob = self.opened("ada", "bob")
        ada.plan(item("a"), item("b"))
        ada.claim(task=ref("a"))
        self.assertEqual(ada.pulse("a", state=pb.FLOW_PULSE_RESTING).lease_ms, 0)
        bob.claim(task=ref("b"))
        bob.pulse("b", state=pb.FLOW_PULSE_BLOCKED, gate="which one?")
        found, _ = ada.find(where="has:gate", view=pb.FLOW_VIEW_FULL)
        self.assertEqual(found[0].task.gate, "which one?")
        edited = ada.edit("b", action=pb.FLOW_EDIT_ACTION_UNBLOCK)
        self.assertTrue(edited.task.ready)

    def test_a_look_changes_nothing(self):
        ada = self.opened()
        ada.plan(item("a"), item("b"))
        before = ada.status().line.seq
        answer = ada.claim(peek=True, n=5)
        self.assertEqual(len(answer.peeked), 2)
        self.assertFalse(answer.claims)
        self.assertEqual(ada.status().line.seq, before)

    def test_several_tasks_are_held_as_far_as_the_agent_said(self):
        ada = self.opened(wip=2, declares=True)
        ada.plan(item("a"), item("b"), item("c"))
        answer = ada.claim(n=5)
        self.assertEqual(len(answer.claims), 2)
        again = ada.claim(n=2)
        self.assertEqual([claim.held for claim in again.claims], [True, True])

    def test_nothing_to_do_is_said_in_a_sentence(self):
        ada = self.opened()
        self.assertIn("plan", ada.claim().why)
        ada.plan(item("a", needs=["gpu"]))
        self.assertIn("caps", ada.claim().why)

    def test_a_chain_is_four_tasks_below_one(self):
        ada = self.opened()
        self.assertEqual(list(ada.plan(item("a", chain=True)).tasks), [1])
        self.assertEqual(ada.status().line.tasks, 5)
        found, _ = ada.find(where="parent:1", order="number")
        self.assertEqual([one.task.phase for one in found], [1, 2, 3, 4])


class Repeats(Case):
    def test_a_repeated_mutation_answers_as_the_first_and_changes_nothing(self):
        ada = self.opened()
        once = ada.by()
        first = ada.plan(item("a"), item("b"), by=once)
        again = ada.plan(item("a"), item("b"), by=once)
        self.assertTrue(again.committed.repeated)
        self.assertEqual(again.tasks, first.tasks)
        once = ada.by()
        first = ada.claim(by=once)
        again = ada.claim(by=once)
        self.assertEqual(again.claims[0].fence, first.claims[0].fence)
        once = ada.by()
        first = ada.finish(1, by=once, next=True)
        again = ada.finish(1, by=once, next=True)
        self.assertTrue(again.committed.repeated)
        self.assertEqual(again.next.fence, first.next.fence)
        self.assertEqual(ada.status().line.tasks, 2)
        once = ada.by()
        change = {"set": event_pb.FlowTaskEdited(fields=1, title="B"),
                  "add": [pb.FlowPlanLink(kind=event_pb.FLOW_LINK_KIND_FROM, task=1)]}
        first = ada.edit(2, by=once, **change)
        again = ada.edit(2, by=once, **change)
        self.assertTrue(again.committed.repeated)
        self.assertEqual(again.task.rev, first.task.rev)

    def test_a_plan_with_a_key_is_planned_once(self):
        ada, bob = self.opened("ada", "bob")
        first = ada.plan(item("a"), plan_key="the plan")
        again = bob.plan(item("a"), plan_key="the plan")
        self.assertEqual(first.tasks, again.tasks)
        self.assertEqual(ada.status().line.tasks, 1)


class Refusals(Case):
    def test_conflict(self):
        ada, bob = self.opened("ada", "bob")
        ada.plan(item("a"))
        fence = ada.claim().claims[0].fence
        refusal = self.refused(grpc.StatusCode.ABORTED, "conflict",
                               lambda: bob.finish(1, by=bob.by(fence=fence + 1), summary="mine"))
        self.assertEqual((refusal.task, refusal.holder, refusal.fence), (1, "ada", fence))
        refusal = self.refused(grpc.StatusCode.ABORTED, "conflict", lambda: bob.claim(task=ref(1)))
        self.assertEqual(refusal.holder, "ada")

    def test_cycle(self):
        ada = self.opened()
        ada.plan(item("a"), item("b", "a"))
        link = pb.FlowPlanLink(kind=event_pb.FLOW_LINK_KIND_AFTER, key="b")
        refusal = self.refused(grpc.StatusCode.FAILED_PRECONDITION, "cycle",
                               lambda: ada.edit("a", add=[link]))
        self.assertGreater(refusal.task, 0)

    def test_not_ready(self):
        ada = self.opened()
        ada.plan(item("a"), item("b", "a"))
        refusal = self.refused(grpc.StatusCode.FAILED_PRECONDITION, "not_ready",
                               lambda: ada.claim(task=ref("b")))
        self.assertEqual((refusal.task, refusal.other), (2, 1))

    def test_wip_limit(self):
        ada, bob = self.opened("ada", "bob", active_most=1)
        ada.plan(item("a"), item("b"))
        ada.claim()
        refusal = self.refused(grpc.StatusCode.RESOURCE_EXHAUSTED, "wip_limit", bob.claim)
        self.assertGreater(refusal.other, 0)
        self.refused(grpc.StatusCode.RESOURCE_EXHAUSTED, "wip_limit",
                     lambda: ada.claim(task=ref("b")))

    def test_needs_caps(self):
        ada = self.opened()
        ada.plan(item("a", needs=["gpu"]))
        refusal = self.refused(grpc.StatusCode.FAILED_PRECONDITION, "needs_caps",
                               lambda: ada.claim(task=ref("a")))
        self.assertEqual(refusal.task, 1)

    def test_stale_rev(self):
        ada = self.opened()
        ada.plan(item("a"))
        ada.edit(1, set=event_pb.FlowTaskEdited(fields=1, title="A"))
        refusal = self.refused(
            grpc.StatusCode.ABORTED, "stale_rev",
            lambda: ada.edit(1, by=ada.by(if_rev=77),
                             set=event_pb.FlowTaskEdited(fields=1, title="B")))
        self.assertEqual(refusal.rev, ada.find()[0][0].task.rev)

    def test_duplicate_key(self):
        ada = self.opened()
        ada.plan(item("a"))
        refusal = self.refused(grpc.StatusCode.ALREADY_EXISTS, "duplicate_key",
                               lambda: ada.plan(item("other", key="a")))
        self.assertEqual(refusal.other, 1)

    def test_no_such(self):
        ada = self.opened()
        self.refused(grpc.StatusCode.NOT_FOUND, "no_such", lambda: ada.pulse(9))
        self.refused(grpc.StatusCode.NOT_FOUND, "no_such", lambda: ada.finish("nobody"))
        self.refused(grpc.StatusCode.NOT_FOUND, "no_such",
                     lambda: self.agent(session="never-opened").status())
        self.refused(grpc.StatusCode.NOT_FOUND, "no_such",
                     lambda: list(self.agent(session="never-opened").watch()))

    def test_budget(self):
        ada = self.opened()
        refusal = self.refused(grpc.StatusCode.RESOURCE_EXHAUSTED, "budget", lambda: ada.plan(
            *(item(f"t{i}", chain=True) for i in range(4))))
        self.assertEqual(refusal.reason, "budget")


class Changes(Case):
    def test_an_edit_says_what_it_brought_about(self):
        ada = self.opened()
        ada.plan(item("a"), item("b", "a"))
        answer = ada.edit("a", action=pb.FLOW_EDIT_ACTION_CANCEL)
        self.assertEqual(answer.task.state, pb.FLOW_TASK_STATE_CANCELLED)
        self.assertEqual([(task.title, task.state) for task in answer.effects],
                         [("b", pb.FLOW_TASK_STATE_BLOCKED)])

    def test_texts_links_and_life_are_changed_by_one_request(self):
        ada = self.opened()
        ada.plan(item("a"), item("b"))
        answer = ada.edit("b", set=event_pb.FlowTaskEdited(fields=1 | 16, title="B", priority=0),
                          add=[pb.FlowPlanLink(kind=event_pb.FLOW_LINK_KIND_AFTER, key="a")])
        self.assertEqual((answer.task.title, answer.task.priority, answer.task.waits_for),
                         ("B", 0, 1))
        answer = ada.edit("b", drop=[pb.FlowPlanLink(kind=event_pb.FLOW_LINK_KIND_AFTER, task=1)])
        self.assertTrue(answer.task.ready)

    def test_all_of_an_edit_is_done_or_nothing(self):
        ada = self.opened()
        ada.plan(item("a"))
        self.refused(grpc.StatusCode.ABORTED, "conflict", lambda: ada.edit(
            "a", set=event_pb.FlowTaskEdited(fields=1, title="A"),
            action=pb.FLOW_EDIT_ACTION_REOPEN, reason="why not"))
        self.assertEqual(ada.find()[0][0].task.title, "a")

    def test_the_last_mutation_is_taken_back(self):
        ada = self.opened()
        ada.plan(item("a"))
        ada.edit(1, set=event_pb.FlowTaskEdited(fields=1, title="wrong"))
        answer = ada.undo()
        self.assertTrue(answer.undone)
        self.assertEqual([task.title for task in answer.effects], ["a"])
        self.assertEqual(ada.find()[0][0].task.title, "a")

    def test_what_cannot_be_taken_back_is_refused(self):
        ada = self.opened()
        self.refused(grpc.StatusCode.NOT_FOUND, "no_such", lambda: ada.undo(task=5))


if __name__ == "__main__":
    unittest.main()
