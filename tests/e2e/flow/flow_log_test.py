"""The checker of logs believes what may have happened, and names what may not."""

import unittest

from contracts import messages
from flow_log import FlowLog

pb = messages("flowbalancer/v1/flow_event")
HOUR = 3600 * 1000


def planned(first, keys, links=()):
    return pb.FlowEvent(planned=pb.FlowTasksPlanned(
        first_task=first, tasks=[pb.FlowPlannedTask(title=key, key=key, weight=1) for key in keys],
        links=[pb.FlowLink(task=task, on=on, kind=kind) for task, on, kind in links]))


def claimed(actor, task, fence):
    return pb.FlowEvent(actor=actor, claimed=pb.FlowTaskClaimed(task=task, fence=fence, lasts_ms=HOUR))


def noted(actor, task, note):
    return pb.FlowEvent(actor=actor, noted=pb.FlowTaskNoted(task=task, note=note))


def finished(actor, task, fence, outcome=1):
    return pb.FlowEvent(actor=actor, finished=pb.FlowTaskFinished(task=task, fence=fence,
                                                                  outcome=outcome))


def requeued(actor, task, cause):
    return pb.FlowEvent(actor=actor, requeued=pb.FlowTaskRequeued(task=task, cause=cause))


def faults(events, step_ms=1000, gap_before=None):
    log = FlowLog()
    at = 1
    for number, event in enumerate(events, 1):
        at += 24 * HOUR if number == gap_before else step_ms
        event.unix_ms = event.unix_ms or at
        log.fold(number, event)
    return log.end()


class Checker(unittest.TestCase):
    def test_it_believes_a_life_that_the_table_of_moves_allows(self):
        self.assertEqual([], faults([
            planned(1, ["a", "b", "c"], [(2, 1, 1), (1, 3, 4)]),
            claimed("ada", 1, 1), noted("ada", 1, "half"), finished("ada", 1, 1),
            claimed("bob", 2, 2), requeued("bob", 2, 1), claimed("ada", 2, 3),
            finished("ada", 2, 3, 2), requeued("", 2, 4), claimed("bob", 2, 4), finished("bob", 2, 4),
            finished("", 3, 0),
        ]))

    def test_it_believes_an_expiry_after_the_lease_and_no_earlier_one(self):
        life = [planned(1, ["a"]), claimed("ada", 1, 1), requeued("", 1, 2), claimed("bob", 1, 2)]
        self.assertEqual([], faults(life, gap_before=3))
        early = [planned(1, ["a"]), claimed("ada", 1, 1), requeued("", 1, 2), claimed("bob", 1, 2)]
        self.assertIn("expires", faults(early)[0])

    def told(self, word, events):
        found = faults(events)
        self.assertTrue(any(word in fault for fault in found), found)

    def test_it_names_a_task_that_two_hold(self):
        self.told("while ada has it", [planned(1, ["a"]), claimed("ada", 1, 1), claimed("bob", 1, 2)])

    def test_it_names_a_fence_that_does_not_rise_by_one(self):
        self.told("fence 1 after 1", [planned(1, ["a", "b"]), claimed("ada", 1, 1), claimed("bob", 2, 1)])
        self.told("fence 3 after 1", [planned(1, ["a", "b"]), claimed("ada", 1, 1), claimed("bob", 2, 3)])

    def test_it_names_a_finish_with_a_stale_fence_or_of_another(self):
        self.told("with fence 7", [planned(1, ["a"]), claimed("ada", 1, 1), finished("ada", 1, 7)])
        self.told("which ada holds", [planned(1, ["a"]), claimed("ada", 1, 1), finished("bob", 1, 1)])

    def test_it_names_a_task_that_ends_twice(self):
        self.told("cannot end", [planned(1, ["a"]), claimed("ada", 1, 1), finished("ada", 1, 1),
                                 finished("ada", 1, 1)])

    def test_it_names_a_claim_before_what_it_waits_for(self):
        self.told("waits for 1", [planned(1, ["a", "b"], [(2, 1, 1)]), claimed("ada", 2, 1)])
        self.told("its child 1 is open", [planned(1, ["a", "b"], [(1, 2, 4)]), claimed("ada", 2, 1)])

    def test_it_names_a_parent_that_completes_before_its_children(self):
        self.told("completes by itself", [planned(1, ["a", "b"], [(1, 2, 4)]), finished("", 2, 0)])

    def test_it_names_a_hole_in_the_sequence_and_time_that_runs_back(self):
        log = FlowLog()
        log.fold(1, planned(1, ["a"]))
        log.fold(3, planned(2, ["b"]))
        self.assertIn("is followed by 3", log.end()[0])
        late, early = planned(1, ["a"]), planned(2, ["b"])
        late.unix_ms, early.unix_ms = 2000, 1000
        self.told("runs back", [late, early])

    def test_it_names_a_key_that_is_given_twice(self):
        self.told("key a is taken", [planned(1, ["a"]), planned(2, ["a"])])


if __name__ == "__main__":
    unittest.main()
