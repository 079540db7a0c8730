"""Sessions outlive their workers: killed, drained, or with a router between that knows nothing yet."""

import unittest

import grpc

from flow_suite import Agent, FlowSuite, item, wait_until


class Faults(unittest.TestCase):
    def suite(self, workers=2):
        suite = FlowSuite(workers=workers)
        self.addCleanup(suite.__exit__)
        return suite

    def test_a_session_goes_on_with_another_worker_when_its_own_is_killed(self):
        suite = self.suite()
        ada = Agent(suite.flow, "work", "ada")
        ada.open()
        ada.plan(*(item(f"task {i}") for i in range(20)))
        for i in range(6):
            claim = ada.claim().claims[0]
            once = ada.by(fence=claim.fence)
            first = ada.finish(claim.task.task, by=once)
            if i == 2:
                suite.kill(suite.holder())
                again = ada.finish(claim.task.task, by=once)
                self.assertTrue(again.committed.repeated)
                self.assertEqual(again.committed.rev, first.committed.rev)
        status = ada.status()
        self.assertEqual(status.line.completed, 6)
        seen = []
        for answer in ada.watch():
            if answer.WhichOneof("part") == "caught_up_seq":
                break
            seen.append(answer.event.seq)
        self.assertEqual(seen, list(range(1, status.line.seq + 1)))

    def test_whoever_waits_when_the_worker_is_killed_waits_on_with_the_same_request(self):
        suite = self.suite()
        ada, bob = Agent(suite.flow, "work", "ada"), Agent(suite.flow, "work", "bob")
        ada.open()
        bob.open()
        ada.plan(item("a"), item("b", "a"))
        ada.claim()
        once = bob.by()
        waiting = bob.next(by=once, wait_ms=60000)
        self.assertTrue(next(waiting).waiting)
        suite.kill(suite.holder())
        with self.assertRaises(grpc.RpcError) as caught:
            list(waiting)
        self.assertEqual(caught.exception.code(), grpc.StatusCode.UNAVAILABLE)
        waiting = bob.next(by=once, wait_ms=60000)
        self.assertTrue(next(waiting).waiting)
        ada.finish("a")
        self.assertEqual(next(waiting).claims[0].task.title, "b")

    def test_a_watch_lives_on_when_another_worker_has_the_session(self):
        suite = self.suite()
        ada = Agent(suite.flow, "work", "ada")
        ada.open()
        holder = suite.holder()
        other = Agent(suite.flow, "work", "onlooker")
        seen = []

        def watch(since):
            """Until it breaks off, or three more events have come."""
            try:
                for answer in other.watch(since_seq=since):
                    if answer.WhichOneof("part") == "event":
                        seen.append(answer.event.seq)
                        if len(seen) >= 4:
                            return
                    elif len(seen) == 2:
                        suite.kill(holder)
                        ada.plan(item("a"), item("b"))
                        ada.claim()
            except grpc.RpcError as error:
                self.assertEqual(error.code(), grpc.StatusCode.UNAVAILABLE)

        while len(seen) < 4:
            watch(seen[-1] if seen else 0)
        self.assertEqual(seen, [1, 2, 3, 4])

    def test_a_worker_that_goes_in_order_gives_its_sessions_up_without_a_failed_call(self):
        suite = self.suite()
        agents = [Agent(suite.flow, f"s{i}", "ada") for i in range(8)]
        for agent in agents:
            agent.open()
            agent.plan(item("a"), item("b"))
        holder = suite.holder()
        suite.end(holder)
        for agent in agents:
            self.assertEqual(agent.claim().claims[0].task.title, "a")
        self.assertEqual(suite.processes[holder].returncode, 0)

    def test_a_router_that_is_new_finds_who_holds_a_session(self):
        suite = self.suite(workers=3)
        agents = [Agent(suite.flow, f"s{i}", "ada") for i in range(12)]
        for agent in agents:
            agent.open()
            agent.plan(item("a"))
        suite.kill("router")
        suite.start_router()
        suite.wait_for_workers(3)
        for agent in agents:
            self.assertTrue(agent.claim().claims)
        wait_until(lambda: sum(worker.sessions for worker in suite.workers().values()) == 12,
                   "the sessions to be known")

    def test_the_store_may_go_and_come_back_between(self):
        suite = self.suite()
        ada = Agent(suite.flow, "work", "ada")
        ada.open()
        ada.plan(item("a"))
        suite.kill("store")
        waiting = ada.next()
        suite.start_store()
        self.assertEqual(next(waiting).claims[0].task.title, "a")


if __name__ == "__main__":
    unittest.main()
