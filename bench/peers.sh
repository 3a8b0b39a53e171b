#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# peers.sh NAME...: install the engines that brrr is compared with, each into a folder of its own.
#
#   llama         llama-cpp-python, built from source for this machine's instruction set
#   ik            ik-llama-cpp-python, the same
#   llama-avx2    llama-cpp-python, built for AVX2
#   ik-avx2       ik-llama-cpp-python, its wheel (AVX2)
#   llama-server  llama-cpp-python, as llama, with the packages of its server
#
# They go into build/peers (or $BRRR_PEERS), the newest of the Python Package Index; what is there
# stays. Prints the names that are ready; the exit code is 1 if one is not, after a word why.
# Building takes g++ and python3-venv, and 5 to 30 minutes each.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
peers=${BRRR_PEERS:-build/peers}

say() { echo "peers.sh: $*" >&2; }

# NAME: its package, what pip is told, what cmake is told.
settings() {
    cmake_args='' extra=''
    case $1 in
        llama) package=llama-cpp-python cmake_args="-DGGML_NATIVE=ON -DLLAVA_BUILD=OFF" ;;
        ik) package=ik-llama-cpp-python cmake_args="-DGGML_NATIVE=ON" ;;
        llama-server)
            package=llama-cpp-python extra='[server]' cmake_args="-DGGML_NATIVE=ON -DLLAVA_BUILD=OFF" ;;
        llama-avx2) package=llama-cpp-python cmake_args="-DGGML_NATIVE=OFF -DLLAVA_BUILD=OFF" ;;
        ik-avx2) package=ik-llama-cpp-python ;;
        *) say "there is no peer '$1' (llama, ik, llama-avx2, ik-avx2, llama-server)"; return 1 ;;
    esac
    pip_args=(--no-binary "$package")
    if [[ $1 == ik-avx2 ]]; then pip_args=(--only-binary "$package"); fi
}

install() { # NAME
    local dir=$peers/$1 log=$peers/$1.log pip_args cmake_args package extra
    settings "$1" || return 1
    if [[ -f $dir/.ready ]]; then return 0; fi
    if [[ -n $cmake_args ]] && ! command -v g++ >/dev/null; then
        say "$1 needs a compiler: apt-get install g++"
        return 1
    fi
    say "installing $1 ($package; log: $log)"
    rm -rf "$dir"
    mkdir -p "$peers"
    if ! python3 -m venv "$dir" >"$log" 2>&1; then
        say "python3 -m venv failed: apt-get install python3-venv"
        return 1
    fi
    if ! CMAKE_ARGS=$cmake_args CMAKE_BUILD_PARALLEL_LEVEL=$(nproc) nice "$dir/bin/pip" install \
        --disable-pip-version-check --no-cache-dir "${pip_args[@]}" "$package$extra" >>"$log" 2>&1; then
        say "$1 cannot be installed; the end of $log:"
        tail -n 5 "$log" >&2
        return 1
    fi
    printf '%s\n' "$cmake_args" >"$dir/.ready"
}

(($# > 0)) || { sed -n '3,14s/^# \{0,1\}//p' "$0"; exit 2; }
code=0
for name; do
    if install "$name"; then echo "$name"; else code=1; fi
done
exit $code
