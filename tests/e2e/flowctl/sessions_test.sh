#!/usr/bin/env bash
#
# Sessions on the command line: brought in, looked at, drawn, watched, changed, merged and written out.

# shellcheck disable=SC1091,SC2154 # what is sourced sets $config and $state

set -euo pipefail
source "$(dirname "$0")/setup.sh"

echo '{"mcpServers": {}}' >"$config"
chmod 600 "$config"
expect_code 69 flowctl sessions ls
expect_in "flowctl up" "$HOME/err"
expect_code 0 flowctl up
expect_code 0 flowctl sessions ls
expect_in "no session" "$HOME/out"

# A session file of the system that came before, with keys that nobody knows and one of six tasks done.
cat >"$HOME/older file.json" <<'JSON'
{"sessionId": "older", "created": "2025-11-17T00:00:00Z", "status": "warming",
 "context": {"project": "søkt", "deep": [1, 2.50, {"x": null}]},
 "comprehensive_todos": ["first", "second"],
 "tasks": [
  {"id": "task-1", "description": "lay the ground", "context": "a", "weight": 5, "dependencies": [],
   "state": "completed", "momentum": 100, "priority": "high", "sanctuary_notes": "kept"},
  {"id": "task-2", "description": "build walls", "context": "b", "weight": 5,
   "dependencies": ["task-1"], "state": "queued", "momentum": 0, "priority": "medium"},
  {"id": "task-3", "description": "build the roof", "context": "c", "weight": 5,
   "dependencies": ["task-2"], "state": "queued", "momentum": 0, "priority": "low"},
  {"id": "task-4", "description": "paint", "context": "", "weight": 5, "dependencies": ["task-3"],
   "state": "queued", "momentum": 0, "priority": "medium"},
  {"id": "task-5", "description": "furnish", "context": "", "weight": 5, "dependencies": ["task-4"],
   "state": "queued", "momentum": 0, "priority": "medium"},
  {"id": "task-6", "description": "move in", "context": "", "weight": 5, "dependencies": ["task-5"],
   "state": "queued", "momentum": 0, "priority": "medium"}],
 "nobodyKnows": {"this": ["stays", true]}}
JSON
expect_code 0 flowctl sessions import "$HOME/older file.json" --dry-run
expect_in "would come into older-file" "$HOME/out"
expect_code 1 flowctl sessions show older-file
expect_code 0 flowctl sessions import "$HOME/older file.json" --json
expect_json "$HOME/out" .tasks 6
expect_json "$HOME/out" .format session_file
expect_json "$HOME/out" .line.progress 17
expect_code 1 flowctl sessions import "$HOME/older file.json"
expect_code 0 flowctl sessions export older-file --format session-file --output "$HOME/out.json"
node -e '
    const fs = require("fs")
    const [a, b] = process.argv.slice(1).map((file) => JSON.parse(fs.readFileSync(file, "utf8")))
    require("assert").deepStrictEqual(b, a)
' "$HOME/older file.json" "$HOME/out.json"

# Looked at.
expect_code 0 flowctl sessions ls
expect_in older-file "$HOME/out"
expect_in "17 %" "$HOME/out"
expect_code 0 flowctl sessions ls older- --json
expect_json "$HOME/out" '.sessions[0].session' older-file
expect_code 0 flowctl sessions show older-file
expect_in "progress 17 %" "$HOME/out"
expect_in "build walls" "$HOME/out"
expect_in "waits for #2" "$HOME/out"
expect_not_in "lay the ground" "$HOME/out"
expect_code 0 flowctl sessions show older-file@ada --all --json
expect_json "$HOME/out" .tasks.length 6
for command in show watch top graph export; do
    expect_code 1 flowctl sessions "$command" nobody
    expect_in 'there is no session "nobody" (no_such)' "$HOME/err"
    expect_in "flow_open makes it" "$HOME/err"
