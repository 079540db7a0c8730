#!/usr/bin/env bash
#
# The Node example lists and calls tools, over a Unix socket and over TCP with mutual TLS.

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
