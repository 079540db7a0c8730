"""Agents that several sessions share: Next without a session, through router and worker."""

import unittest

import grpc

from flow_suite import DEADLINE, Agent, FlowSuite, context_pb, item, pb, ref


class Turns(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.suite = FlowSuite(workers=1)
        cls.addClassCleanup(cls.suite.__exit__)

    def session(self, name, tasks, actor="ada", scope=None, **more):
        """The actor in a session of the test's own scope, which has so many tasks alike."""
        agent = Agent(self.suite.flow, name, actor, scope or self.id().rsplit(".", 1)[1][:100])
        agent.open(**more)
        if tasks:
            agent.plan(*[item(f"t{i}") for i in range(tasks)])
        return agent

    def next(self, agent, by=None, **more):
        """The last answer to who names no session."""
        context = context_pb.CallContext(agent=agent.name, scope=agent.context.scope)
        return list(self.suite.flow.Next(
            pb.NextRequest(context=context, by=by or agent.by(), **more), timeout=DEADLINE))[-1]

    def work(self, agents, times):
        """Takes and finishes so many tasks; the sessions that they were of."""
        order = []
        for _ in range(times):
            answer = self.next(next(iter(agents.values())))
            self.assertEqual(len(answer.claims), 1, answer.why)
            agents[answer.session].finish(answer.claims[0].task.task)
            order.append(answer.session)
        return order

    def test_equal_sessions_take_turns(self):
        agents = {name: self.session(name, 6) for name in ("a", "b", "c")}
        order = self.work(agents, 18)
        self.assertEqual({name: order.count(name) for name in agents}, {"a": 6, "b": 6, "c": 6})
        for name in agents:
            self.assertIn(order[:9].count(name), (2, 3, 4), order)

    def test_a_session_gets_what_its_share_says(self):
        agents = {"large": self.session("large", 12, share=3), "small": self.session("small", 12)}
        order = self.work(agents, 12)
        self.assertIn(order.count("large"), (8, 9, 10), order)

    def test_what_is_held_already_comes_first_and_a_repetition_answers_as_the_first_did(self):
        ada = self.session("a", 2)
        self.session("b", 2)
        by = ada.by()
        first = self.next(ada, by)
        self.assertFalse(first.claims[0].held)
        again = self.next(ada, by)
        self.assertTrue(again.committed.repeated)
        held = self.next(ada)
        self.assertTrue(held.claims[0].held)
        for answer in (again, held):
            self.assertEqual(answer.session, first.session)
            self.assertEqual(answer.claims[0].fence, first.claims[0].fence)

    def test_only_sessions_of_the_scope_in_which_the_agent_is_known_take_part(self):
        ada = self.session("mine", 0)
        self.session("not-hers", 2, actor="bob")
        self.session("elsewhere", 2, scope="elsewhere")
        answer = self.next(ada)
        self.assertEqual(len(answer.claims), 0)
        self.assertEqual(answer.session, "")
        self.assertIn("no session", answer.why)

    def test_agents_at_once_are_given_all_there_is_and_nothing_twice(self):
        names = [f"n{i}" for i in range(8)]
        for name in names:
            for session in ("a", "b", "c", "d"):
                self.session(session, 0, actor=name)
        agents = [self.session("a", 0, actor=name) for name in names]
        for session in ("a", "b", "c", "d"):
            self.session(session, 2, actor="planner")
        calls = [self.suite.flow.Next(pb.NextRequest(
            context=context_pb.CallContext(agent="all", scope=agents[0].context.scope),
            by=agent.by()), timeout=DEADLINE) for agent in agents]
        claims = [(answer.session, claim.task.task)
                  for call in calls for answer in call for claim in answer.claims]
        self.assertEqual(len(claims), 8)
        self.assertEqual(len(set(claims)), 8)

    def test_a_task_and_a_wait_need_a_session(self):
        ada = self.session("a", 1)
        for more in ({"task": ref(1)}, {"wait_ms": 1000}):
            with self.assertRaises(grpc.RpcError) as caught:
                self.next(ada, **more)
            self.assertEqual(caught.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)
            self.assertIn("context.session", caught.exception.details())

    def test_a_look_says_what_would_be_given_and_changes_nothing(self):
        ada = self.session("a", 1)
        seq = ada.status().line.seq
        answer = self.next(ada, peek=True)
        self.assertEqual((answer.session, len(answer.peeked)), ("a", 1))
        self.assertEqual(ada.status().line.seq, seq)

    def test_a_share_is_bounded(self):
        with self.assertRaises(grpc.RpcError) as caught:
            self.session("a", 0, share=1001)
        self.assertIn("share", caught.exception.details())


if __name__ == "__main__":
    unittest.main()
