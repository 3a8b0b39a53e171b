# SPDX-License-Identifier: MIT
"""Logits against recorded references: small models in GGUF, in the reference mode and by default.

The reference values come from transformers in f32 (shared folder); the tolerance is the one
recorded with them. Small models of our own are compared with a plain numpy implementation in
test_tiny.py.
"""
import json

import numpy as np
import pytest

SUPPORTED = ("llama", "gemma3")


def ask(brrr, model, requests, *options):
    lines = "\n".join(json.dumps(r) for r in requests)
    out = brrr(["logits", "-m", model, "--jsonl", *options], input=lines)
    assert out.returncode == 0, out.stderr.decode()
    return [json.loads(line) for line in out.stdout.splitlines()]


def every_row(brrr, model, prompts, *options):
    requests = [{"ids": ids, "top": 0, "all_positions": True} for ids in prompts]
    return [np.array(a["top"], dtype=np.float64) for a in ask(brrr, model, requests, *options)]


def architecture(brrr, path):
    out = brrr(["inspect", path, "--json"])
    return json.loads(out.stdout)["architecture"] if out.returncode == 0 else None


def tiny_models(shared):
    for path in sorted((shared / "golden/dev-gguf").glob("*.gguf")):
        folder = shared / "golden/dev/tiny" / path.stem
        if folder.is_dir():
            yield path, folder


def test_small_models_match_transformers(brrr, shared):
    seen = 0
    for path, folder in tiny_models(shared):
        if architecture(brrr, path) not in SUPPORTED:
            continue
        ref = json.loads((folder / "ref.json").read_text())
        names = sorted(ref["prompts"])
        prompts = [ref["prompts"][n]["ids"] for n in names]
        for name, got in zip(names, every_row(brrr, path, prompts, "--precision", "f32")):
            want = np.load(folder / f"logits_{name}.npy")
            worst = np.abs(got - want).max()
            assert worst <= ref["suggested_abs_tolerance"], f"{path.stem} {name}: {worst}"
        seen += 1
    assert seen >= 6


def test_small_models_greedy(brrr, shared):
    for path, folder in tiny_models(shared):
        if architecture(brrr, path) not in SUPPORTED:
            continue
        ref = json.loads((folder / "ref.json").read_text())
        lines = [json.dumps({"ids": p["ids"], "n_predict": 32, "temperature": 0,
                             "ignore_eos": True}) for p in ref["prompts"].values()]
        out = brrr(["run", "-m", path, "--jsonl", "--precision", "f32", "--parallel", 3],
                   input="\n".join(lines))
        assert out.returncode == 0, out.stderr.decode()
        answers = [json.loads(line) for line in out.stdout.splitlines()]
        assert [a["ids"] for a in answers] == [p["greedy_32"] for p in ref["prompts"].values()]


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def test_quantised_models(brrr, shared):
    folder = shared / "golden/dev-gguf/quantised"
    ref = json.loads((folder / "ref.json").read_text())
    for name, model in ref.items():
        names = sorted(model["prompts"])
        prompts = [model["prompts"][n]["ids"] for n in names]
        path = folder / f"{name}.gguf"
        exact = every_row(brrr, path, prompts, "--precision", "f32")
        quick = every_row(brrr, path, prompts)
        for p, a, b in zip(names, exact, quick):
            want = np.load(folder / model["prompts"][p]["logits"]).astype(np.float64)
            assert np.abs(a - want).max() <= 1e-3, (name, p)
            kl = (softmax(want) * (np.log(softmax(want)) - np.log(softmax(b)))).sum(-1)
            assert kl.max() < 0.05, (name, p, kl.max())


def test_bits_do_not_depend_on_threads_or_chunks(brrr, default_model):
    ids = [(i * 7919) % 49000 for i in range(300)]
    request = [{"ids": ids, "top": 0}]
    want = ask(brrr, default_model, request, "-t", 2, "--chunk", 256)
    for options in (("-t", 1, "--chunk", 300), ("-t", 2, "--chunk", 37)):
        assert ask(brrr, default_model, request, *options) == want, options


@pytest.mark.parametrize("isa", ["c", "avx2", "avx512"])
def test_bits_do_not_depend_on_the_instruction_set(brrr, default_model, isa):
    request = json.dumps({"ids": [1, 4093, 198, 504, 2872], "top": 0})
    args = ["logits", "-m", default_model, "--jsonl"]
    want = brrr(args, input=request, env={"BRRR_CPU": ""})
    assert brrr(args, input=request, env={"BRRR_CPU": isa}).stdout == want.stdout


@pytest.mark.parametrize("line, word", [
    ('{"ids": []}', "ids"), ('{"ids": [1, -2]}', "id 1"), ('{"ids": [99999999]}', "99999999"),
    ('{"ids": [1], "top": -1}', "top"), ("[1]", "object"), ("{", "JSON"),
])
def test_bad_lines_are_answered(brrr, default_model, line, word):
    good = '{"ids": [1], "top": 1}'
    out = brrr(["logits", "-m", default_model, "--jsonl"], input=f"{line}\n{good}\n")
    first, second = map(json.loads, out.stdout.splitlines())
    assert word in first["error"] and len(second["top"]) == 1
    assert out.returncode == 0
