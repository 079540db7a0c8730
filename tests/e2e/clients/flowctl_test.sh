#!/usr/bin/env bash
#
# flowctl reaches a router by TCP with mutual TLS, and says what is missing where it may not.

# shellcheck disable=SC1091,SC2154 # what is sourced sets the variables

set -euo pipefail
source "$(dirname "$0")/setup.sh"

start_suites
router=localhost:${tcp##*:}
trust=(--router "$router" --tls-ca "$certificates/ca.pem")
ours=("${trust[@]}" --tls-cert "$certificates/dev.pem" --tls-key "$certificates/dev.key")

expect_code 0 flowctl tools ls "${ours[@]}"
expect_in everything__echo "$HOME/out"
expect_code 0 flowctl tools call everything__get-sum '{"a": 40, "b": 2}' "${ours[@]}"
expect_in 42 "$HOME/out"
expect_code 0 flowctl health "$router" "${ours[@]:2}"
expect_code 0 flowctl status "${ours[@]}" --json
expect_json "$HOME/out" '.workers[0].worker_id' remote
expect_json "$HOME/out" '.programs.map((p) => p.health).join()' serving
expect_code 0 flowctl calls "${ours[@]}"
expect_in everything__get-sum "$HOME/out"

# Without a certificate, without TLS, with another authority, by a name that is not in the certificate.
expect_code 69 flowctl tools ls "${trust[@]}" --timeout 5s
expect_code 69 flowctl tools ls --router "$router" --timeout 5s
deploy/dev-ca "$HOME/others" >/dev/null
expect_code 69 flowctl tools ls --router "$router" --timeout 5s --tls-ca "$HOME/others/ca.pem"
expect_code 69 flowctl tools ls "${ours[@]}" --timeout 5s --tls-server-name other.example
expect_code 64 flowctl tools ls --router "$router" --tls-ca "$HOME/no-such.pem"
expect_in no-such.pem "$HOME/err"

# The settings may stand in the file.
cat >"$config" <<JSON
{"flow": {"flowctl": {"router": "$router", "tls_ca": "$certificates/ca.pem",
                      "tls_cert": "$certificates/dev.pem", "tls_key": "$certificates/dev.key"}}}
JSON
expect_code 0 flowctl health
