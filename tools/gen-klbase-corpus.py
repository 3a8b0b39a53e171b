#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write the seeds of tests/fuzz/fuzz_klbase.c: small files of reference distributions.

    tools/gen-klbase-corpus.py tests/fuzz/corpus/klbase

The layout is in src/format/klbase.h. The target asks for the likelihood of id (row % 3).
"""
import math
import pathlib
import struct
import sys

UNIT, FAR = 2048, 65535


def head(n_vocab, n_row, magic=b"brrr-kl\n", version=1, flags=0, ctx=16, n_id=9, profile=b"f32",
         last=0):
    return magic + struct.pack("<IIIIIIQ16sQ", version, flags, n_vocab, ctx, n_id, n_row,
                               0x0123456789abcdef, profile, last)


def row(down, index, nll=None):
    if nll is None:
        nll = down[index % 3] / UNIT + math.log(sum(math.exp(-d / UNIT) for d in down))
    return struct.pack(f"<d{len(down)}H", nll, *down)


ROWS = [[0, 1, 2048, FAR, 700], [90, FAR, 0, 1, 5000], [FAR, 2, FAR, 0, 40000]]
BODY = b"".join(row(d, i) for i, d in enumerate(ROWS))
SEEDS = {
    "good": head(5, 3) + BODY,
    "good_bos_half": head(5, 3, flags=3, profile=b"q8g32") + BODY,
    "one": head(3, 1) + row([0, 5, 6], 0),
    "bad_magic": head(5, 3, magic=b"GGUF\3\0\0\0") + BODY,
    "bad_version": head(5, 3, version=2) + BODY,
    "bad_flags": head(5, 3, flags=8) + BODY,
    "bad_unfinished": head(5, 0) + BODY,
    "bad_size": head(6, 3) + BODY,
    "bad_vocab": head(2**32 - 1, 2**31) + BODY,
    "bad_profile": head(5, 3, profile=b"\x1b[31m") + BODY,
    "bad_last": head(5, 3, last=1) + BODY,
    "bad_nll": head(5, 1) + row(ROWS[0], 0, math.nan),
    "bad_two_tops": head(5, 1) + row([0, 0, 1, 2, 3], 0),
    "bad_no_top": head(5, 1) + row([1, 1, 1, 2, 3], 0),
    "bad_likelihood": head(5, 1) + row(ROWS[0], 0, 2.5),
}


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in SEEDS.items():
        (folder / name).write_bytes(data)


main()
