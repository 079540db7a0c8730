"""FlowService as a foreign gRPC program (grpcio) sees it, through router, worker and store."""

import json
import threading
import unittest
import xml.etree.ElementTree as xml

import grpc

from flow_suite import DEADLINE, Agent, FlowSuite, context_pb, event_pb, item, pb, ref, wait_until

REASON = "flowbalancer-reason"
REFUSAL = "flowbalancer-refusal-bin"


def trailers(error):
    return {key: value for key, value in error.trailing_metadata() or ()}


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.suite = FlowSuite(workers=2)
        cls.addClassCleanup(cls.suite.__exit__)

    def agent(self, name="ada", session=None, scope=""):
        return Agent(self.suite.flow, session or self.id().rsplit(".", 1)[1][:100], name, scope)

    def opened(self, *names, **more):
        """Agents of a session of the test's name."""
        agents = [self.agent(name) for name in names or ("ada",)]
        for agent in agents:
            agent.open(**more)
        return agents if len(agents) > 1 else agents[0]

    def refused(self, code, reason, call):
        """The refusal that the trailer has."""
        with self.assertRaises(grpc.RpcError) as caught:
            call()
        error = caught.exception
        self.assertEqual(error.code(), code, error.details())
        said = trailers(error)
        self.assertEqual(said.get(REASON), reason, error.details())
        self.assertTrue(error.details())
        if REFUSAL not in said:
            return None
        refusal = pb.FlowRefusal.FromString(said[REFUSAL])
        self.assertEqual(refusal.reason, reason)
        return refusal

    def invalid(self, named, call):
        with self.assertRaises(grpc.RpcError) as caught:
            call()
        self.assertEqual(caught.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)
        self.assertIn(named, caught.exception.details())


class Sessions(Case):
    def test_a_session_is_made_by_whoever_opens_it_first(self):
        ada = self.agent()
        first = ada.open(name="The work", caps=["c", "gpu"], wip=2, declares=True)
        self.assertTrue(first.created)
        self.assertEqual(first.line.name, "The work")
        self.assertEqual(first.line.session, ada.context.session)
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