done
expect_code 1 flowctl sessions graph older-file --around 99
expect_in "there is no task 99 (no_such)" "$HOME/err"
expect_code 1 flowctl sessions graph older-file --output "$HOME/no-such/graph.dot"
expect_in "$HOME/no-such/graph.dot: No such file" "$HOME/err"
expect_code 0 flowctl sessions find roof --json
expect_json "$HOME/out" .task.title "build the roof"
expect_code 0 flowctl sessions find --where "state:ready"
expect_in "older-file#2 ready  build walls" "$HOME/out"
expect_not_in "build the roof" "$HOME/out"
expect_code 0 flowctl sessions find build walls --where "state:queued"
expect_in "older-file#2 ready  build walls" "$HOME/out"
expect_code 0 flowctl sessions find --session older-file --where "state:ready"
expect_in "build walls" "$HOME/out"
expect_code 1 flowctl sessions find nothing-of-the-kind
expect_code 64 flowctl sessions find --where "colour:red"
expect_in "colour" "$HOME/err"
expect_code 0 flowctl sessions top older-file --count 1 --json
expect_json "$HOME/out" .line.session older-file

# Drawn.
expect_code 0 flowctl sessions graph older-file
expect_in digraph "$HOME/out"
expect_code 0 flowctl sessions graph older-file --format svg --output "$HOME/graph.svg"
node -e '
    const text = require("fs").readFileSync(process.argv[1], "utf8")
    require("assert").match(text, /^<svg|^<\?xml/)
    require("assert").match(text, /build the roof/)
' "$HOME/graph.svg"

# Written out event by event and brought back the same.
expect_code 0 flowctl sessions export older-file --output "$HOME/log.jsonl"
expect_code 0 flowctl sessions import "$HOME/log.jsonl" --session copy
expect_code 0 flowctl sessions show older-file --all --json
node -p 'JSON.stringify(JSON.parse(require("fs").readFileSync(process.argv[1])).tasks)' "$HOME/out" >"$HOME/a"
expect_code 0 flowctl sessions show copy --all --json
node -p 'JSON.stringify(JSON.parse(require("fs").readFileSync(process.argv[1])).tasks)' "$HOME/out" >"$HOME/b"
cmp "$HOME/a" "$HOME/b" || fail "a session that came back is another"
head -c -20 "$HOME/log.jsonl" >"$HOME/half.jsonl"
expect_code 64 flowctl sessions import "$HOME/half.jsonl" --session half
expect_in "line" "$HOME/err"
expect_code 1 flowctl sessions show half

# Watched, and changes taken back.
expect_code 0 flowctl sessions watch older-file --no-follow --json
expect_in '"seq":1,' "$HOME/out"
expect_code 64 flowctl sessions undo older-file
echo '{"tasks":[{"id":1,"title":"of another system","status":"pending","dependencies":[]}]}' |
    flowctl sessions import - --session foreign >"$HOME/out"
expect_in "task_master" "$HOME/out"
expect_code 0 flowctl sessions merge copy older-file
expect_code 1 flowctl sessions merge copy foreign
expect_code 0 flowctl sessions merge copy foreign with-foreign --json
expect_json "$HOME/out" .line.tasks 7
expect_code 0 flowctl sessions merge copy older-file both --json
expect_json "$HOME/out" .conflicts 0
expect_code 0 flowctl sessions merge copy older-file@ada "Both of them"
expect_code 0 flowctl sessions show "Both of them"
expect_code 0 flowctl sessions merge both "Both of them"
expect_code 0 flowctl sessions merge older-file copy both-again --json
expect_json "$HOME/out" .line.tasks 6
expect_code 0 flowctl sessions mute older-file stalled '#2' --for 1h
expect_in "quiet for 1 h" "$HOME/out"
expect_code 64 flowctl sessions mute older-file noise
expect_in noise "$HOME/err"
expect_code 0 flowctl sessions verify older-file
expect_in "no evidence" "$HOME/out"
