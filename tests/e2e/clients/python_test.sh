#!/usr/bin/env bash
#
# The Python example lists and calls tools, over a Unix socket and over TCP with mutual TLS.

# shellcheck disable=SC1091,SC2154 # what is sourced sets the variables

set -euo pipefail
source "$(dirname "$0")/setup.sh"

PYTHON=/usr/bin/python3 clients/python/generate "$HOME/generated"
export PYTHONPATH=$HOME/generated PYTHONDONTWRITEBYTECODE=1
start_suites
check_example /usr/bin/python3 clients/python/example.py