class Search(Case):
    def searched(self):
        ada = self.opened()
        ada.plan(item("write the parser", key="p/1", body="It reads conditions.", priority=1),
                 item("test the parser", "p/1", key="p/2", weight=8),
                 item("draw the graph", key="g/1"),
                 item("read the docs", key="d/1", accept="nobody asks about the Parser again"))
        ada.claim(task=ref("g/1"))
        ada.pulse("g/1", note="the first lines are drawn")
        return ada

    def keys(self, found):
        return [one.task.key for one in found[0]]

    def test_words_are_found_where_they_are_best_first(self):
        ada = self.searched()
        found = ada.find(q="parser")
        self.assertEqual(found[1], 3)
        self.assertEqual(self.keys(found)[2], "d/1")
        self.assertIn("Parser again", found[0][2].snippet)
        self.assertEqual(self.keys(ada.find(q='"the parser" test')), ["p/2"])
        self.assertEqual(self.keys(ada.find(q="cond*")), ["p/1"])
        self.assertEqual(self.keys(ada.find(q="pars")), [])

    def test_conditions_narrow_it(self):
        ada = self.searched()
        self.assertEqual(self.keys(ada.find(where="state:active agent:ada")), ["g/1"])
        self.assertEqual(self.keys(ada.find(where="after:1")), ["p/2"])
        self.assertEqual(self.keys(ada.find(where="before:2")), ["p/1"])
        self.assertEqual(self.keys(ada.find(where="key:p/ w:5-10")), ["p/2"])
        self.assertEqual(self.keys(ada.find(where="has:note since:1h")), ["g/1"])
        self.assertEqual(self.keys(ada.find(where="#:2-3", order="number")), ["p/2", "g/1"])
        self.invalid("colour:red", lambda: ada.find(where="colour:red"))

    def test_the_schedule_orders_what_is_ready_before_the_rest(self):
        ada = self.searched()
        keys = self.keys(ada.find())
        self.assertEqual(set(keys[:2]), {"p/1", "d/1"})
        self.assertEqual(keys[2:], ["g/1", "p/2"])

    def test_pages_go_on_where_the_one_before_ended(self):
        ada = self.opened()
        ada.plan(*(item(f"task {i}") for i in range(25)))
        for order in ("schedule", "number", "updated"):
            seen, cursor = [], ""
            while True:
                found, total = ada.find(page_size=10, order=order, cursor=cursor)
                self.assertEqual(total, 25)
                seen += [one.task.task for one in found]
                cursor = found[-1].cursor
                if not cursor:
                    break
            self.assertEqual(sorted(seen), list(range(1, 26)), order)

    def test_a_cursor_of_another_search_is_refused(self):
        ada = self.searched()
        cursor = ada.find(page_size=1, order="number")[0][0].cursor
        self.invalid("cursor", lambda: ada.find(cursor=cursor, order="updated"))
        self.invalid("cursor", lambda: ada.find(cursor="nonsense"))

    def test_a_full_view_tells_all_there_is(self):
        ada = self.searched()
        task = ada.find(where="key:p/1", view=pb.FLOW_VIEW_FULL)[0][0].task
        self.assertEqual(task.body, "It reads conditions.")
        self.assertEqual([(link.task, link.on) for link in task.links], [(2, 1)])

    def test_large_pages_come_in_several_messages_and_end_early(self):
        ada = self.opened()
        for _ in range(4):
            ada.plan(*(pb.FlowPlanItem(task=event_pb.FlowPlannedTask(
                title="large", weight=1, body="x" * 65000)) for _ in range(50)))
        seen, cursor, messages = 0, "", 0
        while True:
            answers = list(self.suite.flow.Find(pb.FindRequest(
                context=ada.context, view=pb.FLOW_VIEW_FULL, page_size=1000, order="number",
                cursor=cursor), timeout=DEADLINE))
            messages += len(answers)
            found = [one for answer in answers for one in answer.found]
            seen += len(found)
            cursor = found[-1].cursor
            if not cursor:
                break
        self.assertEqual(seen, 200)
        self.assertGreater(messages, 10)

    def test_conditions_of_one_session_are_refused_across_all(self):
        across = self.agent()
        across.context.session = ""
        self.invalid("one session", lambda: across.find(where="after:3"))
        self.invalid("order", lambda: across.find(order="schedule"))


