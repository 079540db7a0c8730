#!/usr/bin/env bash
#
# The Python examples list and call tools, over a Unix socket and over TCP with mutual TLS, and work in a
# session.

# shellcheck disable=SC1091,SC2154 # what is sourced sets the variables

set -euo pipefail
source "$(dirname "$0")/setup.sh"

PYTHON=/usr/bin/python3 clients/python/generate "$HOME/generated"
export PYTHONPATH=$HOME/generated PYTHONDONTWRITEBYTECODE=1
start_suites
check_example /usr/bin/python3 clients/python/example.py

expect_code 0 /usr/bin/python3 clients/python/session.py made-by-python "write it" "ship it"
expect_in "#1 write it: 50% of the session is done" "$HOME/out"
expect_in "#2 ship it: 100% of the session is done" "$HOME/out"
expect_code 1 /usr/bin/python3 clients/python/session.py "no/id" "write it"
expect_in "INVALID_ARGUMENT" "$HOME/err"
