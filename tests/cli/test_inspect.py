# SPDX-License-Identifier: MIT
"""brrr inspect: the contract of its output and of its exit codes."""
import json
import os
import pathlib
import subprocess
import tempfile

import numpy as np
import pytest

CORPUS = pathlib.Path(__file__).resolve().parent.parent / "fuzz/corpus/gguf"
MODELS = CORPUS.parent / "model"


def test_json_of_a_model(brrr, default_model):
    p = brrr(["inspect", default_model, "--json"])
    assert p.returncode == 0 and p.stderr == b"" and p.stdout.count(b"\n") == 1
    d = json.loads(p.stdout)
    assert d["architecture"] == "llama"
    assert d["file_bytes"] == default_model.stat().st_size
    assert d["hyperparameters"]["block_count"] == 30
    assert d["hyperparameters"]["attention.layer_norm_rms_epsilon"] == pytest.approx(1e-5)
    assert d["tokenizer"]["tokens"] == 49152 and d["tokenizer"]["pre"] == "smollm"
    assert d["metadata"]["tokenizer.ggml.tokens"] == {"type": "string", "n": 49152}
    assert len(d["tensors"]) == 272
    t = {t["name"]: t for t in d["tensors"]}["blk.3.attn_k.weight"]
    assert t["shape"] == [576, 192] and t["type"] == "Q4_1" and t["bytes"] == 576 * 192 // 32 * 20
    assert t["offset"] % 32 == 0
    assert sum(t["tensors"] for t in d["types"].values()) == 272
    assert d["parameters"] == sum(int(np.prod(t["shape"])) for t in d["tensors"])


# Bytes that a vector of 16 takes in each type; int8 has an f32 scale beside it.
KV_BYTES = {"f16": 32, "bf16": 32, "f32": 64, "int8": 16 + 4}


def test_memory_plan(brrr):
    """Two layers, one kv head of 16: K and V, in each type; windows of 16 keep no more."""
    p = brrr(["inspect", MODELS / "llama.gguf", "--json"])
    assert p.returncode == 0, p.stderr
    d = json.loads(p.stdout)
    each = {kv: 2 * 2 * n for kv, n in KV_BYTES.items()}
    assert d["memory"]["kv_bytes_per_token"] == each
    assert d["memory"]["kv_bytes_context"] == {kv: 64 * n for kv, n in each.items()}
    assert d["memory"]["packed_bytes"] > 0 and d["memory"]["mapped_bytes"] > 0
    p = brrr(["inspect", MODELS / "llama_window.gguf", "--json"])
    assert json.loads(p.stdout)["memory"]["kv_bytes_context"] == {
        kv: 16 * n for kv, n in each.items()}


def test_memory_plan_for_people(brrr):
    lines = brrr(["inspect", MODELS / "llama.gguf"]).stdout.decode().splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("KV cache"))
    assert lines[at].split() == ["KV", "cache", "each", "token", "whole", "context"]
    rows = [line.split() for line in lines[at + 1:at + 1 + len(KV_BYTES)]]
    assert {r[0]: r[1] for r in rows} == {kv: str(4 * n) for kv, n in KV_BYTES.items()}
    assert ["f16", "128", "B", "8.0", "KiB"] in rows


def test_table_of_a_model(brrr, default_model):
    p = brrr(["inspect", default_model])
    assert p.returncode == 0 and p.stderr == b""
    text = p.stdout.decode()
    assert "134.5 million in 272 tensors" in text
    assert "blk.*.attn_k.weight" in text and "30 x 576 x 192" in text
    all_of_it = brrr(["inspect", default_model, "-v"]).stdout.decode()
    assert "blk.29.attn_k.weight" in all_of_it


def test_one_tensor(brrr):
    p = brrr(["inspect", CORPUS / "ok_types.gguf", "--tensor", "blk.14.weight", "--json"])
    assert p.returncode == 0
    t = json.loads(p.stdout)
    assert (t["name"], t["shape"], t["type"], t["bytes"]) == ("blk.14.weight", [256, 2], "Q6_K", 420)
    p = brrr(["inspect", CORPUS / "ok_types.gguf", "--tensor", "blk.14.weight"])
    assert p.returncode == 0 and b"256 x 2" in p.stdout


