"""Reads the log of a session and proves from the specification that it may have happened.

Knows nothing of the engine: tasks, leases and fences are followed here event by event, by the table of
moves and the rules of leases, and whatever does not fit is told as a fault with its sequence.
"""

QUEUED, ACTIVE, BLOCKED, RESTING, COMPLETED, FAILED, CANCELLED = (
    "queued", "active", "blocked", "resting", "completed", "failed", "cancelled")
ENDED = (COMPLETED, FAILED, CANCELLED)
AFTER, ENDS, ON_FAIL, PARENT = 1, 2, 3, 4
HANDED_BACK, EXPIRED, UNBLOCKED, RETRIED, REOPENED = 1, 2, 3, 4, 5
OUTCOMES = {1: COMPLETED, 2: FAILED, 3: CANCELLED}

# The moves of a task that an event of a kind may make.
MOVES = {
    "claimed": ((QUEUED, RESTING), ACTIVE),
    "rested": ((ACTIVE,), RESTING),
    "blocked": ((ACTIVE, QUEUED), BLOCKED),  # a queued one when what it waits for was cancelled
}
REQUEUED_FROM = {
    HANDED_BACK: (ACTIVE,),
    EXPIRED: (ACTIVE,),
    UNBLOCKED: (BLOCKED,),
    RETRIED: (FAILED,),
    REOPENED: (COMPLETED,),
}


class Task:
    def __init__(self, number, key):
        self.number = number
        self.key = key
        self.state = QUEUED
        self.holder = None
        self.fence = 0
        self.lasts_ms = 0
        self.children = set()
        self.waits = set()  # (number, kind)
        self.completions = 0
        self.reopenings = 0


