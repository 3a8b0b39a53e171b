#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""gen-sampling-fixture.py: write tests/golden/sampling.json, distributions by the textbook definitions.

Double precision, numpy only, no shortcuts: the opposite of how src/engine/sampler*.c works. Every
case keeps its decisions at least 1e-4 away from a threshold, so rounding can not decide one.
Run without arguments after a stage was added; the file is committed.
"""
import json
import pathlib

import numpy as np

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests/golden/sampling.json"
MARGIN = 1e-4


def softmax(x):
    e = np.where(np.isneginf(x), 0.0, np.exp(x - x.max()))
    return e / e.sum()


def entropy(p):
    return -(p[p > 0] * np.log(p[p > 0])).sum()


class Case:
    def __init__(self, logits, history, params):
        self.x = np.array(logits, np.float64)
        self.h = list(history)
        self.p = params
        self.gap = 1.0

    def near(self, a, b):
        self.gap = min(self.gap, float(np.min(np.abs(np.asarray(a) - b), initial=1.0)))

    def only(self, keep):
        self.x = np.where(keep, self.x, -np.inf)

    def window(self):
        n = self.p.get("penalty_last_n", -1)
        return self.h if n < 0 else self.h[len(self.h) - min(n, len(self.h)):]

    def repetition(self):
        r = self.p.get("repetition_penalty", 1.0)
        for t in set(self.window()):
            self.x[t] = self.x[t] / r if self.x[t] > 0 else self.x[t] * r

    def counts(self):
        for t in set(self.window()):
            self.x[t] -= self.window().count(t) * self.p.get("frequency_penalty", 0.0)
            self.x[t] -= self.p.get("presence_penalty", 0.0)

    def shares(self):
        for t in set(self.window()):
            share = self.window().count(t) / len(self.window())
            self.x[t] -= self.p.get("frequency_penalty", 0.0) * share

    def ngram(self):
        n = self.p.get("no_repeat_ngram_size", 0)
        if not n or len(self.h) + 1 < n:
            return
        tail = self.h[len(self.h) - (n - 1):]
        for i in range(len(self.h) - n + 1):
            if self.h[i:i + n - 1] == tail:
                self.x[self.h[i + n - 1]] = -np.inf

    def bias(self):
        for t, v in self.p.get("logit_bias", {}).items():
            self.x[int(t)] += v

    def temperature(self):
        self.x = self.x / self.p.get("temperature", 1.0)

    def top_k(self):
        k = self.p.get("top_k", 0)
        if 0 < k < len(self.x):
            kth = np.sort(self.x)[-k]
            self.near(np.sort(self.x)[-k - 1], kth)
            self.only(self.x >= kth)

    def prefix(self, key, mass):
        order = np.argsort(key, kind="stable")
        total = np.cumsum(softmax(self.x)[order])
        n = int((total < mass).sum()) + 1
        self.near(total, mass)
        self.near(key[order[n:]], key[order[n - 1]])
        keep = np.zeros(len(self.x), bool)
        keep[order[:n]] = True
        self.only(keep)

    def top_p(self):
        if self.p.get("top_p", 1.0) < 1.0:
            self.prefix(-self.x, self.p["top_p"])

    def min_p(self):
        if self.p.get("min_p", 0.0) > 0.0:
            pr = softmax(self.x)
            self.near(pr, self.p["min_p"] * pr.max())
            self.only(pr >= self.p["min_p"] * pr.max())

    def typical(self):
        if self.p.get("typical_p", 1.0) < 1.0:
            pr = softmax(self.x)
            with np.errstate(divide="ignore"):
                far = np.abs(-np.log(pr) - entropy(pr))
            self.prefix(far, self.p["typical_p"])

    def floor(self, bar):
        pr = softmax(self.x)
        self.near(pr, bar)
        self.only((pr >= bar) | (pr == pr.max()))

    def epsilon(self):
        if self.p.get("epsilon_cutoff"):
            self.floor(self.p["epsilon_cutoff"])

    def eta(self):
        if self.p.get("eta_cutoff"):
            e = self.p["eta_cutoff"]
            self.floor(min(e, np.sqrt(e) * np.exp(-entropy(softmax(self.x)))))


PIPELINES = {
    "hf": "repetition ngram bias temperature top_k top_p min_p typical epsilon eta",
    "openai": "counts bias temperature top_k typical top_p min_p",
    "tgi": "repetition shares temperature top_k top_p typical",
    "temp_last": "repetition counts ngram bias top_k typical top_p min_p epsilon eta temperature",
}

WANTED = [
    ("hf", 24, dict(temperature=0.7, top_k=9, top_p=0.9, min_p=0.03)),
    ("hf", 24, dict(repetition_penalty=1.4, no_repeat_ngram_size=2, logit_bias={"2": 3.5})),
    ("hf", 24, dict(no_repeat_ngram_size=1)),
    ("hf", 24, dict(temperature=1.6, typical_p=0.7)),
    ("hf", 24, dict(epsilon_cutoff=0.03)),
    ("hf", 24, dict(eta_cutoff=0.05, temperature=1.5)),
    ("hf", 24, dict(temperature=0.1)),
    ("hf", 700, dict(top_p=0.6)),
    ("hf", 700, dict(typical_p=0.5)),
    ("hf", 700, dict(top_k=100, typical_p=0.8, min_p=0.001)),
    ("openai", 24, dict(frequency_penalty=0.4, presence_penalty=-0.3)),
    ("openai", 24, dict(logit_bias={"0": -100.0, "7": 4.0}, temperature=0.6, top_p=0.8)),
    ("openai", 24, dict(frequency_penalty=0.5, penalty_last_n=3)),
    ("openai", 24, dict(top_k=12, typical_p=0.6, top_p=0.9, min_p=0.02)),
    ("tgi", 24, dict(repetition_penalty=0.7, frequency_penalty=1.5)),
    ("tgi", 24, dict(temperature=1.4, top_k=10, top_p=0.9, typical_p=0.8)),
    ("temp_last", 24, dict(top_k=8, top_p=0.9, temperature=0.5)),
    ("temp_last", 24, dict(repetition_penalty=1.3, frequency_penalty=0.2, presence_penalty=0.4,
                           penalty_last_n=4, min_p=0.05, temperature=1.7)),
    ("temp_last", 24, dict(penalty_last_n=0, repetition_penalty=2.0, typical_p=0.7)),
    ("temp_last", 700, dict(top_k=40, top_p=0.95, min_p=0.05, temperature=0.8)),
]


def make(rng, pipeline, n, params):
    while True:
        logits = rng.normal(0, rng.choice([1.0, 2.5]), n).round(5)
        history = rng.integers(0, n if n < 100 else 50, int(rng.integers(5, 20))).tolist()
        case = Case(logits, history, params)
        for stage in PIPELINES[pipeline].split():
            getattr(case, stage)()
        if case.gap > MARGIN:
            break
    probs = softmax(case.x)
    kept = np.nonzero(probs)[0].tolist()
    return {"pipeline": pipeline, "params": params, "logits": logits.tolist(), "history": history,
            "kept": kept, "kept_probs": [float(f"{probs[i]:.7g}") for i in kept]}


def main():
    rng = np.random.default_rng(20)
    cases = [make(rng, *w) for w in WANTED]
    OUT.write_text("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")
    print(f"{len(cases)} cases, {OUT.stat().st_size} bytes")


main()
