"""Lists the tools of a flow-balancer, or calls one.

    clients/python/generate /tmp/flow && export PYTHONPATH=/tmp/flow
    python3 clients/python/example.py
    python3 clients/python/example.py everything__echo '{"message": "hello"}'
    python3 clients/python/example.py --target router.example:7070 --ca ca.pem \
        --cert me.pem --key me.key
"""

import argparse
import json
import os
import sys

import grpc

from flowbalancer.v1 import context_pb2, mcp_pb2, mcp_pb2_grpc

LOCAL = "unix:" + os.path.expanduser("~/.local/state/flow-balancer/run/router.sock")
OPTIONS = [("grpc.max_receive_message_length", 16 << 20)]  # a result may have 12 MiB


def read(path):
    if path is None:
        return None
    with open(path, "rb") as file:
        return file.read()


def dial(args):
    """A channel: plain, with TLS (--ca) or with mutual TLS (--cert and --key, too)."""
    if args.ca is None:
        return grpc.insecure_channel(args.target, OPTIONS)
    credentials = grpc.ssl_channel_credentials(read(args.ca), read(args.key), read(args.cert))
    options = list(OPTIONS)
    if args.server_name:
        options.append(("grpc.ssl_target_name_override", args.server_name))
    return grpc.secure_channel(args.target, credentials, options)


def context(name=""):
    """Field 1 of every request. A tool is named SERVER__TOOL; the router goes by the server."""
    return context_pb2.CallContext(
        agent=f"python-example-{os.getpid()}", server=name.partition("__")[0], name=name)


def tools(mcp, timeout):
    """All pages of the list, each tool as a dictionary."""
    cursor = ""
    while True:
        page = mcp.ListTools(
            mcp_pb2.ListToolsRequest(context=context(), cursor=cursor, wait_ms=10000),
            timeout=timeout)
        for item in page.items_json:
            yield json.loads(item)
        for pending in page.pending_servers:
            print(f"not in the list: {pending.server}: {pending.detail}", file=sys.stderr)
        cursor = page.next_cursor
        if not cursor:
            return


def call(mcp, name, arguments, timeout):
    """The result of a tool. Its progress goes to standard error."""
    request = mcp_pb2.CallToolRequest(
        context=context(name), arguments_json=json.dumps(arguments).encode(), progress=True)
    for event in mcp.CallTool(request, timeout=timeout):
        kind = event.WhichOneof("event")
        if kind == "progress":
            print("progress:", event.progress.params_json.decode(), file=sys.stderr)
        elif kind == "result":
            return json.loads(event.result.result_json)
        elif kind == "error":
            raise RuntimeError(f"the server says {event.error.code}: {event.error.message}")
        elif kind == "input_wanted":
            raise RuntimeError("the tool asks for input, which this example does not give")
    raise RuntimeError("the stream ended without a result")


def main():
    parser = argparse.ArgumentParser(description="Lists the tools of a flow-balancer, or calls one.")
    parser.add_argument("tool", nargs="?", help="SERVER__TOOL; without it the tools are listed")
    parser.add_argument("arguments", nargs="?", default="{}", help="a JSON object")
    parser.add_argument("--target", default=LOCAL, help="the router [that of this machine]")
    parser.add_argument("--ca", help="certificates that are trusted (PEM); asks for TLS")
    parser.add_argument("--cert", help="our certificate (PEM)")
    parser.add_argument("--key", help="its key (PEM)")
    parser.add_argument("--server-name", help="the name to verify instead of the target's")
    parser.add_argument("--timeout", type=float, default=60, help="seconds [60]")
    args = parser.parse_args()

    with dial(args) as channel:
        mcp = mcp_pb2_grpc.McpServiceStub(channel)
        try:
            if args.tool is None:
                for tool in tools(mcp, args.timeout):
                    print(tool["name"])
                return 0
            result = call(mcp, args.tool, json.loads(args.arguments), args.timeout)
        except grpc.RpcError as error:
            print(f"{error.code().name}: {error.details()}", file=sys.stderr)
            return 1
    print(json.dumps(result, indent=2, ensure_ascii=False))
    return 1 if result.get("isError") else 0


if __name__ == "__main__":
    sys.exit(main())
