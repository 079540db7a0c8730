"""FlowService as grpcio sees it: finding tasks in a session, and in all of a scope."""

import unittest

from flow_case import Case
from flow_suite import DEADLINE, context_pb, event_pb, item, pb, ref, wait_until


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


if __name__ == "__main__":
    unittest.main()