class Standing(Case):
    def test_whoever_waits_gets_the_work_in_the_commit_that_makes_it_ready(self):
        ada, bob = self.opened("ada", "bob")
        ada.plan(item("a"), item("b", "a"))
        ada.claim()
        waiting = bob.next(wait_ms=60000)
        self.assertTrue(next(waiting).waiting)
        ada.finish("a")
        answer = next(waiting)
        self.assertEqual(answer.claims[0].task.title, "b")
        self.assertEqual(answer.claims[0].task.agent, "bob")
        self.assertEqual(list(waiting), [])

    def test_whoever_waits_in_vain_is_told_so(self):
        ada = self.opened()
        ada.plan(item("a", needs=["gpu"]))
        first, last = list(ada.next(wait_ms=150))
        self.assertTrue(first.waiting)
        self.assertFalse(last.claims)
        self.assertIn("in time", last.why)

    def test_whoever_waits_when_all_ends_is_told_so(self):
        ada, bob = self.opened("ada", "bob")
        ada.plan(item("a"))
        ada.claim()
        waiting = bob.next(wait_ms=60000)
        self.assertTrue(next(waiting).waiting)
        ada.finish("a")
        self.assertTrue(next(waiting).finished)

    def test_whoever_waits_for_one_task_gets_no_other(self):
        ada, bob = self.opened("ada", "bob")
        ada.plan(item("a"), item("b", "a"))
        ada.claim()
        waiting = bob.next(wait_ms=60000, task=ref("b"))
        self.assertTrue(next(waiting).waiting)
        ada.plan(item("c"))
        ada.pulse("a", percent=50)
        ada.finish("a")
        self.assertEqual(next(waiting).claims[0].task.title, "b")
        self.assertEqual(ada.status().line.ready, 1)

    def test_a_status_with_an_actor_renews_its_leases_and_tells_who_waits(self):
        ada, bob = self.opened("ada", "bob")
        ada.plan(item("a"))
        ada.claim()
        waiting = bob.next(wait_ms=60000)
        self.assertTrue(next(waiting).waiting)
        agents = {agent.agent: agent for agent in ada.status(actor="ada").agents}
        self.assertEqual((agents["ada"].held, agents["ada"].waits), (1, False))
        self.assertTrue(agents["bob"].waits)
        waiting.cancel()

    def test_whoever_goes_away_waits_no_longer(self):
        ada, bob = self.opened("ada", "bob")
        ada.plan(item("a"), item("b", "a"))
        ada.claim()
        waiting = bob.next(wait_ms=60000)
        self.assertTrue(next(waiting).waiting)
        waiting.cancel()
        wait_until(lambda: not any(agent.waits for agent in ada.status().agents), "the end")
        ada.finish("a")
        self.assertEqual(ada.status().line.ready, 1)

    def test_a_status_waits_for_a_change_and_tells_only_what_changed(self):
        ada, bob = self.opened("ada", "bob")
        ada.plan(item("a"), item("b"))
        seq = ada.status().line.seq
        answers = []
        thread = threading.Thread(target=lambda: answers.append(
            bob.status(since_seq=seq, wait_ms=60000)))
        thread.start()
        ada.claim(task=ref("b"))
        thread.join(DEADLINE)
        self.assertEqual([task.title for task in answers[0].tasks], ["b"])
        self.assertGreater(answers[0].line.seq, seq)
        late = bob.status(since_seq=answers[0].line.seq, wait_ms=100)
        self.assertEqual(list(late.tasks), [])

    def test_a_watch_skips_and_repeats_nothing_wherever_it_is_resumed(self):
        ada = self.opened()
        ada.plan(item("a"), item("b", "a"))
        seen = []
        watch = ada.watch()
        for answer in watch:
            if answer.WhichOneof("part") == "caught_up_seq":
                break
            seen.append(answer.event.seq)
        ada.claim()
        for answer in watch:
            seen.append(answer.event.seq)
            self.assertEqual(answer.event.event.WhichOneof("kind"), "claimed")
            break
        watch.cancel()
        ada.finish("a", next=True)
        end = ada.status().line.seq
        watch = ada.watch(since_seq=seen[-1])
        for answer in watch:
            if answer.WhichOneof("part") == "caught_up_seq":
                self.assertEqual(answer.caught_up_seq, end)
                break
            seen.append(answer.event.seq)
        watch.cancel()
        self.assertEqual(seen, list(range(1, end + 1)))

    def test_a_watch_of_one_task_or_kind_tells_only_of_it(self):
        ada = self.opened()
        ada.plan(item("a"), item("b", "a"), item("c"))
        ada.claim(task=ref("a"))
        ada.finish("a", next=True)

        def kinds(**more):
            told = []
            watch = ada.watch(**more)
            for answer in watch:
                if answer.WhichOneof("part") == "caught_up_seq":
                    watch.cancel()
                    return told
                told.append(answer.event.event.WhichOneof("kind"))
            return told

        self.assertEqual(kinds(task=ref("a")), ["planned", "claimed", "finished"])
        self.assertEqual(kinds(kinds=["claimed"]), ["claimed", "claimed"])
        self.assertEqual(kinds(task=ref(3), kinds=["finished"]), [])
        self.refused(grpc.StatusCode.NOT_FOUND, "no_such",
                     lambda: list(ada.watch(task=ref("nobody"))))