def test_values(brrr):
    p = brrr(["inspect", CORPUS / "ok_types.gguf", "--tensor", "blk.8.weight", "--dequant"])
    assert p.returncode == 0
    data = (CORPUS / "ok_types.gguf").read_bytes()
    t = json.loads(brrr(["inspect", CORPUS / "ok_types.gguf", "--tensor", "blk.8.weight",
                         "--json"]).stdout)
    want = []
    for block in range(2):  # Q8_0: an f16 scale and 32 signed bytes
        at = t["offset"] + 34 * block
        d = np.frombuffer(data, "<f2", 1, at).astype("<f4")
        want.append(np.frombuffer(data, "i1", 32, at + 2) * d)
    assert np.array_equal(np.frombuffer(p.stdout, "<f4"), np.concatenate(want).astype("<f4"))


@pytest.mark.parametrize("args,says", [
    (["--dequant"], b"--dequant needs --tensor"),
    (["--tensor", "nope"], b"has no tensor 'nope'"),
    (["other.gguf"], b"one model at a time"),
])
def test_usage(brrr, args, says):
    p = brrr(["inspect", CORPUS / "ok_types.gguf", *args])
    assert p.returncode == 2 and says in p.stderr and p.stdout == b""


@pytest.mark.parametrize("name", sorted(p.name for p in CORPUS.glob("bad_*.gguf")))
def test_broken_files(brrr, name):
    p = brrr(["inspect", CORPUS / name, "--json"], timeout=5)
    assert p.returncode == 3 and p.stdout == b""
    err = p.stderr.decode()
    assert err.count("\n") == 1 and name in err and "at byte" in err


def test_vocabulary_only_is_refused(brrr):
    p = brrr(["inspect", CORPUS / "ok_vocab.gguf"])
    assert p.returncode == 3 and p.stderr.count(b"\n") == 1


def test_what_is_no_file(brrr, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path, code in ((tmp_path, 3), ("/dev/zero", 3), (tmp_path / "pipe", 3),
                       (tmp_path / "none", 1)):
        p = brrr(["inspect", path], timeout=5)
        assert p.returncode == code and p.stderr.count(b"\n") == 1, path


def test_closed_and_full_output(brrr, default_model):
    args = [str(brrr.path), "inspect", str(default_model), "--tensor", "token_embd.weight",
            "--dequant"]
    p = subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert len(p.stdout.read(4096)) == 4096
    p.stdout.close()
    assert p.stderr.read() == b"" and p.wait(10) == 0
    p.stderr.close()
    with open("/dev/full", "wb") as full, tempfile.TemporaryFile() as err:
        assert subprocess.run(args, stdout=full, stderr=err, timeout=10, check=False).returncode == 8


def test_a_file_that_says_it_has_no_tokenizer(brrr, tmp_path):
    """It loads; what needs text says why it can not work."""
    data = (MODELS / "llama.gguf").read_bytes()
    key = b"tokenizer.ggml.model" + (8).to_bytes(4, "little") + (4).to_bytes(8, "little")
    assert data.count(key + b"gpt2") == 1
    path = tmp_path / "none.gguf"
    path.write_bytes(data.replace(key + b"gpt2", key + b"none"))
    p = brrr(["inspect", path, "--json"])
    assert p.returncode == 0 and json.loads(p.stdout)["tokenizer"] is None
    p = brrr(["logits", "-m", path, "--jsonl"], input=b'{"ids": [3, 4], "top": 1}\n')
    assert p.returncode == 0 and len(json.loads(p.stdout)["top"]) == 1
    p = brrr(["run", "-m", path, "--raw", "-p", "hello"])
    assert p.returncode == 1 and b"no tokenizer" in p.stderr and p.stdout == b""
