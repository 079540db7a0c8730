"""Sessions move from worker to worker, however these end, and lose nothing."""

import threading
import time
import unittest
import uuid

import grpc

from flow_log import FlowLog
from flow_suite import DEADLINE, Agent, FlowSuite, item, pb, wait_until

AGENTS = 8
TASKS = 1000
TIMES = 5  # that something happens in the midst of them
REASON = "flowbalancer-reason"
# What says that the call may be repeated, under its request id.
AGAIN = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.ABORTED, grpc.StatusCode.DEADLINE_EXCEEDED,
         grpc.StatusCode.CANCELLED)


def reason(error):
    return dict(error.trailing_metadata() or ()).get(REASON)


class Worker(threading.Thread):
    """An agent that does tasks until none is left, and repeats what was cut off."""

    def __init__(self, agent):
        super().__init__(daemon=True)
        self.agent = agent
        self.finished = []
        self.repeats = []
        self.failure = None

    def surely(self, call):
        """Repeated under one request id until it is answered."""
        by = self.agent.by(request_id=str(uuid.uuid4()))
        limit = time.monotonic() + DEADLINE
        while True:
            try:
                return call(by)
            except grpc.RpcError as error:
                if (error.code() not in AGAIN or reason(error) == "conflict" or
                        time.monotonic() > limit):
                    raise
                self.repeats.append(f"{error.code()} {reason(error)} {error.details()}")
                time.sleep(0.01)

    def run(self):
        try:
            while True:
                answer = self.surely(lambda by: self.agent.claim(by=by))
                if not answer.claims:
                    return
                claim = answer.claims[0]

                def finish(by, claim=claim):
                    by.fence = claim.fence
                    return self.agent.finish(claim.task.task, by=by)
                self.surely(finish)
                self.finished.append(claim.task.task)
        except Exception as error:  # told by the test
            self.failure = error


class Moves(unittest.TestCase):
    def work(self, suite, disturb):
        """All tasks of a session are done by agents, with TIMES disturbances; what had to be repeated."""
        agents = [Agent(suite.flow, "moves", f"agent-{i}") for i in range(AGENTS)]
        agents[0].open()
        agents[0].plan(*[item(f"task {i}", weight=1) for i in range(TASKS)])
        workers = [Worker(agent) for agent in agents]
        for worker in workers:
            worker.start()
        for i in range(1, TIMES + 1):
            wait_until(lambda: sum(len(worker.finished) for worker in workers) >
                       i * TASKS // (TIMES + 2) or any(worker.failure for worker in workers),
                       f"disturbance {i}")
            disturb()
        for worker in workers:
            worker.join(DEADLINE)
        for worker in workers:
            self.assertIsNone(worker.failure)
        self.check(suite, [task for worker in workers for task in worker.finished])
        return [repeat for worker in workers for repeat in worker.repeats]

    def check(self, suite, finished):
        self.assertEqual(sorted(finished), list(range(1, TASKS + 1)))
        log = FlowLog()
        for answer in Agent(suite.flow, "moves", "reader").watch():
            if answer.WhichOneof("part") == "caught_up_seq":
                break
            log.fold(answer.event.seq, answer.event.event)
        self.assertEqual(log.end(), [])
        self.assertEqual(sorted(task for _, task, _, _, _ in log.finishes), sorted(finished))

    def test_workers_that_are_killed_one_after_the_other(self):
        with FlowSuite(workers=3) as suite:
            def disturb():
                holder = suite.holder()
                suite.kill(holder)
                suite.start_worker(holder)

            self.work(suite, disturb)

    def test_a_worker_that_is_killed_for_good_leaves_its_sessions_to_another_at_once(self):
        with FlowSuite(workers=2) as suite:
            agent = Agent(suite.flow, "moves", "ada")
            agent.open()
            agent.plan(item("one"))
            suite.kill(suite.holder())
            began = time.monotonic()
            claim = Worker(agent).surely(lambda by: agent.claim(by=by))
            self.assertEqual(claim.claims[0].task.task, 1)
            self.assertLess(time.monotonic() - began, 10)  # a lease is 30 s

    def test_workers_that_drain_one_after_the_other_let_no_call_fail(self):
        with FlowSuite(workers=2) as suite:
            def disturb():
                holder = suite.holder()
                suite.end(holder)
                suite.start_worker(holder)
                suite.wait_for_workers(2)

            self.assertEqual(self.work(suite, disturb), [])

    def test_a_store_that_is_killed_again_and_again_fails_no_call(self):
        with FlowSuite(workers=2) as suite:
            def disturb():
                suite.kill("store")
                suite.start("flow-store", "store", "--database", suite.path("store.db"))

            self.assertEqual(self.work(suite, disturb), [])

    def test_whoever_waits_for_work_gets_it_from_the_worker_that_takes_over(self):
        with FlowSuite(workers=2) as suite:
            ada, bob = (Agent(suite.flow, "moves", name) for name in ("ada", "bob"))
            ada.open()
            bob.open()
            claims = []

            def wait():
                waiting = Worker(bob)
                claims.append(waiting.surely(
                    lambda by: bob.claim(by=by, wait_ms=1000 * DEADLINE)))

            thread = threading.Thread(target=wait, daemon=True)
            thread.start()
            wait_until(lambda: any(agent.agent == "bob" and agent.waits
                                   for agent in ada.status().agents), "bob to wait")
            suite.kill(suite.holder())
            Worker(ada).surely(lambda by: ada.plan(item("one"), by=by))
            thread.join(DEADLINE)
            self.assertEqual(claims[0].claims[0].task.task, 1)


if __name__ == "__main__":
    unittest.main()
