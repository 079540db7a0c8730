"""FlowService as grpcio sees it: alarms, evidence, forecasts and pictures."""

import json
import unittest
import xml.etree.ElementTree as xml

import grpc

from flow_case import Case
from flow_suite import DEADLINE, event_pb, item, pb, ref


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
        seq = ada.status().line.seq
        self.invalid("observations", lambda: ada.verify(
            *seen, pb.FlowObservation(task=99, ref="/w/0"), host="box"))
        self.assertEqual(ada.status().line.seq, seq)
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
