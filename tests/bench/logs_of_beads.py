#!/usr/bin/env python3
"""Makes an event log of the history of a beads tracker, for flow_replay.

    logs_of_beads.py REPOSITORY NAME >LOG

Reads every version of every issue that the git history of REPOSITORY has in .beads/*.jsonl and writes one JSON
object a line, in the order of time (flow_replay --help says what they mean). Issues and who
works on them become numbers; of titles and bodies nothing is written.
"""

import json
import subprocess
import sys
from datetime import datetime

FILES = [".beads/issues.jsonl", ".beads/beads.jsonl", ".beads/beads.base.jsonl"]
LINKS = {"blocks": "after", "parent-child": "parent", "discovered-from": "from"}
# What some trackers keep besides work: agents, mail, machinery.
NO_WORK = {"agent", "message", "event", "role", "rig", "convoy", "gate", "molecule", "wisp",
           "merge-request", "slot", "queue"}
CLOSED = {"closed"}
GONE = {"tombstone"}
STARTED = {"in_progress", "hooked"}


def unix_ms(text):
    if not text or text.startswith("0001"):
        return None
    text = text.replace("Z", "+00:00")
    head, dot, rest = text.partition(".")
    if dot:
        digits = 0
        while digits < len(rest) and rest[digits].isdigit():
            digits += 1
        text = head + "." + rest[:digits][:6].ljust(6, "0") + rest[digits:]
    try:
        return int(datetime.fromisoformat(text).timestamp() * 1000)
    except ValueError:
        return None


def lines(repository):
    """Each line that any version of the files has, once; versions that the repository lacks are passed over."""
    log = subprocess.run(["git", "-C", repository, "log", "--reverse", "--format=%H", "--"] + FILES, check=True,
                         stdout=subprocess.PIPE, text=True)
    commits = log.stdout.split()
    batch = subprocess.Popen(["git", "-C", repository, "cat-file", "--batch"], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE)
    seen = set()
    blobs = set()
    for commit in commits:
        for file in FILES:
            batch.stdin.write(f"{commit}:{file}\n".encode())
            batch.stdin.flush()
            head = batch.stdout.readline().split()
            if len(head) != 3 or head[1] != b"blob":
                continue
            blob = batch.stdout.read(int(head[2]) + 1)
            if head[0] in blobs:
                continue
            blobs.add(head[0])
            for line in blob.splitlines():
                digest = hash(line)
                if line.startswith(b"{") and digest not in seen:
                    seen.add(digest)
                    yield line
    batch.stdin.close()
    batch.wait()


def versions(repository):
    """Issues by id: the versions of each, by the time of their last change."""
    issues = {}
    names = {None: "", "": ""}
    for line in lines(repository):
        try:
            issue = json.loads(line)
        except ValueError:
            continue
        if not isinstance(issue, dict) or "id" not in issue:
            continue
        created, updated = unix_ms(issue.get("created_at")), unix_ms(issue.get("updated_at"))
        if created is None or issue.get("issue_type") in NO_WORK or issue.get("ephemeral"):
            continue
        links = tuple(sorted(
            (link.get("depends_on_id", ""), LINKS[link["type"]], unix_ms(link.get("created_at")) or 0)
            for link in issue.get("dependencies") or [] if link.get("type") in LINKS))
        comments = tuple(filter(None, (
            unix_ms(comment.get("created_at")) for comment in issue.get("comments") or [])))
        issues.setdefault(issue["id"], {})[(updated or created, issue.get("status"))] = (
            created, unix_ms(issue.get("closed_at")), issue.get("priority"),
            names.setdefault(issue.get("assignee"), f"agent-{len(names) - 1}"), links, comments)
    return issues


def events_of(number, issue, numbers):
    """The events of one issue; of links only those to issues that there are."""
    found = []
    was = "open"
    seen = set()
    last = None

    def add(t_ms, kind, **more):
        found.append(dict({"t_ms": t_ms, "task": number, "kind": kind}, **more))

    for (updated, status), (created, closed, priority, assignee, links, comments) in sorted(
            issue.items(), key=lambda item: (item[0][0], item[0][1] in CLOSED | GONE)):
        if last is None:
            add(created, "created", priority=min(max(int(priority or 0), 0), 4))
        for on, kind, linked in links:
            if on in numbers and (on, kind) not in seen and numbers[on] != number:
                seen.add((on, kind))
                add(max(linked, created), "linked", link=kind, on=numbers[on])
        for t_ms in comments:
            if ("comment", t_ms) not in seen:
                seen.add(("comment", t_ms))
                add(max(t_ms, created), "noted")
        if status in CLOSED and was not in CLOSED:
            add(max(closed or updated, created), "completed", agent=assignee)
        elif status in GONE and was not in GONE:
            add(max(updated, created), "cancelled")
        elif was in CLOSED | GONE and status not in CLOSED | GONE:
            add(max(updated, created), "reopened")
        if status in STARTED and was not in STARTED:
            add(max(updated, created), "started", agent=assignee)
        elif status == was and last is not None and updated > last and status not in CLOSED | GONE:
            add(max(updated, created), "noted", agent=assignee)
        was = status
        last = updated
    return found


def main():
    repository, name = sys.argv[1], sys.argv[2]
    issues = versions(repository)
    born = {key: min(version[0] for version in issue.values()) for key, issue in issues.items()}
    numbers = {key: i + 1 for i, key in enumerate(sorted(issues, key=lambda key: (born[key], key)))}
    order = {"created": 0, "linked": 1}
    log = [event for key, issue in issues.items() for event in events_of(numbers[key], issue, numbers)]
    # A link exists only once both of its ends do.
    created = {number: born[key] for key, number in numbers.items()}
    for event in log:
        if event["kind"] == "linked":
            event["t_ms"] = max(event["t_ms"], created[event["on"]])
    log.sort(key=lambda event: (event["t_ms"], order.get(event["kind"], 2), event["task"]))
    for event in log:
        print(json.dumps(dict({"session": name}, **event)))


main()