class Care(Case):
    def kinds(self, alarms):
        return [alarm.kind for alarm in alarms]

    def test_tasks_that_say_the_same_are_told_when_they_are_planned(self):
        ada = self.opened()
        ada.plan(item("write the parser of the search conditions", key="a"))
        plan = ada.plan(item("write a parser of the search conditions", key="b"))
        self.assertEqual([(one.task, one.like) for one in plan.duplicates], [(2, 1)])
        self.assertGreaterEqual(plan.duplicates[0].similarity, 70)
        status = ada.status()
        self.assertEqual(self.kinds(status.alarms), ["duplicate"])
        self.assertEqual(status.line.alarms, 1)
        self.assertTrue(status.alarms[0].evidence and status.alarms[0].suggestion)
        self.assertEqual([one.task.task for one in ada.find(where="has:alarm")[0]], [2])

    def test_an_alarm_that_is_muted_is_quiet_until_it_is_not(self):
        ada = self.opened()
        ada.plan(item("write the parser of the search conditions", key="a"))
        ada.plan(item("write a parser of the search conditions", key="b"))
        ada.mute("duplicate", 3600000)
        self.assertEqual(self.kinds(ada.status().alarms), [])
        ada.mute("duplicate", 0)
        self.assertEqual(self.kinds(ada.status().alarms), ["duplicate"])
        self.invalid("no alarm", lambda: ada.mute("fire", 1000))
        self.invalid("for_ms", lambda: ada.mute("duplicate", 31 * 24 * 3600000))

    def test_evidence_that_is_gone_or_changed_raises_an_alarm(self):
        ada = self.opened()
        ada.plan(item("a"))
        kept = [event_pb.FlowEvidence(kind=event_pb.FLOW_EVIDENCE_KIND_FILE, ref=f"/w/{i}",
                                      sha256=bytes([i] * 32), size=7, host="box") for i in range(4)]
        ada.finish(1, evidence=kept)
        answer = ada.verify()
        self.assertEqual([one.state for one in answer.verified], [0, 0, 0, 0])
        self.assertFalse(answer.HasField("committed"))
        seen = [pb.FlowObservation(task=1, ref="/w/0", sha256=bytes([0] * 32)),
                pb.FlowObservation(task=1, ref="/w/1", sha256=bytes([9] * 32)),
                pb.FlowObservation(task=1, ref="/w/2")]
        answer = ada.verify(*seen, host="box", task=1)
        self.assertEqual([one.state for one in answer.verified],
                         [event_pb.FLOW_EVIDENCE_STATE_UNCHANGED,
                          event_pb.FLOW_EVIDENCE_STATE_CHANGED,
                          event_pb.FLOW_EVIDENCE_STATE_MISSING,
                          event_pb.FLOW_EVIDENCE_STATE_UNSPECIFIED])
        self.assertEqual(self.kinds(ada.status().alarms), ["false_done"])
        other = ada.verify(*seen, host="elsewhere")
        self.assertEqual([one.state for one in other.verified], [0, 0, 0, 0])

    def test_an_agent_that_asks_for_the_same_again_and_again_is_stopped(self):
        ada = self.opened()
        ada.plan(item("a", needs=["gpu"]))
        for _ in range(9):
            ada.claim()
        self.assertIn("runaway", self.kinds(ada.status().alarms))
        refusal = self.refused(grpc.StatusCode.RESOURCE_EXHAUSTED, "budget", ada.claim)
        self.assertEqual(refusal.reason, "budget")
        ada.plan(item("b"))
        self.assertEqual(len(ada.claim().claims), 1)

    def test_who_asks_again_when_something_has_happened_is_not_stopped(self):
        ada, bob = self.opened("ada", "bob")
        bob.plan(item("a", needs=["gpu"]))
        for i in range(12):
            ada.claim()
            bob.plan(item(f"c{i}", needs=["gpu"]))
        bob.plan(item("b"))
        self.assertEqual(len(ada.claim().claims), 1)


