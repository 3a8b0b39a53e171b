#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write the seeds of tests/fuzz/fuzz_gguf.c and fuzz_model.c: small GGUF files, sound and broken.

    tools/gen-gguf-corpus.py tests/fuzz/corpus
"""
import pathlib
import struct
import sys

U8, I8, U16, I16, U32, I32, F32, BOOL, STR, ARR, U64, I64, F64 = range(13)
CODE = {U8: "B", I8: "b", U16: "H", I16: "h", U32: "I", I32: "i", F32: "f", BOOL: "B", U64: "Q",
        I64: "q", F64: "d"}
# id, weights per block, bytes per block (src/base/qtypes.def)
TYPES = [(0, 1, 4), (1, 1, 2), (2, 32, 18), (3, 32, 20), (6, 32, 22), (7, 32, 24), (8, 32, 34),
         (10, 256, 84), (11, 256, 110), (12, 256, 144), (13, 256, 176), (14, 256, 210),
         (16, 256, 66), (17, 256, 74), (18, 256, 98), (19, 256, 50), (20, 32, 18), (21, 256, 110),
         (22, 256, 82), (23, 256, 136), (29, 256, 56), (30, 1, 2), (34, 256, 54), (35, 256, 66),
         (39, 32, 17), (40, 64, 36)]


def string(s):
    s = s if isinstance(s, bytes) else s.encode()
    return struct.pack("<Q", len(s)) + s


def array(elem, values, n=None):
    head = struct.pack("<IQ", elem, len(values) if n is None else n)
    return head + b"".join(value(elem, v) for v in values)


def value(kind, v):
    if kind == STR:
        return string(v)
    if kind == ARR:
        return v
    return struct.pack("<" + CODE[kind], v)


def kv(key, kind, v):
    return string(key) + struct.pack("<I", kind) + value(kind, v)


def tensor(name, dims, type_id, offset, n_dims=None):
    return (string(name) + struct.pack("<I", len(dims) if n_dims is None else n_dims)
            + struct.pack(f"<{len(dims)}Q", *dims) + struct.pack("<IQ", type_id, offset))


def gguf(kvs=(), tensors=(), data=b"", version=3, align=32, n_kv=None, n_tensors=None):
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors) if n_tensors is None else n_tensors,
                                 len(kvs) if n_kv is None else n_kv)
    head += b"".join(kvs) + b"".join(tensors)
    return head + b"\0" * (-len(head) % align) + data


ONE = [tensor("t", [4], 0, 0)]
SCALARS = [kv("k.u8", U8, 200), kv("k.i8", I8, -3), kv("k.u16", U16, 65535), kv("k.i16", I16, -9),
           kv("k.u32", U32, 1 << 31), kv("k.i32", I32, -1), kv("k.f32", F32, 0.5),
           kv("k.bool", BOOL, 1), kv("k.str", STR, "héllo\0\xff"), kv("k.u64", U64, 2**64 - 1),
           kv("k.i64", I64, -2**63), kv("k.f64", F64, 1e-5)]
NESTED = array(ARR, [array(U32, [1, 2]), array(STR, ["a", "b"]), array(ARR, [array(U8, [])])])


def every_type():
    tensors, data = [], b""
    for type_id, block, n_bytes in TYPES:
        tensors.append(tensor(f"blk.{type_id}.weight", [block, 2], type_id, len(data)))
        data += bytes(i * 37 & 255 for i in range(2 * n_bytes))
        data += b"\0" * (-len(data) % 32)
    return gguf([kv("general.architecture", STR, "llama")], tensors, data)


SEEDS = {
    "ok_scalars": gguf(SCALARS, ONE, bytes(16)),
    "ok_types": every_type(),
    "ok_arrays": gguf([kv("a", ARR, array(STR, ["", "x", b"\xff\xfe"])), kv("n", ARR, NESTED),
                       kv("f", ARR, array(F64, [float("nan"), float("inf"), 1.0]))], ONE, bytes(16)),
    "ok_v2": gguf([kv("general.alignment", U32, 64)], ONE, bytes(16), version=2, align=64),
    "ok_vocab": gguf([kv("tokenizer.ggml.tokens", ARR, array(STR, ["<s>", "</s>", "a"])),
                      kv("tokenizer.ggml.scores", ARR, array(F32, [0, 0, -1]))]),
    "ok_empty": gguf(),
    "bad_swapped": gguf(SCALARS[:2], ONE, bytes(16), version=0x03000000),
    "bad_counts": gguf(n_kv=2**40),
    "bad_tensors": gguf(n_tensors=2**64 - 1),
    "bad_string": gguf([string("k") + struct.pack("<IQ", STR, 2**64 - 1)], ONE, bytes(16)),
    "bad_array": gguf([kv("k", ARR, array(F64, [], n=2**61))], ONE, bytes(16)),
    "bad_nested": gguf([kv("k", ARR, struct.pack("<IQ", ARR, 1) * 200)], ONE, bytes(16)),
    "bad_kind": gguf([string("k") + struct.pack("<I", 13)], ONE, bytes(16)),
    "bad_twice": gguf([kv("k", U8, 1), kv("l", U8, 1), kv("k", U8, 2)], ONE, bytes(16)),
    "bad_name": gguf([], [tensor("a\nb", [4], 0, 0)], bytes(16)),
    "bad_dims": gguf([], [tensor("t", [2**32, 2**32], 0, 0)], bytes(16)),
    "bad_ndims": gguf([], [tensor("t", [4], 0, 0, n_dims=5)], bytes(16)),
    "bad_overlap": gguf([], [tensor("t", [16], 0, 0), tensor("u", [4], 0, 32)], bytes(64)),
    "bad_offset": gguf([], [tensor("t", [4], 0, 2**64 - 32)], bytes(16)),
    "bad_row": gguf([], [tensor("t", [33], 2, 0)], bytes(64)),
    "bad_align": gguf([kv("general.alignment", U32, 48)], ONE, bytes(16)),
    "bad_end": gguf([], ONE, bytes(15)),
}

D, FF, HEADS, KV_HEADS, HEAD, LAYERS = 32, 64, 2, 1, 16, 2  # of the models


def byte_pieces():
    """GPT-2's alphabet of 256 characters that stand for bytes."""
    plain = [b for b in range(256) if 33 <= b <= 126 or 161 <= b <= 172 or b >= 174]
    rest = [b for b in range(256) if b not in plain]
    return [chr(b) if b in plain else chr(256 + rest.index(b)) for b in range(256)]