class FlowLog:
    """Folds events; `faults` says what could not have happened."""

    def __init__(self):
        self.faults = []
        self.tasks = {}
        self.keys = set()
        self.heard = {}
        self.fence = 0
        self.unix_ms = 0
        self.seq = 0
        self.claims = []     # (seq, task, fence, actor)
        self.expiries = 0
        self.finishes = []   # (seq, task, fence, actor, outcome)
        self.texts = {}      # each text that an agent said, and how often
        self.kinds = {}

    def fault(self, what):
        self.faults.append(f"event {self.seq}: {what}")

    def fold(self, seq, event):
        if seq != self.seq + 1:
            self.fault(f"is followed by {seq}")
        self.seq = seq
        if event.unix_ms < self.unix_ms:
            self.fault(f"time runs back by {self.unix_ms - event.unix_ms} ms")
        self.unix_ms = event.unix_ms
        kind = event.WhichOneof("kind")
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        handler = getattr(self, "_" + (kind or "unknown"), None)
        if handler is not None:
            handler(event, getattr(event, kind))
        if event.actor:
            self.heard[event.actor] = event.unix_ms

    def _said(self, text):
        if text:
            self.texts[text] = self.texts.get(text, 0) + 1

    def _task(self, number):
        task = self.tasks.get(number)
        if task is None:
            self.fault(f"names task {number}, which is not there")
            task = self.tasks[number] = Task(number, "")
        return task

    def _planned(self, event, planned):
        if planned.first_task != len(self.tasks) + 1 and planned.tasks:
            self.fault(f"plans task {planned.first_task} after {len(self.tasks)}")
        for i, item in enumerate(planned.tasks):
            number = planned.first_task + i
            if item.key and item.key in self.keys:
                self.fault(f"key {item.key} is taken")
            self.tasks[number] = Task(number, item.key)
            self.keys.add(item.key)
            self._said(item.key)
        self._links(planned.links)

    def _linked(self, event, linked):
        self._links(linked.links)

    def _links(self, links):
        for link in links:
            task = self._task(link.task)
            self._task(link.on)  # is there
            if link.kind == PARENT:
                children = self._task(link.on).children
                (children.discard if link.dropped else children.add)(link.task)
            elif link.kind in (AFTER, ENDS, ON_FAIL):
                (task.waits.discard if link.dropped else task.waits.add)((link.on, link.kind))

    def _satisfied(self, number, kind):
        state = self.tasks[number].state
        return {AFTER: state == COMPLETED, ENDS: state in ENDED, ON_FAIL: state == FAILED}[kind]

    def _claimed(self, event, claimed):
        task = self._task(claimed.task)
        if claimed.fence != self.fence + 1:
            self.fault(f"fence {claimed.fence} after {self.fence}")
        self.fence = claimed.fence
        if task.holder is not None:
            self.fault(f"task {task.number} is claimed by {event.actor} while {task.holder} has it")
        if not claimed.implicit:
            for number, kind in task.waits:
                if not self._satisfied(number, kind):
                    self.fault(f"task {task.number} is claimed although it waits for {number}, "
                               f"which is {self.tasks[number].state}")
            for child in task.children:
                if self.tasks[child].state not in ENDED:
                    self.fault(f"task {task.number} is claimed although its child {child} is open")
        self._move(task, "claimed")
        task.holder, task.fence, task.lasts_ms = event.actor, claimed.fence, claimed.lasts_ms
        self.claims.append((self.seq, task.number, claimed.fence, event.actor))

    def _move(self, task, kind):
        may, to = MOVES[kind]
        if task.state not in may:
            self.fault(f"task {task.number} is {task.state} and cannot be {kind}")
        task.state = to
        if to != ACTIVE:
            task.holder = None

    def _own(self, event, task):
        if task.holder != event.actor:
            self.fault(f"{event.actor or 'the engine'} writes to task {task.number}, "
                       f"which {task.holder or 'nobody'} holds")

    def _noted(self, event, noted):
        self._said(noted.note)
        task = self._task(noted.task)
        if task.state != ACTIVE:
            self.fault(f"a note on task {task.number}, which is {task.state}")
        self._own(event, task)

    def _unattached(self, event, unattached):
        self._said(unattached.note)

    def _rested(self, event, rested):
        task = self._task(rested.task)
        self._own(event, task)
        self._move(task, "rested")

    def _blocked(self, event, blocked):
        task = self._task(blocked.task)
        if task.state == ACTIVE and event.actor:
            self._own(event, task)
        self._move(task, "blocked")

    def _requeued(self, event, requeued):
        task = self._task(requeued.task)
        if task.state not in REQUEUED_FROM.get(requeued.cause, ()):
            self.fault(f"task {task.number} is {task.state} and cannot be requeued for cause {requeued.cause}")
        if requeued.cause == EXPIRED and task.holder is not None:
            silent = event.unix_ms - self.heard.get(task.holder, 0)
            if silent < task.lasts_ms:
                self.fault(f"the lease on task {task.number} expires after {silent} ms of {task.lasts_ms}")
        self.expiries += requeued.cause == EXPIRED
        if requeued.cause == HANDED_BACK:
            self._own(event, task)
        if requeued.cause == REOPENED:
            task.reopenings += 1
        task.state, task.holder = QUEUED, None

    def _finished(self, event, finished):
        self._said(finished.summary)
        task = self._task(finished.task)
        outcome = OUTCOMES.get(finished.outcome)
        if outcome is None:
            self.fault(f"task {task.number} ends as {finished.outcome}")
            return
        if outcome != CANCELLED and event.actor:
            if task.state != ACTIVE:
                self.fault(f"task {task.number} is {task.state} and cannot end as {outcome}")
            self._own(event, task)
            if finished.fence != task.fence:
                self.fault(f"task {task.number} ends with fence {finished.fence}, not {task.fence}")
        elif task.state in ENDED:
            self.fault(f"task {task.number} is {task.state} and ends again as {outcome}")
        elif outcome == COMPLETED:
            # By the engine: a parent with all its children.
            states = [self.tasks[child].state for child in task.children]
            if not states or any(state not in ENDED for state in states):
                self.fault(f"task {task.number} completes by itself")
        task.completions += outcome == COMPLETED
        if task.completions > task.reopenings + 1:
            self.fault(f"task {task.number} completes for the {task.completions}th time")
        task.state, task.holder = outcome, None
        self.finishes.append((self.seq, task.number, finished.fence, event.actor, outcome))

    def _edited(self, event, edited):
        self._said(edited.body)

    def end(self):
        """What must hold of the whole."""
        fences = [fence for _, _, fence, _ in self.claims]
        if len(set(fences)) != len(fences):
            self.faults.append("a fence was granted twice")
        for task in self.tasks.values():
            if (task.state == ACTIVE) != (task.holder is not None):
                self.faults.append(f"task {task.number} is {task.state} and held by {task.holder}")
        return self.faults