class Foresight(Case):
    def forecast(self, ada, **more):
        return self.suite.flow.Forecast(pb.ForecastRequest(context=ada.context, **more),
                                        timeout=DEADLINE)

    def test_what_is_likely_to_come_is_told_with_how_well_it_did(self):
        ada = self.opened()
        ada.plan(item("a"), item("b", "a"), item("c"))
        ada.claim(task=ref("a"))
        answer = self.forecast(ada, tasks=[ref("b"), ref("c")], actor="ada")
        self.assertEqual([one.horizon_ms // 60000 for one in answer.forecast.completion],
                         [15, 30, 60, 120])
        self.assertGreater(answer.forecast.remaining_p50_ms, 0)
        self.assertGreaterEqual(answer.forecast.remaining_p90_ms,
                                answer.forecast.remaining_p50_ms)
        waits, ready = answer.readiness
        self.assertEqual(waits.task, 2)
        self.assertEqual(sorted(waits.probability), list(waits.probability))
        self.assertLess(waits.probability[0], 1)
        self.assertEqual(list(ready.probability), [1, 1, 1, 1])
        self.assertEqual([one.task.title for one in answer.likely], ["c"])

    def test_the_end_of_a_task_tells_what_is_done_next_and_what_should_be(self):
        ada = self.opened()
        ada.plan(item("a"), item("b", "a"), item("c", priority=0))
        ada.claim(task=ref("a"))
        done = ada.finish("a")
        self.assertEqual({one.task.title for one in done.likely}, {"b", "c"})
        self.assertAlmostEqual(sum(one.probability for one in done.likely), 1, places=5)
        self.assertIn(done.should.title, ("b", "c"))

    def test_a_session_that_is_done_takes_no_more_time(self):
        ada = self.opened()
        ada.plan(item("a"))
        ada.finish("a")
        self.assertEqual(self.forecast(ada).forecast.remaining_p90_ms, 0)
        self.assertEqual(ada.status().forecast.remaining_p50_ms, 0)


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


class Across(Case):
    def test_tasks_of_all_sessions_of_a_scope_are_found(self):
        for name in ("north", "south"):
            agent = self.agent(session=name, scope="across")
            agent.open()
            agent.plan(item(f"measure the {name} field", key=name), item("write it up", name))
        self.agent(session="elsewhere", scope="other").open()
        everywhere = self.agent(scope="across")
        everywhere.context.session = ""

        def found(**more):
            return [(one.session, one.task.title) for one in everywhere.find(**more)[0]]

        wait_until(lambda: len(found(q="measure")) == 2, "the projections")
        self.assertEqual(found(q="south"), [("south", "measure the south field")])
        self.assertEqual({session for session, _ in found(where="key:north")}, {"north"})
        wait_until(lambda: len(found()) == 4, "all tasks")
        seen, cursor = [], ""
        while True:
            page, _ = everywhere.find(page_size=3, cursor=cursor)
            seen.append(page[0].task.title + page[0].session)
            cursor = page[0].cursor  # to go on in the midst of a page
            if not cursor:
                break
        self.assertEqual(len(set(seen)), 4)

    def test_a_list_of_sessions_tells_how_they_go(self):
        agent = self.agent(session="listed", scope="telling")
        agent.open(name="Listed")
        agent.plan(item("a"), item("b", "a"))
        agent.finish("a")
        context = context_pb.CallContext(agent="test", scope="telling")

        def line():
            return self.suite.flow.ListSessions(pb.ListFlowSessionsRequest(context=context),
                                                timeout=DEADLINE).sessions[0]

        wait_until(lambda: line().completed == 1, "the line")
        self.assertEqual((line().name, line().tasks, line().ready, line().progress),
                         ("Listed", 2, 1, 50))
        self.assertNotEqual(line().state, pb.FLOW_STATE_RESTING)


class Pictures(Case):
    def test_a_graph_is_drawn_in_three_formats(self):
        ada = self.opened()
        ada.plan(item("a <b> & \"c\""), item("last", "a <b> & \"c\"", weight=9))
        svg = ada.graph(format=pb.FLOW_GRAPH_FORMAT_SVG)
        self.assertEqual(list(svg.critical), [1, 2])
        self.assertEqual(xml.fromstring(svg.data).tag, "{http://www.w3.org/2000/svg}svg")
        tasks = json.loads(ada.graph(format=pb.FLOW_GRAPH_FORMAT_JSON).data)["tasks"]
        self.assertEqual([task["layer"] for task in tasks], [0, 1])
        self.assertIn(b"digraph", ada.graph().data)
        self.assertEqual(ada.graph(tasks_most=1).left_out, 1)


if __name__ == "__main__":
    unittest.main()
