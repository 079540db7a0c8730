# shellcheck shell=bash
# For the tests of the example clients: a suite on Unix sockets, and a router with a worker by TCP with
# mutual TLS. To be sourced.

# shellcheck disable=SC1091
source "$(dirname "${BASH_SOURCE[0]}")/../flowctl/setup.sh"

certificates=$HOME/certificates
programs=()

leave_all() {
    local status=$?

    trap '' TERM INT # one is enough
    if [ ${#programs[@]} -gt 0 ]; then
        kill "${programs[@]}" 2>/dev/null || true
        wait "${programs[@]}" 2>/dev/null || true
    fi
    if [ "$status" -ne 0 ]; then
        tail -n 20 "$HOME"/*.log >&2 || true
    fi
    flowctl down --force >/dev/null 2>&1 || true
    rm -rf "$HOME"
}
trap leave_all EXIT

start_suites() {
    # shellcheck disable=SC2154 # by flowctl/setup.sh
    echo '{"mcpServers": {"everything": {"command": "mcp-server-everything"}}}' >"$config"
    flowctl up >/dev/null

    deploy/dev-ca "$certificates" >/dev/null
    : >"$HOME/router.log"
    flow-router --listen 127.0.0.1:0 --tls-ca "$certificates/ca.pem" \
        --tls-cert "$certificates/server.pem" --tls-key "$certificates/server.key" \
        2>"$HOME/router.log" &
    programs+=($!)
    # Ends with the line that it waits for; the test's own time limit is its deadline.
    tcp=$(sed -n -E '/msg=listens/{s/.*address=([^ ]+).*/\1/p;q}' \
        < <(tail -n +1 --pid=$! -f "$HOME/router.log"))
    [ -n "$tcp" ] || fail "the router does not listen"
    flow-worker --listen 127.0.0.1:0 --id remote --router "$tcp" \
        --tls-ca "$certificates/ca.pem" --tls-cert "$certificates/server.pem" \
        --tls-key "$certificates/server.key" 2>"$HOME/worker.log" &
    programs+=($!)
    sed '/state=ready/q' < <(tail -n +1 --pid=$! -f "$HOME/router.log") >/dev/null
    tls=(--target "localhost:${tcp##*:}" --ca "$certificates/ca.pem" \
        --cert "$certificates/dev.pem" --key "$certificates/dev.key")
}

# Runs an example the ways a person would.
check_example() { # command...
    # shellcheck disable=SC2154 # by flowctl/setup.sh
    local local_target=unix:$state/run/router.sock

    expect_code 0 "$@"
    expect_in everything__echo "$HOME/out"
    expect_code 0 "$@" --target "$local_target" everything__echo '{"message": "hällo"}'
    expect_in "Echo: hällo" "$HOME/out"
    expect_code 0 "$@" everything__trigger-long-running-operation '{"duration": 0.2, "steps": 2}'
    expect_in "progress:" "$HOME/err"
    expect_code 1 "$@" everything__trigger-long-running-operation '{"duration": 60}' --timeout 0.3
    expect_in DEADLINE_EXCEEDED "$HOME/err"
    expect_code 1 "$@" nobody__echo
    expect_in NOT_FOUND "$HOME/err"

    expect_code 0 "$@" "${tls[@]}"
    expect_in everything__get-sum "$HOME/out"
    expect_code 0 "$@" "${tls[@]}" everything__get-sum '{"a": 40, "b": 2}'
    expect_in 42 "$HOME/out"
    expect_code 1 "$@" --target "localhost:${tcp##*:}" --ca "$certificates/ca.pem" --timeout 5
    expect_code 1 "$@" --target "localhost:${tcp##*:}" --timeout 5
}
