#!/usr/bin/env bash
#
# flowctl import takes over what other clients have, after it has shown it, and leaves the rest of each
# file as it was.

# shellcheck disable=SC1091,SC2154 # what is sourced sets $config and $state

set -euo pipefail
source "$(dirname "$0")/setup.sh"

project=$HOME/project
mkdir -p "$HOME/.cursor" "$project/.vscode"
cat >"$HOME/.claude.json" <<JSON
{"numStartups": 3,
 "mcpServers": {
    "github": {"command": "npx", "args": ["-y", "server-github"], "env": {"TOKEN": "\${GH}"}},
    "files": {"type": "stdio", "command": "mcp-server-filesystem", "args": ["/tmp"]},
    "flow-balancer": {"command": "/old/flow-gateway"}},
 "projects": {"$project": {"mcpServers": {"local": {"command": "./tool", "args": ["--token=t1"]}}}}}
JSON
cat >"$HOME/.cursor/mcp.json" <<'JSON'
{"mcpServers": {"files": {"command": "mcp-server-filesystem", "args": ["/home"]},
                "web": {"url": "https://example.com/mcp?key=1"}}}
JSON
cat >"$project/.vscode/mcp.json" <<'JSON'
{"inputs": [{"id": "k", "type": "promptString"}],
 "servers": {"asks": {"type": "stdio", "command": "npx", "args": ["${input:k}", "${workspaceFolder}"]}, // theirs
             "ours": {"command": "mcp-server-everything"}}}
JSON
cat >"$config" <<'JSON'
{
  // mine
  "mcpServers": {
    "ours": {"command": "mcp-server-everything", "flow": {"tier": "hot"}}, // the best
    "github": {"command": "other"},
  },
}
JSON
before=$(sha256sum "$config" "$HOME/.claude.json" "$HOME/.cursor/mcp.json")
cd "$project"

# It shows what it would do and does nothing when nobody can be asked.
expect_code 0 flowctl import
expect_in "+ files" "$HOME/out"
expect_in "~ github" "$HOME/out"
expect_in "- flow-balancer" "$HOME/out"
expect_in "! files" "$HOME/out"
expect_in "+ asks" "$HOME/out"
expect_in "flow.inputs of our file: k" "$HOME/out"
expect_in "= ours" "$HOME/out"
expect_in "(reached by HTTP: left out when the suite runs)" "$HOME/out"
expect_not_in t1 "$HOME/out"
expect_not_in key=1 "$HOME/out"
expect_in "--yes" "$HOME/err"
expect_code 0 flowctl import --dry-run --yes
[ "$(sha256sum "$config" "$HOME/.claude.json" "$HOME/.cursor/mcp.json")" = "$before" ] ||
    fail "a file was changed"

# At a terminal it asks, and takes only yes for yes.
script -qec "flowctl import" /dev/null <<<n >"$HOME/out"
expect_in "Write 4 servers into $config? [y/N]" "$HOME/out"
[ "$(sha256sum "$config" "$HOME/.claude.json" "$HOME/.cursor/mcp.json")" = "$before" ] ||
    fail "no was taken for yes"
cp "$config" "$HOME/kept"
script -qec "flowctl import --from cursor" /dev/null <<<y >"$HOME/out"
expect_in "wrote $config" "$HOME/out"
expect_in https://example.com/mcp "$config"
rm "$config".*.backup
cp "$HOME/kept" "$config"

# It writes what it said, keeps the file before, and there is nothing left to do.
expect_code 0 flowctl import --yes --json
expect_json "$HOME/out" .written true
[ "$(sha256sum <"$(json "$HOME/out" .backup)")" = "$(head -n 1 <<<"$before" | cut -d' ' -f1)  -" ] ||
    fail "the backup is not the file before"
for text in "// mine" "// the best" '"flow": {"tier": "hot"}' '"github": {"command": "other"}' \
    '"cwd": "'"$project"'"' https://example.com/mcp "input:k}\", \"$project\""; do
    expect_in "$text" "$config"
done
expect_not_in flow-gateway "$config"
expect_code 0 flowctl import --yes
expect_in "nothing to add" "$HOME/out"
expect_code 0 flowctl import --yes --replace
expect_in "\${GH}" "$config"
expect_not_in other "$config"
expect_code 0 flowctl import --yes --replace
expect_in "nothing to add" "$HOME/out"

# A file that is named, and what is wrong with one.
echo '{"mcpServers": {"new": {"command": "x"}, "bad": {"command": 1}}}' >"$HOME/some.json"
expect_code 0 flowctl import --yes "$HOME/some.json"
expect_in bad "$HOME/err"
expect_in '"new"' "$config"
expect_code 1 flowctl import "$HOME/no-such.json"
echo '{' >"$HOME/some.json"
expect_code 1 flowctl import "$HOME/some.json"
expect_in "some.json:" "$HOME/err"

# The gateway goes into a client's file; doctor sees it there, and sees that the old one is gone.
expect_code 0 flowctl import --write-client .vscode/mcp.json --yes
expect_in "// theirs" .vscode/mcp.json
expect_in "$FB_BIN/flow-gateway" .vscode/mcp.json
expect_code 0 flowctl import --write-client "$HOME/.cursor/mcp.json" --yes
expect_json "$HOME/.cursor/mcp.json" '.mcpServers["flow-balancer"].command' "$FB_BIN/flow-gateway"
expect_code 0 flowctl import --write-client "$HOME/fresh/mcp.json" --yes
expect_json "$HOME/fresh/mcp.json" '.mcpServers["flow-balancer"].args.length' 0
expect_code 1 flowctl doctor
expect_in "/old/flow-gateway, which is not there" "$HOME/out"
expect_in "Cursor: " "$HOME/out"

# Our own file must be readable before anything is added.
echo '{"mcpServers": ' >"$config"
expect_code 78 flowctl import --yes
expect_in "config.json:" "$HOME/err"
