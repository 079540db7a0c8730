"""FlowService as grpcio sees it: waiting for work, for changes, and watching."""

import threading
import unittest

import grpc

from flow_case import Case
from flow_suite import DEADLINE, item, ref, wait_until


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


if __name__ == "__main__":
    unittest.main()
