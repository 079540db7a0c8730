"""A test of FlowService by grpcio: one suite for all of its class, and what a refusal says."""

import unittest

import grpc

from flow_suite import Agent, FlowSuite, pb

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
