#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""quants.py MODEL FOLDER [TYPE ...]: versions of a model in other weight formats, by llama.cpp.

Run it with the python of a folder that bench/peers.sh made: it uses llama-cpp-python's own
quantise call. An F16 file is made first (from a quantised MODEL: its dequantised weights), the
others from that. They serve speed and divergence measurements, where a file is compared with
itself; they are no better models than MODEL was. Files that are there stay. Prints one path a
line; progress on stderr.
"""
import ctypes
import os
import pathlib
import re
import sys

TYPES = ["F16", "BF16", "Q8_0", "Q6_K", "Q5_1", "Q5_0", "Q4_K_M", "Q4_1", "Q4_0", "IQ4_NL",
         "IQ4_XS", "Q3_K_M", "Q2_K"]


def stem(path):
    """"x.Q4_1.gguf" and "x-q4_k_m.gguf" to "x"."""
    return re.sub(r"[.-](b?f16|f32|i?q\d\w*)$", "", path.stem, flags=re.I)


def quantize(lib, source, to, kind):
    params = lib.llama_model_quantize_default_params()
    params.ftype = getattr(lib, f"LLAMA_FTYPE_MOSTLY_{kind}")
    params.allow_requantize = True
    params.nthread = len(os.sched_getaffinity(0))
    part = to.with_suffix(".part")
    if lib.llama_model_quantize(bytes(source), bytes(part), ctypes.byref(params)) != 0:
        sys.exit(f"quants.py: llama.cpp cannot make {to.name}")
    part.rename(to)


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    source, folder = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    kinds = sys.argv[3:] or TYPES
    unknown = [k for k in kinds if k not in TYPES]
    if unknown or not source.is_file():
        sys.exit(f"quants.py: {source} is no file" if not unknown else
                 f"quants.py: no type {unknown[0]}; there are {' '.join(TYPES)}")
    import llama_cpp.llama_cpp as lib
    quiet = lib.llama_log_callback(lambda level, text, data: None)
    lib.llama_log_set(quiet, None)
    folder.mkdir(parents=True, exist_ok=True)
    f16 = folder / f"{stem(source)}.F16.gguf"
    for kind in dict.fromkeys(["F16", *kinds]):
        to = folder / f"{stem(source)}.{kind}.gguf"
        if not to.is_file():
            print(f"quants.py: {to.name}", file=sys.stderr, flush=True)
            quantize(lib, source if kind == "F16" else f16, to, kind)
        if kind in kinds:
            print(to, flush=True)


main()
