# SPDX-License-Identifier: MIT
"""brrr tokenize on the command line, with a small vocabulary made here and no tensors."""
import json
import struct

import pytest

U32, BOOL, STRING, ARRAY, I32 = 4, 7, 8, 9, 5


def text(s):
    b = s.encode()
    return struct.pack("<Q", len(b)) + b


def gguf(keys):
    """A GGUF file without tensors from (key, type, value) with arrays of strings or i32."""
    out = b"GGUF" + struct.pack("<IQQ", 3, 0, len(keys))
    for key, kind, value in keys:
        out += text(key)
        if kind == STRING:
            out += struct.pack("<I", STRING) + text(value)
        elif kind in (U32, BOOL):
            out += struct.pack("<I", kind) + struct.pack("<I" if kind == U32 else "<B", value)
        else:
            strings = isinstance(value[0], str)
            out += struct.pack("<IIQ", ARRAY, STRING if strings else I32, len(value))
            out += b"".join(text(v) if strings else struct.pack("<i", v) for v in value)
    return out


def byte_alphabet():
    plain = [*range(0x21, 0x7f), *range(0xa1, 0xad), *range(0xae, 0x100)]
    other = [b for b in range(256) if b not in plain]
    return [chr(b if b in plain else 0x100 + other.index(b)) for b in range(256)]


@pytest.fixture(scope="module")
def vocab(tmp_path_factory):
    tokens = byte_alphabet() + ["he", "ll", "hell", "hello", "<|im_end|>"]
    path = tmp_path_factory.mktemp("vocab") / "v.gguf"
    path.write_bytes(gguf([
        ("general.architecture", STRING, "no-such-architecture"),
        ("tokenizer.ggml.model", STRING, "gpt2"),
        ("tokenizer.ggml.pre", STRING, "gpt-2"),
        ("tokenizer.ggml.tokens", ARRAY, tokens),
        ("tokenizer.ggml.token_type", ARRAY, [1] * 260 + [3]),
        ("tokenizer.ggml.merges", ARRAY, ["h e", "l l", "he ll", "hell o"]),
        ("tokenizer.ggml.bos_token_id", U32, 260),
        ("tokenizer.ggml.eos_token_id", U32, 260),
        ("tokenizer.ggml.add_bos_token", BOOL, 1),
    ]))
    return path


def lines(run):
    assert run.returncode == 0, run.stderr
    return [json.loads(line) for line in run.stdout.splitlines()]


def test_jsonl_defaults_and_switches(brrr, vocab):
    asked = [{"text": "hello<|im_end|>"},
             {"text": "hello<|im_end|>", "add_special": False},
             {"text": "hello<|im_end|>", "add_special": False, "parse_special": False},
             {"text": "", "add_special": True}]
    got = lines(brrr(["tokenize", "-m", vocab, "--jsonl"],
                     input="\n".join(map(json.dumps, asked))))
    assert got == [{"ids": [260, 259, 260]}, {"ids": [259, 260]},
                   {"ids": [259, *b"<|im_end|>"]}, {"ids": [260]}]


def test_jsonl_goes_on_after_bad_lines(brrr, vocab):
    asked = ['{"text": 1}', "nonsense", "[]", '{"text": "a", "add_special": 1}', "{}",
             '{"text": "a", "add_special": false}']
    got = lines(brrr(["tokenize", "-m", vocab, "--jsonl"], input="\n".join(asked)))
    assert ['error' in g for g in got] == [True] * 5 + [False]
    assert got[0]["error"] == '"text" must be a string'
    assert got[5] == {"ids": [97]}


def test_jsonl_decode(brrr, vocab):
    asked = ['{"ids": [259, 32, 260]}', '{"ids": [240, 159, 152, 128]}', '{"ids": [240]}',
             '{"ids": []}', '{"ids": [261]}', '{"ids": [-1]}', '{"ids": "x"}', '{"ids": [1.5]}']
    got = lines(brrr(["tokenize", "-m", vocab, "--decode", "--jsonl"], input="\n".join(asked)))
    assert got[:4] == [{"text": "hello <|im_end|>"}, {"text": "\U0001f600"}, {"text": "\ufffd"},
                       {"text": ""}]
    assert all("error" in g for g in got[4:])


def test_nul_bytes_survive(brrr, vocab):
    got = lines(brrr(["tokenize", "-m", vocab, "--jsonl"],
                     input=json.dumps({"text": "a\0b", "add_special": False})))
    assert got == [{"ids": [97, 0, 98]}]
    got = lines(brrr(["tokenize", "-m", vocab, "--jsonl", "--decode"], input='{"ids": [97, 0]}'))
    assert got == [{"text": "a\0"}]


def test_for_reading(brrr, vocab, tmp_path):
    file = tmp_path / "text"
    file.write_bytes(b"hello\n\xff")
    assert brrr(["tokenize", "-m", vocab, "hello", "hell"]).stdout == b"260 259 32 258\n"
    assert brrr(["tokenize", "-m", vocab], input="he").stdout == b"260 256\n"
    assert brrr(["tokenize", "-m", vocab, "-f", file]).stdout == b"260 259 10 255\n"
    run = brrr(["tokenize", "-m", vocab, "-v", "hello\n"])
    assert [line.split(None, 1) for line in run.stdout.splitlines()] == [
        [b"260", b'"<|im_end|>"'], [b"259", b'"hello"'], [b"10", b'"\\n"']]
    assert b"3 tokens from 6 bytes" in run.stderr and b"MB/s" in run.stderr


def test_decode_for_reading(brrr, vocab):
    assert brrr(["tokenize", "-m", vocab, "--decode", "259", "32,104"]).stdout == b"hello h"
    assert brrr(["tokenize", "-m", vocab, "--decode"], input="[259]\n").stdout == b"hello"
    assert brrr(["tokenize", "-m", vocab, "--decode"], input="[ ]\n").returncode == 0
    run = brrr(["tokenize", "-m", vocab, "--decode", "hello"])
    assert run.returncode == 1 and b"no token id" in run.stderr and run.stdout == b""
    run = brrr(["tokenize", "-m", vocab, "--decode", "999"])
    assert run.returncode == 1 and b"there is no token 999" in run.stderr


def test_bad_files(brrr, tmp_path):
    run = brrr(["tokenize", "-m", tmp_path / "none.gguf", "x"])
    assert run.returncode == 1 and b"none.gguf" in run.stderr
    path = tmp_path / "t5.gguf"
    path.write_bytes(gguf([("tokenizer.ggml.model", STRING, "t5")]))
    run = brrr(["tokenize", "-m", path, "x"])
    assert run.returncode == 3 and b"'t5'" in run.stderr and run.stdout == b""
