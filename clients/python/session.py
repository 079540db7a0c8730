"""Plans tasks in a session of a flow-balancer, each after the one before, and works them off.

    clients/python/generate /tmp/flow && export PYTHONPATH=/tmp/flow
    python3 clients/python/session.py my-session "write it" "test it" "ship it"
"""

import argparse
import os
import sys
import uuid

import grpc

from flowbalancer.v1 import context_pb2, flow_event_pb2, flow_pb2, flow_pb2_grpc

LOCAL = "unix:" + os.path.expanduser("~/.local/state/flow-balancer/run/router.sock")
OPTIONS = [("grpc.max_receive_message_length", 16 << 20)]


class Session:
    """One agent's calls in one session."""

    def __init__(self, flow, session, actor, timeout):
        self.flow = flow
        self.context = context_pb2.CallContext(session=session, agent=f"{actor}-{os.getpid()}")
        self.actor = actor
        self.timeout = timeout

    def mutate(self, method, request):
        """Sends a mutation; where its fate is not known, once more under the same request id."""
        request.context.CopyFrom(self.context)
        request.by.actor = self.actor
        request.by.request_id = str(uuid.uuid4())
        for last in (False, True):
            try:
                return method(request, timeout=self.timeout)
            except grpc.RpcError as error:
                if last or error.code() != grpc.StatusCode.UNAVAILABLE:
                    raise

    def plan(self, titles):
        """Each task after the one before; the numbers of the tasks."""
        items = []
        for number, title in enumerate(titles, 1):
            item = flow_pb2.FlowPlanItem(
                task=flow_event_pb2.FlowPlannedTask(title=title, priority=2))
            if number > 1:
                item.links.add(kind=flow_event_pb2.FLOW_LINK_KIND_AFTER, item=number - 1)
            items.append(item)
        return self.mutate(self.flow.Plan, flow_pb2.PlanRequest(items=items)).tasks

    def work(self):
        """Claims and finishes tasks until none is ready for us; yields what was done."""
        request = flow_pb2.NextRequest()
        claims = [claim for answer in self.mutate(self.flow.Next, request) for claim in answer.claims]
        while claims:
            claim = claims.pop()
            request = flow_pb2.FinishRequest(
                task=flow_pb2.FlowTaskRef(task=claim.task.task), summary="done", next=True)
            request.by.fence = claim.fence
            answer = self.mutate(self.flow.Finish, request)
            yield claim.task, answer.line
            if answer.HasField("next"):
                claims.append(answer.next)


def main():
    parser = argparse.ArgumentParser(description="Plans tasks in a session, and works them off.")
    parser.add_argument("session", help="its id, 1 to 128 of [A-Za-z0-9._-]")
    parser.add_argument("title", nargs="+", help="what is to be done")
    parser.add_argument("--actor", default="python-example", help="who does it")
    parser.add_argument("--target", default=LOCAL, help="the router [that of this machine]")
    parser.add_argument("--timeout", type=float, default=60, help="seconds [60]")
    args = parser.parse_args()

    with grpc.insecure_channel(args.target, OPTIONS) as channel:
        session = Session(flow_pb2_grpc.FlowServiceStub(channel), args.session, args.actor,
                          args.timeout)
        try:
            session.mutate(session.flow.OpenSession, flow_pb2.OpenSessionRequest())
            session.plan(args.title)
            for task, line in session.work():
                print(f"#{task.task} {task.title}: {line.progress}% of the session is done")
        except grpc.RpcError as error:
            # The message says what, where and the way out; the trailer, in one word, why.
            reason = dict(error.trailing_metadata() or ()).get("flowbalancer-reason")
            said = f" ({reason})" if reason else ""
            print(f"{error.code().name}{said}: {error.details()}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
