#!/usr/bin/env bash
#
# flowctl explains itself, and says what is wrong with what it is told.

# shellcheck disable=SC1091,SC2154 # what is sourced sets $config and $state

set -euo pipefail
source "$(dirname "$0")/setup.sh"

expect_code 0 flowctl --help
for command in up down status health doctor import "tools ls" "tools call" calls drain "store check" \
    "store backup" "sessions ls" "sessions show" "sessions find" "sessions watch" "sessions top" \
    "sessions graph" "sessions export" "sessions import" "sessions merge" "sessions undo"; do
    expect_in "  $command " "$HOME/out"
done
[[ $(head -n 1 "$HOME/out") == "Usage: flowctl COMMAND"* ]] || fail "help does not begin with the usage"
expect_in "Exit codes" "$HOME/out"
expect_in "--router" "$HOME/out"
for command in up down status health doctor import "tools ls" "tools call" calls drain "store check" \
    "store backup" "sessions ls" "sessions show" "sessions find" "sessions watch" "sessions top" \
    "sessions graph" "sessions export" "sessions import" "sessions merge" "sessions undo"; do
    # shellcheck disable=SC2086 # two words are two arguments
    expect_code 0 flowctl $command --help
    expect_in "Usage: flowctl $command" "$HOME/out"
done
expect_code 0 flowctl help up
expect_in "Usage: flowctl up" "$HOME/out"
expect_code 0 flowctl --version
expect_in "flowctl " "$HOME/out"

# So do the programs of the suite.
for program in flow-gateway flow-router flow-worker flow-store flow-supervisor flow-guard; do
    expect_code 0 "$program" --help
    expect_in "Usage: $program" "$HOME/out"
    expect_code 0 "$program" --version
    expect_in "$program " "$HOME/out"
done

expect_code 64 flowctl
expect_code 64 flowctl docter
expect_in 'did you mean "doctor"?' "$HOME/err"
expect_code 64 flowctl tools
expect_in 'there are ls, call' "$HOME/err"
expect_code 64 flowctl tools lst
expect_in 'did you mean "ls"?' "$HOME/err"
for group in tools sessions store; do
    expect_code 0 flowctl $group --help
    expect_in "Usage: flowctl $group COMMAND" "$HOME/out"
    expect_not_in "  up " "$HOME/out"
    cp "$HOME/out" "$HOME/group"
    expect_code 0 flowctl help $group
    cmp "$HOME/out" "$HOME/group" || fail "help $group is other than $group --help"
done
expect_in "  store backup " "$HOME/out"
expect_code 64 flowctl status extra
expect_in "too many arguments" "$HOME/err"
expect_code 64 flowctl tools call
expect_in "an argument is missing" "$HOME/err"
expect_code 64 flowctl status --jsn
expect_in "did you mean --json?" "$HOME/err"
expect_code 64 flowctl status --timeout soon
expect_in "--timeout" "$HOME/err"
expect_code 64 flowctl status --router nowhere
expect_in "--router" "$HOME/err"
expect_code 78 flowctl status --config "$HOME/no-such.json"
expect_code 64 flowctl status --token-file "$HOME/no-such"

# Where there is nothing yet, it says so.
expect_code 69 flowctl status
expect_in "it does not run" "$HOME/err"
expect_in "flowctl up" "$HOME/err"
expect_code 0 flowctl import
expect_in "no file of an MCP client" "$HOME/out"

# An error is JSON, too, where JSON was asked for.
expect_code 69 flowctl status --json --router 127.0.0.1:1
expect_json "$HOME/out" .error.code UNAVAILABLE
expect_in "127.0.0.1:1" "$HOME/err"

# What the file says holds unless an argument says otherwise.
echo '{"flow": {"flowctl": {"router": "127.0.0.1:2", "joson": true}}}' >"$config"
expect_code 69 flowctl status
expect_in "127.0.0.1:2" "$HOME/err"
expect_code 69 flowctl status --router 127.0.0.1:3
expect_in "127.0.0.1:3" "$HOME/err"
expect_code 0 flowctl doctor
expect_in 'did you mean "json"?' "$HOME/out"

# Each program knows its own part of the file: a doubt is told, and with a mistake nothing is started.
cat >"$config" <<'JSON'
{"mcpServers": {"far": {"url": "http://127.0.0.1:1/mcp"}},
 "flow": {"router": {"heartbeat_grase": "4s"}, "store": {"readers": "many"}}}
JSON
expect_code 1 flowctl doctor
expect_in 'did you mean "heartbeat_grace"?' "$HOME/out"
expect_in "until then flow-store does not start" "$HOME/out"
expect_in "far: a server that is reached by HTTP is left out" "$HOME/out"
expect_code 78 flowctl up
expect_in 'did you mean "heartbeat_grace"?' "$HOME/err"
expect_in "flow.store.readers" "$HOME/err"
expect_in "nothing was started" "$HOME/err"
[ ! -e "$state/run" ] || fail "something was started"
