# SPDX-License-Identifier: MIT
"""What is asked of a prompt itself: log-probabilities against `brrr logits`, embeddings against the
hidden states that transformers recorded (shared folder)."""
import json
import pathlib

import numpy as np
import pytest

TINY = pathlib.Path(__file__).parent.parent / "fuzz/corpus/model/llama.gguf"


def jsonl(brrr, verb, model, requests, *options):
    lines = "\n".join(json.dumps(r) for r in requests)
    out = brrr([verb, "-m", model, "--jsonl", *options], input=lines, timeout=600)
    assert out.returncode == 0, out.stderr.decode()
    return [json.loads(line) for line in out.stdout.splitlines()]


def expect_those_of_the_logits(brrr, model, ids):
    rows, = jsonl(brrr, "logits", model, [{"ids": ids, "top": 0, "all_positions": True}])
    x = np.array(rows["top"], dtype=np.float64)
    want = x - x.max(-1, keepdims=True)
    want -= np.log(np.exp(want).sum(-1, keepdims=True))
    ask = {"ids": ids, "prompt_logprobs": 3, "n_predict": 0}
    first, again, own = jsonl(brrr, "run", model, [ask, ask | {"n_predict": 2, "n": 2},
                                                   ask | {"prompt_logprobs": 0}], "--parallel", 3)
    got = first["prompt_logprobs"]
    assert first["ids"] == [] and first["finish_reason"] == "length"
    assert again["prompt_logprobs"] == got and len(again["choices"][1]["ids"]) == 2
    assert len(got) == len(ids) and got[0] is None
    for p, (token, row) in enumerate(zip(ids[1:], got[1:])):
        told = dict(map(tuple, row))
        assert [token, told[token]] == own["prompt_logprobs"][p + 1][0]
        assert all(abs(v - want[p][i]) < 1e-4 * max(1, abs(v)) for i, v in told.items()), p
        assert sorted((v for _, v in row[:3]), reverse=True) == [v for _, v in row[:3]]
        assert row[0][1] == max(told.values()) and x[p][row[0][0]] == x[p].max()


def test_prompt_logprobs_of_a_tiny_model(brrr):
    expect_those_of_the_logits(brrr, TINY, [(i * 7) % 90 for i in range(50)])


def test_prompt_logprobs_of_a_real_model(brrr, default_model):
    expect_those_of_the_logits(brrr, default_model, [(i * 7919) % 49000 for i in range(90)])


def test_embeddings_match_transformers(brrr, shared):
    seen = 0
    for path in sorted((shared / "golden/dev-gguf").glob("*.gguf")):
        folder = shared / "golden/dev/tiny" / path.stem
        states = folder / "hidden_p17.npy"
        info = brrr(["inspect", path, "--json"])
        if not states.exists() or info.returncode:
            continue
        if json.loads(info.stdout)["architecture"] not in ("llama", "gemma3"):
            continue
        ref = json.loads((folder / "ref.json").read_text())
        want = np.load(states)[-1].astype(np.float64)
        ids = ref["prompts"]["p17"]["ids"]
        last, mean = (np.array(a["embedding"]) for a in jsonl(
            brrr, "run", path, [{"ids": ids, "embed": e} for e in ("last", "mean")],
            "--precision", "f32", "--chunk", 5))
        tolerance = ref["suggested_abs_tolerance"]
        assert np.abs(last - want[-1]).max() <= tolerance, path.stem
        assert np.abs(mean - want.mean(0)).max() <= tolerance, path.stem
        seen += 1
    assert seen >= 6


@pytest.mark.parametrize("extra, word", [
    ({"embed": "max"}, "none of none, mean, last"), ({"embed": 1}, "embed must be a text"),
    ({"embed": "mean", "n": 2}, "n is 2: beside embed 'mean' it must be 1"),
    ({"prompt_logprobs": 1, "beam_width": 1}, "a beam search (beam_width 1) has none"),
    ({"prompt_logprobs": 1025}, "n_prompt_logprobs is 1025"),
])
def test_refused(brrr, extra, word):
    answer, = jsonl(brrr, "run", TINY, [{"ids": [1, 2]} | extra])
    assert word in answer["error"]
