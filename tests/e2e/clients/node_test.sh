#!/usr/bin/env bash
#
# The Node examples list and call tools, over a Unix socket and over TCP with mutual TLS, and work in a
# session.

# shellcheck disable=SC1091,SC2154 # what is sourced sets the variables

set -euo pipefail
source "$(dirname "$0")/setup.sh"

# As after `npm install` in its folder, which the tests must not change.
mkdir -p "$HOME/tree/clients"
cp -r clients/node "$HOME/tree/clients/"
ln -s "$PWD/proto" "$HOME/tree/proto"
program=$(readlink -f "$(command -v mcp-server-everything)")
modules=${program%%/node_modules/*}/node_modules
ln -sfn "$modules" "$HOME/tree/clients/node/node_modules"

"$HOME/tree/clients/node/generate" "$HOME/declarations"
expect_in McpServiceClient "$HOME/declarations/mcp.ts"
start_suites
check_example node "$HOME/tree/clients/node/example.mjs"

session=$HOME/tree/clients/node/session.mjs
expect_code 0 node "$session" made-by-node "write it" "test it" "ship it"
expect_in "#1 write it: 33% of the session is done" "$HOME/out"
expect_in "#3 ship it: 100% of the session is done" "$HOME/out"
expect_code 0 node "$session" made-by-node "and once more"
expect_in "#4 and once more: 100% of the session is done" "$HOME/out"
expect_code 1 node "$session" "no/id" "write it"
expect_in "INVALID_ARGUMENT" "$HOME/err"
expect_code 1 node "$session" made-by-node ""
expect_in "INVALID_ARGUMENT: tasks[0].title" "$HOME/err"
expect_code 1 node "$session" made-by-node
expect_in "Usage: session.mjs" "$HOME/out"
