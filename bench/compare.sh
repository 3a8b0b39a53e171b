#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# compare.sh [OPTIONS]: brrr beside llama-cpp-python and ik-llama-cpp-python on one machine.
#
# Installs the peers (bench/peers.sh: built from source for this machine, into build/peers), then
# runs the same model file and the same cases on each, in turn, everything warm, and takes
# medians. The peers are driven through their low-level batch interface, with the same token ids
# and a greedy choice from the logits; each in its best configuration (flash attention on or off,
# ik with and without re-packing, llama.cpp with one cache or one for each sequence), found first.
# Writes a markdown table (also to standard output), the raw JSON and an SVG chart to
# bench/results/. Progress goes to standard error. A peer that cannot be installed is left out.
#
#   -m, --model FILE     the model (default: the one that run.sh fetched)
#   -r, --rounds N       rounds (default 5)
#   -t, --threads N      threads of each engine (default 2)
#   -n, --steps N        tokens decoded in a round by one sequence, half of it in batches (64)
#   -c, --cases LIST     default "prefill:128,512,2048 decode:1,8,16,32 load"
#   -p, --peers LIST     default "llama ik", with --isa avx2 "llama-avx2 ik-avx2"
#   -i, --isa SET        native (default) or avx2: brrr capped, peers built for AVX2
#   -P, --precision P    numerics of brrr: q8 (default), or bf16 for files of F16 or BF16 weights
#   -o, --out NAME       files bench/results/NAME.md, .json, .svg (default: the model's name)
#
# Nothing else should run meanwhile. SmolLM2 takes about 10 minutes, after the builds.
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/.."

die() { echo "compare.sh: $*" >&2; exit 2; }

model=${BRRR_MODEL:-${XDG_CACHE_HOME:-$HOME/.cache}/brrr/SmolLM2-135M-Instruct.Q4_1.gguf}
rounds=5 threads=2 steps=64 isa=native precision=q8 peers='' out=''
cases="prefill:128,512,2048 decode:1,8,16,32 load"
while (($# > 0)); do
    case $1 in
        -h | --help) sed -n '3,26s/^# \{0,1\}//p' "$0"; exit 0 ;;
        -*) (($# > 1)) || die "$1 needs a value (--help lists the options)" ;;&
        -m | --model) model=$2 ;;
        -r | --rounds) rounds=$2 ;;
        -t | --threads) threads=$2 ;;
        -n | --steps) steps=$2 ;;
        -c | --cases) cases=$2 ;;
        -p | --peers) peers=$2 ;;
        -i | --isa) isa=$2 ;;
        -P | --precision) precision=$2 ;;
        -o | --out) out=$2 ;;
        *) die "unknown option '$1' (--help lists them)" ;;
    esac
    shift 2
done
case $isa in
    native) peers=${peers:-llama ik} ;;
    avx2) peers=${peers:-llama-avx2 ik-avx2} ;;
    *) die "--isa is native or avx2, not '$isa'" ;;
esac
for n in "$rounds" "$threads" "$steps"; do
    [[ $n =~ ^[1-9][0-9]{0,5}$ ]] || die "'$n' is no number from 1"
done
[[ -f $model ]] || die "$model is no file: give one with -m (./run.sh fetches the default)"
if [[ -z $out ]]; then
    out=$(basename "$model" .gguf)
    if [[ $isa == avx2 ]]; then out+=-avx2; fi
    if [[ $precision != q8 ]]; then out+=-$precision; fi
fi

make -j "$(nproc)" build/release/brrr >&2 # never an old one
# shellcheck disable=SC2086 # a list of words
ready=$(bench/peers.sh $peers) ||
    echo "compare.sh: goes on without the peers that are not there" >&2
exec python3 bench/compare.py --brrr build/release/brrr --model "$model" --rounds "$rounds" \
    --threads "$threads" --steps "$steps" --cases "$cases" --isa "$isa" --precision "$precision" \
    --peers "${ready//$'\n'/ }" --out "bench/results/$out"
