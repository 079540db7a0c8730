"""A small MCP server (2025-11-25) whose tools change, that notes down what reaches it, and that
can be slow or end in the middle of a call. The one argument is the file for its notes."""

import json
import os
import sys
import threading
import time

notes = sys.argv[1]
tools = ["echo", "grow", "wait", "crash"]
writing = threading.Lock()


def note(what):
    with open(notes, "a", encoding="utf-8") as file:
        file.write(what + "\n")


def send(message):
    with writing:
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        sys.stdout.flush()


def answer(request, result):
    send({"id": request["id"], "result": result})


def call(request):
    name = request["params"]["name"]
    arguments = request["params"].get("arguments", {})
    note("call " + name)
    if name == "crash":
        os._exit(9)
    if name == "grow":
        tools.append(arguments["tool"])
        send({"method": "notifications/tools/list_changed"})
    if name == "wait":
        time.sleep(arguments["seconds"])
    answer(request, {"content": [], "structuredContent": arguments})


note("start")
for line in sys.stdin:
    message = json.loads(line)
    method = message.get("method")
    if method == "initialize":
        answer(message, {
            "protocolVersion": "2025-11-25", "capabilities": {"tools": {"listChanged": True}},
            "serverInfo": {"name": "growing", "version": "1"}})
    elif method == "tools/list":
        answer(message, {"tools": [
            {"name": name, "inputSchema": {"type": "object"}} for name in tools]})
    elif method == "tools/call":
        threading.Thread(target=call, args=(message,), daemon=True).start()
    elif method == "notifications/cancelled":
        note("cancelled")
    elif "id" in message and method is not None:
        send({"id": message["id"], "error": {"code": -32601, "message": "unknown"}})
