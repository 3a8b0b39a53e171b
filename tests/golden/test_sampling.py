# SPDX-License-Identifier: MIT
"""Sampling distributions and log-probabilities through the verb, against recorded ones.

tests/golden/sampling.json comes from tools/gen-sampling-fixture.py; the shared folder holds cases
recorded from transformers. Tolerance 1e-5 on probabilities, the kept ids exactly.
"""
import json
import math
import pathlib

import pytest

OWN = pathlib.Path(__file__).with_name("sampling.json")


def ask(brrr, lines):
    text = "".join(json.dumps(line) + "\n" for line in lines)
    run = brrr(["sample", "--jsonl"], input=text)
    assert run.returncode == 0, run.stderr
    answers = [json.loads(line) for line in run.stdout.decode().splitlines()]
    assert len(answers) == len(lines)
    return answers


def question(case):
    return {k: case[k] for k in ("logits", "history", "params", "pipeline")}


def check(case, got, expected, name):
    assert "error" not in got, f"{name}: {got}"
    assert len(got["probs"]) == len(expected), name
    if "ties" in case.get("note", ""):
        assert len(got["kept"]) == len(case["kept"]), name
        assert sorted(got["probs"]) == pytest.approx(sorted(expected), abs=1e-5), name
        return
    assert got["kept"] == case["kept"], name
    worst = max(abs(a - b) for a, b in zip(got["probs"], expected))
    assert worst <= 1e-5, f"{name}: {worst}"


def test_own_cases(brrr):
    cases = json.loads(OWN.read_text())
    assert len(cases) >= 20
    for case, got in zip(cases, ask(brrr, [question(c) for c in cases])):
        expected = [0.0] * len(case["logits"])
        for i, p in zip(case["kept"], case["kept_probs"]):
            expected[i] = p
        check(case, got, expected, f"{case['pipeline']} {case['params']}")


def test_shared_cases(brrr, shared):
    cases = json.loads((shared / "golden/dev/sampling/sampling.json").read_text())["cases"]
    assert cases
    for case, got in zip(cases, ask(brrr, [question(c) for c in cases])):
        check(case, got, case["expected_probs"], case["name"])


def test_shared_logprobs(brrr, shared):
    """The verb shows probabilities; their logarithms are the raw log-probabilities."""
    rows = json.loads((shared / "golden/dev/sampling/logprobs.json").read_text())
    for row, got in zip(rows, ask(brrr, [{"logits": r["logits"]} for r in rows])):
        logs = [math.log(p) if p > 0 else -math.inf for p in got["probs"]]
        assert logs == pytest.approx(row["logprobs"], abs=1e-5)
        top = sorted(range(len(logs)), key=lambda i: -logs[i])[:5]
        assert top == [i for i, _ in row["top5"]]


def test_same_bits_on_every_instruction_set(brrr):
    cases = [question(c) for c in json.loads(OWN.read_text())]
    text = "".join(json.dumps(c) + "\n" for c in cases)
    runs = [brrr(["sample", "--jsonl"], input=text, env={"BRRR_CPU": cpu}).stdout
            for cpu in ("c", "avx2", "avx512")]
    assert runs[0] and runs[0] == runs[1] == runs[2]
