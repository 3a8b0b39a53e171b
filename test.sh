#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test.sh [STEP ...]: install what the tests need, build, run all tests, count them.
#
# Without arguments all steps run, to the end even when one fails; with names only those (and what
# they need must have been built). The output of a step is in build/test/STEP.log and is shown
# when it fails. The last line is "N passed, N failed" over everything; a step that fails without
# saying which test counts as one failure. Needs no network beyond Debian packages and the Python
# Package Index. Reference data in ../shared (or BRRR_SHARED) is used where it is present.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")" || exit 1
unset MODE CC CFLAGS LDFLAGS MAKEFLAGS BRRR BRRR_CPU
export LC_ALL=C.UTF-8

PACKAGES=(gcc libc6-dev make pkg-config libjansson-dev libpcre2-dev libutf8proc-dev libxxhash-dev libedit-dev libevent-dev libssl-dev
    libcmocka-dev universal-ctags clang-14 libclang-rt-14-dev clang-format-14 qemu-user
    python3 python3-pip python3-venv ca-certificates chromium fonts-dejavu-core)
# What runs under ThreadSanitizer: the unit tests that start threads.
THREADED=(test_pool test_engine test_kvdisk test_matrix)
# What runs in the debug build, where threads that must not allocate are watched (base/noalloc.h).
GUARDED=(test_noalloc test_no_memory test_engine test_choices test_beam test_reading test_min_tokens)
SMOKE_SECONDS=${SMOKE_SECONDS:-10}
# Small enough for emulators and sanitizers; random weights.
TINY=tests/fuzz/corpus/model/llama.gguf

log_dir=build/test
only=" $* "
passed=0
failed=0
summary=()
known=
jobs=$(nproc)
venv=build/venv

# --- counting -----------------------------------------------------------------------------------

# sum REGEX LOG: the sum of the first number in every match.
sum() {
    grep -oE "$1" "$2" | grep -oE '[0-9]+' | awk '{ n += $1 } END { print n + 0 }'
}

# Tests a log reports: pytest's last line, cmocka's summaries, rows of the kernel tests, replays.
count_passed() {
    echo $(($(sum '[0-9]+ passed' <(grep -E ' in [0-9.]+s' "$1")) +
        $(sum '^\[  PASSED  \] [0-9]+' "$1") +
        $(grep -cE '^[a-z0-9]+ +[a-z0-9_]+ +[0-9]+ passed +0 failed$' "$1") +
        $(grep -cE '^(replayed|fuzzed) ' "$1")))
}
count_failed() {
    echo $(($(grep -cE '^(FAILED|ERROR) (tests/|fuzz_)' "$1") + $(sum '^\[  FAILED  \] [0-9]+ test' "$1") +
        $(grep -cE '^[a-z0-9]+ +[a-z0-9_]+ +[0-9]+ passed +[1-9][0-9]* failed$' "$1")))
}

# step NAME COMMAND...: run it, count, remember.
step() {
    local name=$1 log=$log_dir/$1.log start=$SECONDS code p f skipped word=ok
    shift
    known+=" $name"
    if [[ $only != "  " && $only != *" $name "* ]]; then return; fi
    printf '%-16s ' "$name"
    "$@" >"$log" 2>&1 </dev/null
    code=$?
    p=$(count_passed "$log")
    f=$(count_failed "$log")
    skipped=$(sum '[0-9]+ skipped' "$log")
    if ((code != 0)); then
        word=FAILED
        ((f > 0)) || f=1
    elif ((p + f == 0)); then
        p=1
    fi
    ((passed += p, failed += f))
    printf -v line '%-6s %4d s  %5d passed %3d failed' "$word" $((SECONDS - start)) "$p" "$f"
    ((skipped == 0)) || line+=" $skipped skipped"
    echo "$line"
    summary+=("$(printf '%-16s %s' "$name" "$line")")
    if ((code != 0)); then
        echo "--- the end of $log:"
        tail -n 40 "$log"
        echo "---"
    fi
}

# --- steps --------------------------------------------------------------------------------------

