#!/bin/sh
# SPDX-License-Identifier: MIT
# run.sh [verb ...]: from a fresh checkout to a running brrr, in one command.
#
# Installs the Debian packages that are missing (and says which, before it does), builds the
# release, fetches the default model once where the verb needs it, and runs the verb; without
# one it starts `chat`. Standard input and output belong to the verb: everything said here goes
# to standard error. Works from any folder, and several at a time.
set -u

root=$(dirname -- "$(readlink -f -- "$0")") || exit 1
brrr=$root/build/release/brrr
cache=${XDG_CACHE_HOME:-${HOME:-}/.cache}/brrr

say() { echo "run.sh: $*" >&2; }

build() {
    "$root/tools/install-packages" gcc libc6-dev make pkg-config libjansson-dev libpcre2-dev \
        libutf8proc-dev libxxhash-dev libedit-dev libevent-dev libssl-dev </dev/null || return 1
    # Nothing to do is the usual case, and quick.
    make -C "$root" -s -q MODE=release build/release/brrr </dev/null >/dev/null 2>&1 && return 0
    say "building brrr (about a minute the first time)"
    if ! make -C "$root" -j "$(nproc)" MODE=release build/release/brrr </dev/null >"$root/build/run.log" 2>&1
    then
        tail -n 30 "$root/build/run.log" >&2
        say "the build failed; all of its output is in $root/build/run.log"
        return 1
    fi
}

# True if the file begins like a model.
is_model() {
    [ -f "$1" ] && [ "$(dd if="$1" bs=4 count=1 2>/dev/null | tr -d '\000')" = GGUF ]
}

# True if this command line ends up with the default model: -m, BRRR_MODEL or an operand may name
# another one. An operand of `chat`, `serve` or `tune` can also be the value of an option, so it has to be a model.
needs_default() {
    verb=$1
    case $verb in
    chat | run | serve | tokenize | template | logits | ppl | inspect | bench | tune) ;;
    *) return 1 ;;
    esac
    shift
    given=${BRRR_MODEL:-default}
    while [ $# -gt 0 ]; do
        case $verb:$1 in
        *:-h | *:--help) return 1 ;;
        *:--template-file* | *:--chat-template-file*) return 1 ;;
        *:-m | *:--model | *:--model-id | *:--hf-repo) given=${2-} ;;
        *:--model=* | *:--model-id=* | *:--hf-repo=*) given=${1#*=} ;;
        *:-m*) given=${1#-m} ;;
        inspect:--tensor) [ $# -eq 1 ] || shift ;;
        *:-*) ;;
        inspect:*) given=$1 ;;
        chat:* | serve:* | tune:*) if is_model "$1"; then given=$1; fi ;;
        esac
        shift
    done
    [ "$given" = default ]
}

fetch() {
    # The name of the file is the Makefile's, which tells it to the binary.
    model=$(sed -n 's/^DEFAULT_MODEL *:= *//p' "$root/Makefile")
    [ ! -f "$cache/$model" ] || return 0
    "$root/tools/install-packages" python3 python3-pip ca-certificates </dev/null || return 1
    "$root/tools/fetch-model" default </dev/null >/dev/null
}

case ${1-} in
'') set -- chat ;;
-h | --help | --version) ;;
-*) set -- chat "$@" ;;
esac

if ! mkdir -p "$root/build" || ! : >>"$root/build/.lock"; then
    say "cannot write to $root/build: run it as the user who owns the checkout"
    exit 1
fi
exec 9>"$root/build/.lock"
if ! flock -n 9; then
    say "another run is building; waiting for it"
    flock 9
fi
build 9>&- || exit 1
exec 9>&-
if needs_default "$@"; then
    fetch || exit
fi
exec "$brrr" "$@"
