#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# fresh-machine.sh: does a newcomer's machine get from a clone to an answer, and through the tests?
#
# Makes a minimal Debian 12 tree with nothing but git in it, clones HEAD of this repository there,
# and runs ./run.sh and ./test.sh in a chroot. What the host needs to reach the package archives
# (sources, proxy, certificates, pip's configuration) is handed in from outside: the project's own
# scripts know nothing of it. The certificates go to /opt, where the installation of
# ca-certificates does not overwrite them. All mounts live in a mount namespace of their own and
# end with it. Needs root, debootstrap and git.
set -eu

usage() {
    cat <<'END'
usage: tools/fresh-machine.sh [run|test|both] [options]   (default: run)
  --dir DIR     where the trees are made (default: build/fresh)
  --user        as a user with sudo; default: as root
  --keep        leave the used tree for a look inside (DIR/tree)
  --fresh-base  make the base system anew; else DIR/base is used again
END
}

what=run
as=root
keep=no
fresh_base=no
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
dir=$here/build/fresh
while (($# > 0)); do
    case $1 in
    run | test | both) what=$1 ;;
    --dir) dir=$2 && shift ;;
    --user) as=dev ;;
    --keep) keep=yes ;;
    --fresh-base) fresh_base=yes ;;
    -h | --help) usage && exit 0 ;;
    *) usage >&2 && exit 2 ;;
    esac
    shift
done
[[ $(id -u) == 0 ]] || { echo "fresh-machine: needs root, for debootstrap and chroot" >&2; exit 1; }
if [[ ${FRESH_MACHINE_INSIDE-} != yes ]]; then
    export FRESH_MACHINE_INSIDE=yes
    args=("$what" --dir "$dir")
    [[ $as == root ]] || args+=(--user)
    [[ $keep == no ]] || args+=(--keep)
    [[ $fresh_base == no ]] || args+=(--fresh-base)
    exec unshare --mount --propagation private -- "$0" "${args[@]}"
fi

mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
base=$dir/base
tree=$dir/tree
say() { echo "fresh-machine: $*" >&2; }

# The address the host's apt uses for the plain Debian archive.
# shellcheck disable=SC2016 # the dollar is apt-get's
archive() {
    apt-get indextargets --format '$(REPO_URI)' 'Codename: bookworm' 2>/dev/null | head -n 1
}

make_base() {
    [[ $fresh_base == no && -e $base/.complete ]] && return
    say "making a Debian 12 base system in $base"
    rm -rf "$base"
    local uri
    uri=$(archive)
    debootstrap --variant=minbase --include=git bookworm "$base" \
        ${uri:+"$uri"} >"$dir/debootstrap.log" 2>&1 ||
        { tail -n 20 "$dir/debootstrap.log" >&2; exit 1; }
    touch "$base/.complete"
}

# The host's way to the archives. Variables for the chroot go to the array `environment`.
environment=()
hand_in() {
    local f v bundle
    cp /etc/resolv.conf /etc/hosts "$tree/etc/"
    rm -f "$tree"/etc/apt/sources.list "$tree"/etc/apt/sources.list.d/*
    for f in /etc/apt/sources.list /etc/apt/sources.list.d/debian*; do
        if [[ -f $f ]]; then cp "$f" "$tree${f}"; fi
    done
    for f in /etc/apt/apt.conf /etc/apt/apt.conf.d/*; do
        if [[ -f $f ]] && grep -q '^Acquire::' "$f"; then cp "$f" "$tree$f"; fi
    done
    for f in /etc/pip.conf "$HOME/.config/pip/pip.conf" "$HOME/.pip/pip.conf"; do
        if [[ -f $f ]]; then cp "$f" "$tree/etc/pip.conf"; fi
    done
    # Settings, not places: a folder of the host is not there in the tree.
    for v in $(compgen -e | grep -iE '^(https?|ftp|all|no)_proxy$|^PIP_'); do
        if [[ ${!v} != /* ]]; then environment+=("$v=${!v}"); fi
    done
    for bundle in "${PIP_CERT-}" "${SSL_CERT_FILE-}" /etc/ssl/certs/ca-certificates.crt; do
        [[ -f $bundle ]] || continue
        cp "$bundle" "$tree/opt/host-ca.pem"
        for v in PIP_CERT REQUESTS_CA_BUNDLE SSL_CERT_FILE CURL_CA_BUNDLE GIT_SSL_CAINFO; do
            environment+=("$v=/opt/host-ca.pem")
        done
        echo 'Acquire::https::CAInfo "/opt/host-ca.pem";' >"$tree/etc/apt/apt.conf.d/99host-ca"
        break
    done
}

inside() { # COMMAND, as root
    chroot "$tree" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
        "${environment[@]}" sh -c "$1"
}

inside_user() { # COMMAND, as the user of this trial, in the home folder
    if [[ $as == root ]]; then
        inside "cd && $1"
        return
    fi
    chroot --userspec=$as:$as --groups=$as,sudo "$tree" env -i \
        PATH=/usr/bin:/bin HOME=/home/$as USER=$as LANG=C.UTF-8 "${environment[@]}" \
        sh -c "cd && $1"
}

make_tree() {
    say "copying it to $tree"
    rm -rf "$tree"
    cp -a --reflink=auto "$base" "$tree"
    mount -t proc proc "$tree/proc"
    mount --rbind /dev "$tree/dev"
    mount --bind /sys "$tree/sys"
    hand_in
    if [[ $as != root ]]; then
        inside "apt-get -qq update && apt-get -qq install -y --no-install-recommends sudo &&
            useradd -m -s /bin/bash $as && adduser -q $as sudo" >"$dir/sudo.log" 2>&1 ||
            { tail "$dir/sudo.log" >&2; exit 1; }
        echo "$as ALL=(ALL) NOPASSWD: ALL" >"$tree/etc/sudoers.d/$as"
    fi
    git -C "$here" bundle create -q "$tree/opt/brrr.bundle" HEAD
    inside_user "git -c advice.detachedHead=false clone -q /opt/brrr.bundle brrr"
}

failures=0
# trial NAME COMMAND: run it in the clone; its two streams stay apart.
trial() {
    local start=$SECONDS code=0
    say "--- $1: $2"
    inside_user "cd brrr && { $2; }" >"$dir/out" 2>"$dir/err" </dev/null || code=$?
    sed 's/^/stderr | /' "$dir/err" >&2
    sed 's/^/stdout | /' "$dir/out"
    say "--- $1: exit code $code after $((SECONDS - start)) s"
    ((code == 0)) || ((failures += 1))
}

try_run() {
    trial "first run" 'echo "Why is the sky blue?" | ./run.sh run --temp 0 -n 60'
    [[ -s $dir/out ]] || { say "the answer is empty"; ((failures += 1)); }
    trial "second run" './run.sh run -n 16 -p "Name three colours."'
    if [[ -s $dir/err ]] && grep -qE '^(install-packages|fetch-model)' "$dir/err"; then
        say "the second run set something up again"
        ((failures += 1))
    fi
    trial "no verb" 'echo "Hello!" | ./run.sh'
}

make_base
make_tree
[[ $what == test ]] || try_run
[[ $what == run ]] || { say "(watch it with: tail -f $dir/out)"; trial "tests" ./test.sh; }
umount -R "$tree/dev" "$tree/sys" "$tree/proc" || true
if [[ $keep == no ]]; then
    # Only when nothing of the host is mounted there any more.
    mountpoint -q "$tree/dev" || rm -rf --one-file-system "$tree"
fi
say "$failures failures"
((failures == 0))
