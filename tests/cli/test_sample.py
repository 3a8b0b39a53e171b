# SPDX-License-Identifier: MIT
"""brrr sample --jsonl: names, aliases, errors that say what is wrong, and hostile lines."""
import json

import pytest

ROW = [1.0, 3.0, 2.0, 0.0]


def ask(brrr, *lines):
    text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
    run = brrr(["sample", "--jsonl"], input=text)
    assert run.returncode == 0, run.stderr
    return [json.loads(line) for line in run.stdout.decode().splitlines()]


def probs(brrr, params=None, **more):
    line = {"logits": ROW, **more}
    if params is not None:
        line["params"] = params
    answer = ask(brrr, line)[0]
    assert "probs" in answer, answer
    return answer["probs"]


def error(brrr, line):
    answers = ask(brrr, line, {"logits": [0]})
    assert list(answers[0]) == ["error"]
    assert answers[1] == {"probs": [1.0], "kept": [0]}, "the stream goes on"
    return answers[0]["error"]


def test_defaults_change_nothing(brrr):
    plain = probs(brrr)
    assert sum(plain) == pytest.approx(1, abs=1e-6)
    assert probs(brrr, {}) == plain == probs(brrr, None, history=None, pipeline="temp_last")
    assert probs(brrr, {"temperature": None, "top_k": None}) == plain


@pytest.mark.parametrize("a, b", [
    ({"temp": 0.5}, {"temperature": 0.5}),
    ({"repeat_penalty": 1.5}, {"repetition_penalty": 1.5}),
    ({"repeat_last_n": 1, "frequency_penalty": 1}, {"penalty_last_n": 1, "frequency_penalty": 1}),
    ({"typ_p": 0.5}, {"typical_p": 0.5}),
    ({"top_k": -1}, {"top_k": 0}),
    ({"top_k": 2.0}, {"top_k": 2}),
    ({"logit_bias": [[1, -2.5], [0, False]]}, {"logit_bias": {"1": -2.5, "0": "-inf"}}),
    ({"seed": 5}, {"seed": -1}),
])
def test_aliases(brrr, a, b):
    assert probs(brrr, a, history=[1, 2]) == probs(brrr, b, history=[1, 2])


def test_pipeline_in_params_or_beside(brrr):
    beside = probs(brrr, {"min_p": 0.3, "temperature": 3}, pipeline="hf")
    assert probs(brrr, {"min_p": 0.3, "temperature": 3, "pipeline": "hf"}) == beside
    assert probs(brrr, {"min_p": 0.3, "temperature": 3}) != beside


def test_words_for_numbers(brrr):
    answer = ask(brrr, {"logits": ["-inf", 1, "nan", 1.0]})[0]
    assert answer == {"probs": [0, 0.5, 0, 0.5], "kept": [1, 3]}
    assert ask(brrr, {"logits": ["inf", 1]})[0]["kept"] == [0]
    assert ask(brrr, {"logits": ["-inf", "nan"]})[0] == {"probs": [1, 0], "kept": [0]}


@pytest.mark.parametrize("line, words", [
    ({}, "logits"),
    ({"logits": []}, "logits"),
    ({"logits": {}}, "logits"),
    ({"logits": [1, "x"]}, "entry 1"),
    ({"logits": [1, None]}, "entry 1"),
    ({"logits": [1], "histroy": []}, "histroy"),
    ({"logits": [1], "history": [1]}, "no token 1"),
    ({"logits": [1], "history": [-1]}, "entry 0"),
    ({"logits": [1], "history": [0.5]}, "entry 0"),
    ({"logits": [1], "history": 3}, "history"),
    ({"logits": [1], "params": []}, "object"),
    ({"logits": [1], "params": {"temprature": 1}}, "'temprature'"),
    ({"logits": [1], "params": {"max_tokens": 1}}, "'max_tokens'"),
    ({"logits": [1], "params": {"temperature": True}}, "temperature must be a number, not true"),
    ({"logits": [1], "params": {"temperature": "1"}}, "temperature must be a number, not a text"),
    ({"logits": [1], "params": {"temperature": -1}}, "temperature is -1"),
    ({"logits": [1], "params": {"top_k": 1.5}}, "top_k must be a whole number"),
    ({"logits": [1], "params": {"top_k": 1 << 40}}, "too large"),
    ({"logits": [1], "params": {"top_p": 1.5}}, "top_p is 1.5: must be from 0 to 1"),
    ({"logits": [1], "params": {"seed": -2}}, "seed"),
    ({"logits": [1], "params": {"logit_bias": {"x": 1}}}, "logit_bias"),
    ({"logits": [1], "params": {"logit_bias": {"7": 1}}}, "no token 7"),
    ({"logits": [1], "params": {"logit_bias": {"0": "x"}}}, "logit_bias"),
    ({"logits": [1], "params": {"logit_bias": [[1]]}}, "logit_bias"),
    ({"logits": [1], "params": {"logit_bias": [[0, 1]] * 1025}}, "1024"),
    ({"logits": [1], "pipeline": "hff"}, "'hff'"),
    ({"logits": [1], "pipeline": 1}, "pipeline must be a text"),
    ("[1]", "object"),
    ("{", "JSON"),
    ('{"logits": [1e999]}', "JSON"),
])
def test_errors_name_what_is_wrong(brrr, line, words):
    assert words in error(brrr, line)


def test_usage(brrr):
    assert brrr(["sample"]).returncode == 2
    assert brrr(["sample", "--jsonl", "x"], input="").returncode == 2
    run = brrr(["sample", "--jsonl"], input="")
    assert run.returncode == 0 and run.stdout == b""


def test_large_row(brrr):
    row = [(i * 7919 % 50021) / 5000 for i in range(50021)]
    answer = ask(brrr, {"logits": row, "params": {"top_k": 5}})[0]
    assert answer["kept"] == sorted(sorted(range(len(row)), key=lambda i: -row[i])[:5])


def test_a_long_name_is_not_cut_inside_a_character(brrr):
    """Half a character is no JSON: the answer to this line once ended the stream."""
    for n in range(36, 70):
        line = json.dumps({"logits": ROW, "a" * n + "\u20ac" * 30: 1}, ensure_ascii=False)
        assert "aaaa" in error(brrr, line)
        line = json.dumps({"logits": ROW, "params": {"a" * n + "\u20ac" * 30: 1}},
                          ensure_ascii=False)
        assert "aaaa" in error(brrr, line)
