#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write a Llama as wide as an 8B model, with random weights, that does not fit any cache.

    wide_model.py [--type Q4_K|Q4_0|Q8_0] [--layers N] FILE

What decides the speed of a large model is how its weights come from memory, and that does not
depend on their values. Scales are small, so that activations stay finite; codes are random. The
file has no tokenizer: it is for `brrr bench` and bench/compare.sh, which work on token ids.
Needs the packages gguf and numpy.
"""
import argparse
import sys

import gguf
import numpy as np

D, FF, HEADS, KV_HEADS, VOCAB = 4096, 14336, 32, 8, 32000
# Offsets of the f16 fields of a block that must be small numbers, not random bits.
SCALES = {"Q4_K": (0, 2), "Q4_0": (0,), "Q8_0": (0,)}


def blocks(rng, qtype, n_rows, n_cols):
    """Random rows in the file's blocks: [n_rows][bytes] uint8."""
    per_block, n_bytes = gguf.GGML_QUANT_SIZES[qtype]
    n = n_rows * n_cols // per_block
    # A few MB of random bits, repeated: nobody looks at the values.
    seed = rng.integers(0, 256, (min(n, 65536), n_bytes), dtype=np.uint8)
    out = np.resize(seed, (n, n_bytes))
    for at in SCALES[qtype.name]:
        scale = np.float16(2e-5 if qtype.name == "Q4_K" else 1e-3)
        out[:, at:at + 2] = np.frombuffer(scale.tobytes(), np.uint8)
    return out.reshape(n_rows, -1)


def tensors(layers):
    yield "token_embd.weight", VOCAB, D
    for i in range(layers):
        for name, rows, cols in (("attn_q", D, D), ("attn_k", D // HEADS * KV_HEADS, D),
                                 ("attn_v", D // HEADS * KV_HEADS, D), ("attn_output", D, D),
                                 ("ffn_gate", FF, D), ("ffn_up", FF, D), ("ffn_down", D, FF)):
            yield f"blk.{i}.{name}.weight", rows, cols
        yield f"blk.{i}.attn_norm.weight", 1, D
        yield f"blk.{i}.ffn_norm.weight", 1, D
    yield "output_norm.weight", 1, D
    yield "output.weight", VOCAB, D


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--type", choices=sorted(SCALES), default="Q4_K")
    p.add_argument("--layers", type=int, default=28, help="28: about 3.6 GB of Q4_K")
    p.add_argument("file")
    o = p.parse_args()
    qtype = gguf.GGMLQuantizationType[o.type]
    rng = np.random.default_rng(1)

    w = gguf.GGUFWriter(o.file, "llama")
    w.add_name("random-8b-wide")
    w.add_block_count(o.layers)
    w.add_context_length(8192)
    w.add_embedding_length(D)
    w.add_feed_forward_length(FF)
    w.add_head_count(HEADS)
    w.add_head_count_kv(KV_HEADS)
    w.add_rope_dimension_count(D // HEADS)
    w.add_rope_freq_base(500000.0)
    w.add_layer_norm_rms_eps(1e-5)
    w.add_vocab_size(VOCAB)
    w.add_tokenizer_model("no_vocab")
    for name, rows, cols in tensors(o.layers):
        if rows == 1:
            w.add_tensor_info(name, (cols,), np.dtype(np.float32), cols * 4)
        else:
            per_block, n_bytes = gguf.GGML_QUANT_SIZES[qtype]
            row = cols // per_block * n_bytes
            w.add_tensor_info(name, (rows, row), np.dtype(np.uint8), rows * row, raw_dtype=qtype)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_ti_data_to_file()
    for name, rows, cols in tensors(o.layers):
        data = np.ones(cols, np.float32) if rows == 1 else blocks(rng, qtype, rows, cols)
        w.write_tensor_data(data)
        print(f"\r{name:40}", end="", file=sys.stderr)
    print(file=sys.stderr)
    w.close()


main()
