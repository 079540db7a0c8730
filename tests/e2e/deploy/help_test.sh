#!/usr/bin/env bash
#
# Every script that a person starts explains itself, from whatever folder it is called.

set -euo pipefail

top=$PWD
cd /
for script in deploy/up deploy/install deploy/compose deploy/dev-ca tests/run tests/lint tests/bench/run \
    tests/fuzz/run tests/containers/run clients/go/generate clients/node/generate \
    clients/python/generate; do
    words=$("$top/$script" --help 2>&1) || {
        echo "failed: $script --help: $words" >&2
        exit 1
    }
    if [[ $words != *"$script"* ]]; then
        printf 'failed: %s --help does not say how it is called:\n%s\n' "$script" "$words" >&2
        exit 1
    fi
done
