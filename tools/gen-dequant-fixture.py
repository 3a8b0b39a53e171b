#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Print tests/data/dequant.bin: a few blocks of every tensor type and their values.

For each type a record, little-endian: u32 GGUF type id, u32 n weights, u32 n bytes, the blocks,
n values as f32. Blocks are random but for their scales, which are finite f16 with zeros,
subnormals and negatives among them; the first two blocks are all zeros and all ones there.
Values are those of the `gguf` package (pip install gguf==0.19.0).

    tools/gen-dequant-fixture.py > tests/data/dequant.bin
"""
import struct
import sys

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
from gguf.quants import dequantize

N = 768  # weights of a type: three of the largest blocks
SEED = 20

# Where the f16 scales are in a block. MXFP4, NVFP4 and IQ1_M keep theirs otherwise.
SCALES = {
    "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0],
    "Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208],
    "IQ2_XXS": [0], "IQ2_XS": [0], "IQ2_S": [0], "IQ3_XXS": [0], "IQ3_S": [0], "IQ1_S": [0],
    "IQ4_NL": [0], "IQ4_XS": [0], "TQ1_0": [52], "TQ2_0": [64],
    "MXFP4": [], "NVFP4": [], "IQ1_M": [],
}


def scales(rng, n):
    """n finite f16 of every kind, as bytes [n, 2]."""
    s = rng.normal(0, 0.05, n).astype("<f2")
    special = np.array([0.0, -0.0, 6e-8, -1.5, 65504.0], dtype="<f2")
    pick = rng.random(n) < 0.2
    s[pick] = rng.choice(special, pick.sum())
    return s.view(np.uint8).reshape(n, 2)


def blocks(name, rng):
    block, n_bytes = GGML_QUANT_SIZES[GGMLQuantizationType[name]]
    n = N // block
    if name in ("F32", "F16", "BF16"):
        x = rng.normal(0, 1, n).astype("<f4")
        if name == "F16":
            return x.astype("<f2").view(np.uint8)
        return (x if name == "F32" else (x.view("<u4") >> 16).astype("<u2")).view(np.uint8)
    b = rng.integers(0, 256, (n, n_bytes), dtype=np.uint8)
    b[0], b[1] = 0, 255
    for at in SCALES[name]:
        b[:, at:at + 2] = scales(rng, n)
    if name == "MXFP4":  # 2^e, finite
        b[:, 0] = rng.choice([0, 1, 2, 100, 120, 127, 140, 250], n)
    if name == "IQ1_M":  # four bits of d on top of each of four u16
        d = scales(rng, n).copy().view("<u2")[:, 0]
        w = b[:, 48:56].copy().view("<u2")
        for k in range(4):
            w[:, k] = w[:, k] & 0x0FFF | (d >> 4 * k & 15) << 12
        b[:, 48:56] = w.view(np.uint8)
    return b.reshape(-1)


def main():
    rng = np.random.default_rng(SEED)
    names = [t.name for t in GGMLQuantizationType if t.name in SCALES or t.name in ("F32", "F16", "BF16")]
    for name in names:
        b = blocks(name, rng)
        view = {"F32": np.float32, "F16": np.float16}.get(name, np.uint8)
        y = np.asarray(dequantize(b.view(view), GGMLQuantizationType[name]), dtype="<f4")
        if y.size != N or not np.isfinite(y).all():
            sys.exit(f"{name}: unexpected values")
        sys.stdout.buffer.write(struct.pack("<3I", GGMLQuantizationType[name], N, b.size))
        sys.stdout.buffer.write(b.tobytes() + y.tobytes())


main()