def vocabulary(model, pre, pieces, kinds, merges=(), scores=()):
    kvs = [kv("tokenizer.ggml.model", STR, model), kv("tokenizer.ggml.pre", STR, pre),
           kv("tokenizer.ggml.tokens", ARR, array(STR, pieces)),
           kv("tokenizer.ggml.token_type", ARR, array(I32, kinds)),
           kv("tokenizer.ggml.bos_token_id", U32, 1), kv("tokenizer.ggml.eos_token_id", U32, 2),
           kv("tokenizer.ggml.unknown_token_id", U32, 0)]
    if merges:
        kvs.append(kv("tokenizer.ggml.merges", ARR, array(STR, merges)))
    if scores:
        kvs.append(kv("tokenizer.ggml.scores", ARR, array(F32, scores)))
    return kvs


def bpe():
    pieces = ["<unk>", "<s>", "</s>"] + byte_pieces() + ["he", "ll", "hell", "hello"]
    return vocabulary("gpt2", "smollm", pieces, [3] * 3 + [1] * (len(pieces) - 3),
                      merges=["h e", "l l", "he ll", "hell o"]), len(pieces)


def spm():
    pieces = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)]
    pieces += ["\u2581", "a", "b", "ab", "\u2581ab"]
    n = len(pieces)
    return vocabulary("llama", "default", pieces, [2, 3, 3] + [6] * 256 + [1] * 5,
                      scores=[0.0] * 259 + [-float(i) for i in range(n - 259)]), n


def wordpiece():
    pieces = ["[UNK]", "[CLS]", "[SEP]", "\u2581the", "\u2581cat", "s", "ing"]
    return vocabulary("bert", "default", pieces, [3] * 3 + [1] * 4)


def model(arch, words, n_vocab, norms, keys=()):
    """A model of two layers; its matrices are Q8_0 and Q4_0, its norms F32."""
    shapes = [("token_embd", [D, n_vocab], 8), ("output_norm", [D], 0)]
    for layer in range(LAYERS):
        b = f"blk.{layer}."
        shapes += [(b + name, [n], 0) for name, n in norms]
        shapes += [(b + "attn_q", [D, HEADS * HEAD], 2), (b + "attn_k", [D, KV_HEADS * HEAD], 2),
                   (b + "attn_v", [D, KV_HEADS * HEAD], 2), (b + "attn_output", [HEADS * HEAD, D], 2),
                   (b + "ffn_gate", [D, FF], 2), (b + "ffn_up", [D, FF], 2),
                   (b + "ffn_down", [FF, D], 2)]
    size = {t: (block, n_bytes) for t, block, n_bytes in TYPES}
    tensors, data = [], b""
    for name, dims, type_id in shapes:
        tensors.append(tensor(name + ".weight", dims, type_id, len(data)))
        block, n_bytes = size[type_id]
        n = dims[0] // block * n_bytes * (dims[1] if len(dims) > 1 else 1)
        data += (b"\0\0\x80\x3f" * n)[:n] if type_id == 0 else bytes(i * 29 % 59 for i in range(n))
        data += b"\0" * (-len(data) % 32)
    ints = [("block_count", LAYERS), ("context_length", 64), ("embedding_length", D),
            ("feed_forward_length", FF), ("attention.head_count", HEADS),
            ("attention.head_count_kv", KV_HEADS), *keys]
    head = [kv("general.architecture", STR, arch)] + [kv(f"{arch}.{k}", U32, v) for k, v in ints]
    head.append(kv(f"{arch}.attention.layer_norm_rms_epsilon", F32, 1e-5))
    return gguf(head + words, tensors, data)


MODELS = {
    "llama": model("llama", *bpe(), [("attn_norm", D), ("ffn_norm", D)]),
    "llama_window": model("llama", *spm(), [("attn_norm", D), ("ffn_norm", D)],
                        [("rope.dimension_count", HEAD), ("attention.sliding_window", 16)]),
    "gemma3": model("gemma3", *spm(), [("attn_norm", D), ("ffn_norm", D), ("attn_q_norm", HEAD),
                                       ("attn_k_norm", HEAD), ("post_attention_norm", D),
                                       ("post_ffw_norm", D)],
                    [("attention.key_length", HEAD), ("attention.value_length", HEAD),
                     ("attention.sliding_window", 16)]),
    "wordpiece": gguf(wordpiece()),
}

for folder, seeds in (("gguf", SEEDS), ("model", MODELS)):
    out = pathlib.Path(sys.argv[1]) / folder
    out.mkdir(parents=True, exist_ok=True)
    for seed, content in seeds.items():
        (out / f"{seed}.gguf").write_bytes(content)
