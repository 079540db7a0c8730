# shellcheck shell=bash
# For the tests of flowctl: a home of their own, and words for checks. To be sourced.

set -euo pipefail

HOME=$(mktemp -d /tmp/flowctl.XXXXXX)
export HOME NO_COLOR=1
state=$HOME/.local/state/flow-balancer
config=$HOME/.config/flow-balancer/config.json
mkdir -p "$(dirname "$config")"

# What C core's resolver keeps until the end is no leak of ours.
echo leak:libcares.so >"$HOME/suppressions"
export LSAN_OPTIONS=suppressions=$HOME/suppressions:print_suppressions=0

leave() {
    local status=$?

    trap '' TERM INT # one is enough
    if [ "$status" -ne 0 ] && [ -f "$state/log/suite.log" ]; then
        tail -n 30 "$state/log/suite.log" >&2
    fi
    flowctl down --force >/dev/null 2>&1 || true
    rm -rf "$HOME"
}
trap leave EXIT
trap 'exit 143' TERM INT

fail() { # words
    echo "failed: $*" >&2
    exit 1
}

# Runs a command whose exit code must be the one given; its output goes to $HOME/out and $HOME/err.
expect_code() { # code, command...
    local wanted=$1 code=0

    shift
    "$@" >"$HOME/out" 2>"$HOME/err" </dev/null || code=$?
    if [ "$code" -ne "$wanted" ]; then
        cat "$HOME/out" "$HOME/err" >&2
        fail "exit code $code instead of $wanted: $*"
    fi
}

expect_in() { # text, file
    if ! grep -qF -- "$1" "$2"; then
        cat "$2" >&2
        fail "there is no '$1' in $(basename "$2")"
    fi
}

expect_not_in() { # text, file
    if grep -qF -- "$1" "$2"; then
        cat "$2" >&2
        fail "there is a '$1' in $(basename "$2")"
    fi
}

# A value of a JSON document: a path such as .a[0].b
json() { # file, path
    node -e '
        const [file, path] = process.argv.slice(1)
        const value = new Function("document", "return document" + path)(
            JSON.parse(require("fs").readFileSync(file, "utf8")))
        console.log(typeof value === "object" ? JSON.stringify(value) : String(value))
    ' "$1" "$2"
}

expect_json() { # file, path, value
    local value

    value=$(json "$1" "$2")
    if [ "$value" != "$3" ]; then
        cat "$1" >&2
        fail "$2 is '$value' instead of '$3'"
    fi
}
