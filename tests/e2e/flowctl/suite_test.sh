#!/usr/bin/env bash
#
# flowctl runs a suite: it comes up, its tools are listed and called, it is looked at, and it goes down
# without leaving anything behind.

# shellcheck disable=SC1091,SC2154 # what is sourced sets $config and $state

set -euo pipefail
source "$(dirname "$0")/setup.sh"

cat >"$config" <<'JSON'
{
    // comments are fine
    "mcpServers": {
        "everything": {"command": "mcp-server-everything"},
    },
}
JSON
chmod 600 "$config"

# Without a suite: nothing to end, nobody to ask, and no problem either.
expect_code 0 flowctl down
expect_in "no suite runs" "$HOME/out"
expect_code 69 flowctl status
expect_in "flowctl up" "$HOME/err"
expect_code 69 flowctl health
expect_code 0 flowctl doctor
expect_in "no suite runs" "$HOME/out"

# It comes up, and a second time it is up already.
expect_code 0 flowctl up --json
expect_json "$HOME/out" .started true
expect_json "$HOME/out" '.programs.map((p) => p.name).sort()' '["router","store","worker-warm-0"]'
expect_json "$HOME/out" '.client.mcpServers["flow-balancer"].command' "$FB_BIN/flow-gateway"
supervisor=$(json "$HOME/out" .pid)
expect_code 0 flowctl up
expect_in "was up already" "$HOME/out"
expect_in '"mcpServers"' "$HOME/out"
expect_in "$supervisor" "$HOME/out"
expect_code 1 flowctl up --foreground
expect_code 0 flowctl health
expect_in SERVING "$HOME/out"
expect_code 0 flowctl health "unix:$state/run/store.sock" --service flowbalancer.v1.SessionStoreService
expect_code 69 flowctl health "unix:$state/run/nobody.sock"
expect_code 0 flowctl status --json
expect_json "$HOME/out" .well true
expect_json "$HOME/out" '.workers[0].state' ready
expect_json "$HOME/out" '.programs.map((p) => p.health).join()' serving,serving,serving
expect_code 0 flowctl doctor --no-all
expect_in "problems: 0, warnings: 0" "$HOME/out"

# Tools.
expect_code 0 flowctl tools ls
expect_in everything__echo "$HOME/out"
expect_code 0 flowctl tools ls '*__get-s*' --json
expect_json "$HOME/out" '.tools.map((t) => t.name).join()' \
    everything__get-structured-content,everything__get-sum
expect_code 1 flowctl tools ls no-such-tool
expect_code 0 flowctl tools call everything__echo '{"message": "hällo"}'
expect_in "Echo: hällo" "$HOME/out"
echo '{"a": 40, "b": 2}' >"$HOME/args"
expect_code 0 flowctl tools call everything__get-sum "@$HOME/args"
expect_in 42 "$HOME/out"
echo '{"message": "piped"}' | flowctl tools call everything__echo - >"$HOME/out"
expect_in "Echo: piped" "$HOME/out"
expect_code 0 flowctl tools call everything__echo '{"message": "raw"}' --json
expect_json "$HOME/out" '.content[0].text' "Echo: raw"
expect_code 0 flowctl tools call everything__trigger-long-running-operation --progress \
    '{"duration": 1, "steps": 2}'
expect_in "2 of 2" "$HOME/err"
expect_code 1 flowctl tools call everything__no-such '{}'
expect_code 1 flowctl tools call nobody__echo '{}'
expect_in "flowctl tools ls" "$HOME/err"
expect_code 64 flowctl tools call everything__echo '{"message": '
expect_in "byte 12" "$HOME/err"
expect_code 64 flowctl tools call everything__echo '[1]'
expect_code 64 flowctl tools call everything__echo "@$HOME/nothing"
expect_code 64 flowctl tools call echo
expect_code 69 flowctl tools call everything__trigger-long-running-operation --timeout 200ms \
    '{"duration": 60, "steps": 2}'

# What was called, and what is stored.
expect_code 0 flowctl calls --json --server everything
expect_in '"name":"everything__echo"' "$HOME/out"
expect_code 0 flowctl calls --limit 1
[ "$(wc -l <"$HOME/out")" -eq 1 ] || fail "one call was asked for"
expect_code 0 flowctl store check --json
expect_json "$HOME/out" .findings_total 0
expect_code 0 flowctl store backup copy.db --json
[ -s "$(json "$HOME/out" .path)" ] || fail "the backup is not there"
expect_code 1 flowctl store backup copy.db
expect_code 64 flowctl store backup /etc/copy.db
expect_code 1 flowctl drain no-such-worker
expect_code 0 flowctl drain worker-warm-0
expect_in drains "$HOME/out"

# Nothing is left when it is down.
expect_code 0 flowctl down --json
expect_json "$HOME/out" .ended true
[ ! -e "/proc/$supervisor/exe" ] || fail "flow-supervisor still runs"
[ ! -e "$state/run/suite.json" ] || fail "the list of programs was left behind"

# In the foreground flowctl becomes the supervisor.
flowctl up --foreground 2>"$HOME/foreground" &
supervisor=$!
timeout 30 bash -c 'until flowctl health >/dev/null 2>&1; do :; done' || fail "nothing serves"
expect_code 0 flowctl up --json
expect_json "$HOME/out" .pid "$supervisor"
kill "$supervisor"
wait "$supervisor" || fail "flow-supervisor ended with $?"
expect_in "the suite has ended" "$HOME/foreground"

# What a dead suite left is found and mended.
expect_code 0 flowctl up --json
kill -9 "$(json "$HOME/out" .pid)"
expect_code 0 flowctl doctor
expect_in "left behind" "$HOME/out"
chmod 755 "$state"
chmod 644 "$config"
expect_code 0 flowctl doctor --fix --no-all
expect_in mended "$HOME/out"
expect_code 0 flowctl doctor --no-all
expect_not_in "left behind" "$HOME/out"
expect_in "warnings: 0" "$HOME/out"
[ "$(stat -c %a "$state")" = 700 ] || fail "the folder is still open to others"

# A file that is broken, and servers that cannot run.
echo '{"mcpServers": {"a": {"command": "no-such-command"}, "b": {"url": 3}}}' >"$config"
expect_code 1 flowctl doctor
expect_in "no-such-command is not found in PATH" "$HOME/out"
expect_in "b.url" "$HOME/out"
echo '{"mcpServers": {' >"$config"
expect_code 78 flowctl up
expect_in "config.json:" "$HOME/err"
expect_code 1 flowctl doctor --json
expect_json "$HOME/out" .problems 1