python_packages() {
    local stamp=$venv/.requirements
    cmp -s tests/requirements.txt $stamp && return 0
    rm -rf $venv
    python3 -m venv $venv && $venv/bin/pip install -q --disable-pip-version-check \
        -r tests/requirements.txt && cp tests/requirements.txt $stamp
}

# Reads what /metrics says. Taken out of Debian's package, because installing that starts a
# server; where it can not be had, the tests that need it are skipped and say so.
unpack_promtool() {
    if type -P promtool || [[ -x build/prometheus/usr/bin/promtool ]]; then return; fi
    mkdir -p build/prometheus
    (cd build/prometheus && apt-get -q download prometheus && dpkg-deb -x prometheus_*.deb . &&
        rm prometheus_*.deb) || echo "no promtool"
}

# Every name of every model once; a failure says which.
models() {
    tools/fetch-model default && tools/fetch-model gemma
}

build() { # build MAKE_ARGUMENT...
    make -j "$jobs" "$@"
}

# programs COMMAND_PREFIX -- PROGRAM...: run each, go on when one fails.
programs() {
    local prefix=() bad=0 code
    while [[ $1 != -- ]]; do
        prefix+=("$1")
        shift
    done
    shift
    (($# > 0)) || { echo "no test programs found"; return 1; }
    for program; do
        echo "== $program"
        timeout 900 "${prefix[@]}" "$program"
        code=$?
        ((code == 0)) || { echo "$program: exit code $code"; bad=1; }
    done
    return $bad
}

# The unit tests of a build that exist, by the names of their sources.
unit_programs() { # MODE [NAME...]
    local mode=$1 source name
    shift
    for source in tests/unit/test_*.c; do
        name=$(basename "$source" .c)
        if (($# == 0)) || [[ " $* " == *" $name "* ]]; then echo "build/$mode/tests/unit/$name"; fi
    done
}

unit() { # MODE [NAME...]
    local list prefix=()
    [[ $1 == release ]] || prefix=(env MATRIX_REQUESTS=40) # sanitizers take their time
    mapfile -t list < <(unit_programs "$@")
    programs "${prefix[@]}" -- "${list[@]}"
}

# Random lives of the engine (tests/sim/sim.c); counted as one test.
simulate() { # MODE SECONDS
    timeout 600 "build/$1/tests/sim/sim" --seconds "$2" && echo "replayed sim"
}

# The same inputs on every run; without --seed the program makes new ones.
kernels() { # BUILD
    timeout 600 "build/$1/tests/kernels/kernels" --seed 1
}

# Threads under ThreadSanitizer, with the instrumented C kernels. Some systems map memory in a way
# that gcc 12's runtime only likes without randomisation.
threads() {
    local list prefix=(env BRRR_CPU=c MATRIX_REQUESTS=12)
    mapfile -t list < <(unit_programs tsan "${THREADED[@]}")
    if setarch -R true 2>/dev/null; then prefix+=(setarch -R); fi
    build MODE=tsan "${list[@]}" build/tsan/brrr && programs "${prefix[@]}" -- "${list[@]}" &&
        "${prefix[@]}" build/tsan/brrr run -m $TINY --raw -t 2 -n 20 -p "hello hello" &&
        "${prefix[@]}" env BRRR="$PWD/build/tsan/brrr" $venv/bin/python -m pytest -p no:cacheprovider \
            -q tests/api/test_server.py tests/api/test_habits.py -k "at_once or probes"
}

# The debug build: no allocation after start, by whatever the engine does.
guarded() {
    local list
    mapfile -t list < <(unit_programs debug "${GUARDED[@]}")
    build MODE=debug "${list[@]}" sim && programs -- "${list[@]}" && simulate debug 5
}

# Inputs that once broke a parser, or nearly: no sanitizer may speak up.
replay() {
    local source target bad=0
    for source in tests/fuzz/fuzz_*.c; do
        target=$(basename "$source" .c)
        if timeout 300 "build/asan/tests/fuzz/$target" "$(corpus "$target")"; then
            echo "replayed $target"
        else
            echo "FAILED $target"
            bad=1
        fi
    done
    return $bad
}

corpus() { echo "tests/fuzz/corpus/${1#fuzz_}"; }

smoke_one() { # TARGET
    local work=build/test/fuzz/$1 dict=tests/fuzz/${1#fuzz_}.dict words=()
    mkdir -p "$work"
    if [[ -f $dict ]]; then words=("-dict=$dict"); fi
    "build/fuzz/tests/fuzz/$1" -max_total_time=$SMOKE_SECONDS -timeout=10 -rss_limit_mb=2048 \
        -print_final_stats=1 -artifact_prefix="$work-" "${words[@]}" "$work" "$(corpus "$1")" \
        >"$work.log" 2>&1
}

# A few seconds of libFuzzer on each target, as many at a time as there are processors.
smoke() {
    local source target bad=0 running=() code
    build MODE=fuzz fuzz-bins || return 1
    rm -rf build/test/fuzz
    mkdir -p build/test/fuzz
    for source in tests/fuzz/fuzz_*.c; do
        while (($(jobs -rp | wc -l) >= jobs)); do sleep 0.2; done
        target=$(basename "$source" .c)
        smoke_one "$target" &
        running+=("$!:$target")
    done
    for source in "${running[@]}"; do
        target=${source#*:}
        wait "${source%%:*}"
        code=$?
        if ((code == 0)); then
            echo "fuzzed $target: $(grep -m 1 number_of_executed_units build/test/fuzz/"$target".log)"
        else
            tail -n 30 "build/test/fuzz/$target.log"
            echo "FAILED $target: exit code $code"
            bad=1
        fi
    done
    return $bad
}

# A processor without AVX runs everything but the folders made for AVX. One type stands for all: the
# emulator is slow, and their code has the same flags.
old_cpu() {
    local qemu=(qemu-x86_64 -cpu Nehalem)
    timeout 600 "${qemu[@]}" build/release/tests/kernels/kernels --seed 1 --type Q4_1 &&
        timeout 300 "${qemu[@]}" build/release/brrr tokenize "Why is the sky blue?" &&
        timeout 300 "${qemu[@]}" build/release/brrr run -m $TINY --raw -n 8 -p "hello"
}

pytests() { # BINARY PYTEST_ARGUMENT...
    local binary=$1
    shift
    BRRR=$PWD/$binary $venv/bin/python -m pytest -p no:cacheprovider -rfEs "$@"
}

# --- all of them --------------------------------------------------------------------------------

mkdir -p $log_dir
tools/install-packages "${PACKAGES[@]}" </dev/null || {
    echo "0 passed, 1 failed"
    exit 1
}
step python python_packages
step promtool unpack_promtool
step models models
step build build all unit kernels-test sim example
step lint make lint
step symbols make symbols
step build-clang build CC=clang-14 all kernels-test
step kernels kernels release
step kernels-clang kernels release-clang-14
step unit unit release
step sim simulate release 20
step pytest pytests build/release/brrr tests/cli tests/golden
step api pytests build/release/brrr tests/api
step page pytests build/release/brrr tests/page
step build-asan build MODE=asan all unit kernels-test sim fuzz-bins
step kernels-asan kernels asan
step unit-asan unit asan
step sim-asan simulate asan 10
step replay replay
step pytest-asan pytests build/asan/brrr tests/cli tests/golden --ignore=tests/golden/test_real.py
step api-asan pytests build/asan/brrr tests/api
# The real models compute for minutes where each load of a vector kernel is checked. The larger one
# only with HEAVY=1 (make heavy).
real_choice=(-k default_model)
[[ -z ${HEAVY:-} ]] || real_choice=()
step build-asan-real build MODE=asan-real build/asan-real/brrr
step real-asan pytests build/asan-real/brrr tests/golden/test_real.py "${real_choice[@]}"
step guarded guarded
step threads threads
step old-cpu old_cpu
step fuzz smoke

for name; do
    if [[ "$known " != *" $name "* ]]; then
        echo "test.sh: there is no step '$name'; the steps are:$known" >&2
        ((failed += 1))
    fi
done
echo
((${#summary[@]} == 0)) || printf '%s\n' "${summary[@]}"
echo "all steps: $SECONDS s"
echo "$passed passed, $failed failed"
((failed == 0 && passed > 0))
