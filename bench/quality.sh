#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# quality.sh [OPTIONS]: how far brrr's default mode is from exact arithmetic, beside llama.cpp.
#
# Makes versions of a model in 13 weight formats (bench/quants.py: llama-cpp-python's quantise
# call; an already quantised model is quantised again, which is allowed here because each file is
# compared with itself only). For each, `brrr ppl --precision f32 --kl-base` over bench/quality.txt
# gives the reference, and the KL divergence of brrr's default mode and of llama.cpp from it, on
# the same ids, is written into the table of docs/quality.md and bench/results/quality.json.
# Exit code 1 if brrr is further away than llama.cpp's better choice of flash attention anywhere,
# by more than twice the error of the difference.
#
#   -m, --model FILE     (repeatable; default: what run.sh and test.sh fetched)
#   -f, --formats LIST   default: all that bench/quants.py makes
#   -t, --threads N      default: one per core; the numbers do not depend on it
#   -x, --options TEXT   further options of brrr, for the mode that is measured
#   -o, --out NAME       bench/results/NAME.json (default quality); with it docs/ stays as it is
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/.."

die() { echo "quality.sh: $*" >&2; exit 2; }

cache=${XDG_CACHE_HOME:-$HOME/.cache}/brrr
models=() formats='' options='' out=''
threads=$(nproc)
while (($# > 0)); do
    case $1 in
        -h | --help) sed -n '3,18s/^# \{0,1\}//p' "$0"; exit 0 ;;
        -*) (($# > 1)) || die "$1 needs a value (--help lists the options)" ;;&
        -m | --model) models+=("$2") ;;
        -f | --formats) formats=$2 ;;
        -t | --threads) threads=$2 ;;
        -x | --options) options=$2 ;;
        -o | --out) out=$2 ;;
        *) die "unknown option '$1' (--help lists them)" ;;
    esac
    shift 2
done
if ((${#models[@]} == 0)); then
    models=("$cache/SmolLM2-135M-Instruct.Q4_1.gguf" "$cache/gemma-3-270m-q4_k_m.gguf")
fi
for model in "${models[@]}"; do
    [[ -f $model ]] || die "$model is no file (tools/fetch-model default, tools/fetch-model gemma)"
done
make -j "$(nproc)" build/release/brrr >&2 # never an old one
bench/peers.sh llama >&2 || die "it needs llama-cpp-python"
python=${BRRR_PEERS:-build/peers}/llama/bin/python
files=()
for model in "${models[@]}"; do
    # shellcheck disable=SC2086 # a list of words
    made=$("$python" bench/quants.py "$model" "$cache/quants" $formats)
    mapfile -t -O ${#files[@]} files <<<"$made"
done
exec "$python" bench/quality.py build/release/brrr bench/quality.txt \
    "bench/results/${out:-quality}.json" "${out:+/dev/null/}docs/quality.md" 512 "$threads" \
    "$options" "${files[@]}"
