# SPDX-License-Identifier: MIT
"""Two real models against transformers in f32 on their dequantised weights (shared folder)."""
import json
import pathlib

import numpy as np
import pytest

MODELS = {"default_model": "smollm2-135m-instruct-q4_1", "gemma_model": "gemma-3-270m-q4_k_m"}


class Model:
    def __init__(self, brrr, path, folder):
        self.brrr, self.path, self.folder = brrr, path, folder
        self.ref = json.loads((folder / "ref.json").read_text())
        self.prompts = self.ref["prompts"]

    def jsonl(self, verb, requests, *options):
        lines = "\n".join(json.dumps(r) for r in requests)
        out = self.brrr([verb, "-m", self.path, "--jsonl", *options], input=lines, timeout=900)
        assert out.returncode == 0, out.stderr.decode()
        return [json.loads(line) for line in out.stdout.splitlines()]

    def last_rows(self, *options):
        requests = [{"ids": p["ids"], "top": 0} for p in self.prompts]
        return [np.array(a["top"]) for a in self.jsonl("logits", requests, *options)]

    def greedy(self, *options):
        requests = [{"ids": p["ids"], "n_predict": 48, "temperature": 0, "ignore_eos": True}
                    for p in self.prompts]
        return [a["ids"] for a in self.jsonl("run", requests, "--parallel", 4, *options)]


@pytest.fixture(params=MODELS)
def real(request, brrr, shared):
    path = request.getfixturevalue(request.param)
    return Model(brrr, path, shared / "golden/dev/real" / MODELS[request.param])


def first_below(margins, limit):
    return next((i for i, m in enumerate(margins) if m < limit), len(margins))


def test_same_ids(real):
    answers = real.jsonl("tokenize", [{"text": p["text"]} for p in real.prompts])
    for p, a in zip(real.prompts, answers):
        assert a["ids"] == p["ids"], p["name"]


def test_reference_mode_logits(real):
    for p, got in zip(real.prompts, real.last_rows("--precision", "f32")):
        ref = np.load(real.folder / f"{p['name']}.npz")
        worst = np.abs(got[ref["top200_ids"]] - ref["top200_logits"]).max()
        assert worst <= 2e-3, (p["name"], worst)


def test_reference_mode_greedy(real):
    for p, got in zip(real.prompts, real.greedy("--precision", "f32")):
        n = first_below(p["greedy_margins"], 0.01)
        assert got[:n] == p["greedy_ids"][:n], p["name"]
        assert len(got) == 48


def test_default_mode_divergence(real):
    kls = []
    for p, got in zip(real.prompts, real.last_rows()):
        ref = np.load(real.folder / f"{p['name']}.npz")
        want = ref["top200_logits"].astype(np.float64)
        logp = want - p["logsumexp_last"]
        mine = got[ref["top200_ids"]] - (np.log(np.exp(got - got.max()).sum()) + got.max())
        kls.append(float((np.exp(logp) * (logp - mine)).sum()))
        assert np.abs(got[ref["top200_ids"]] - want).max() <= 1.2, p["name"]
    assert np.mean(np.abs(kls)) < 0.01 and max(np.abs(kls)) <= 0.05, kls


def log_softmax(logits):
    x = logits - logits.max()
    return x - np.log(np.exp(x).sum())


@pytest.mark.parametrize("kv_type, mean, most", [("f16", 1e-4, 1e-3), ("bf16", 5e-4, 5e-3),
                                                 ("int8", 1e-3, 1e-2)])
def test_cache_divergence(real, kv_type, mean, most):
    """What a narrower cache alone adds: activations and weights stay in f32."""
    kls = []
    for want, got in zip(real.last_rows("--precision", "f32"),
                         real.last_rows("--precision", "f32", "--kv-type", kv_type)):
        p, q = log_softmax(want), log_softmax(got)
        kls.append(float((np.exp(p) * (p - q)).sum()))
    assert np.mean(kls) < mean and max(kls) < most, kls
    assert max(kls) > 0, "the option changed nothing"


def test_default_mode_argmax(real):
    shares = []
    for p in real.prompts:
        want = np.load(real.folder / f"{p['name']}.npz")["argmax_per_position"]
        request = {"ids": p["ids"], "top": 1, "all_positions": True}
        got = [row[0][0] for row in real.jsonl("logits", [request])[0]["top"]]
        shares.append(np.mean(np.array(got) == want))
    assert np.mean(shares) >= 0.93, shares


def test_default_mode_greedy(real):
    for p, got in zip(real.prompts, real.greedy()):
        n = first_below(p["greedy_margins"], 0.5)
        assert got[:n] == p["greedy_ids"][:n], p["name"]


@pytest.mark.parametrize("precision, limit", [("f32", 2e-4), ("q8", 0.015)])
def test_perplexity_of_the_gpl(real, precision, limit):
    text = pathlib.Path("/usr/share/common-licenses/GPL-3")
    if not text.exists():
        pytest.skip("no GPL-3 text on this system")
    ref = next(p for p in real.ref["perplexity"] if p["text"] == "gpl3")
    for ctx, key in ((512, "windows512"), (0, "single_pass")):
        out = real.brrr(["ppl", "-m", real.path, "-f", text, "--ctx", ctx, "--max-tokens", 2048,
                         "--precision", precision, "--json"], timeout=1200)
        assert out.returncode == 0, out.stderr.decode()
        got = json.loads(out.stdout)
        assert got["scored"] == ref[key]["scored_tokens"]
        assert got["ppl"] == pytest.approx(ref[key]["perplexity"], rel=limit)
