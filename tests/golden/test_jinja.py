# SPDX-License-Identifier: MIT
"""Chat templates against jinja2: recorded snippets, random expressions, real templates.

jinja.json was filled in by tools/gen-jinja-fixture.py. Errors need not be worded alike, but
what raise_exception says comes out as it is, and syntax errors are told from failures at run time.
"""
import json
import pathlib
import random
import re

import pytest

HERE = pathlib.Path(__file__).resolve().parent
NOW = "2025-07-14T12:34:56"


def ask(brrr, lines, *options):
    run = brrr(["template", "--jsonl", *options],
               input="".join(json.dumps(line) + "\n" for line in lines))
    assert run.returncode == 0, run.stderr.decode()
    answers = [json.loads(line) for line in run.stdout.decode().split("\n") if line]
    assert len(answers) == len(lines)
    return answers


def differs(want, got):
    if "expected" in want:
        return got.get("text") != want["expected"]
    if want["error"] == "raised":
        return got.get("kind") != "raised" or got["error"] != want["message"]
    if want["error"] == "syntax":
        return got.get("kind") != "syntax"
    return got.get("kind") not in ("runtime", "limit")


def check(brrr, cases):
    lines = [{"template": c["template"], "extra": c.get("extra", {}), "now": NOW} for c in cases]
    bad = [(c, a) for c, a in zip(cases, ask(brrr, lines)) if differs(c, a)]
    assert not bad, f"{len(bad)} of {len(cases)}; the first: {bad[0]}"


def test_recorded_snippets(brrr):
    cases = json.loads((HERE / "jinja.json").read_text(encoding="utf-8"))
    assert len(cases) > 100
    check(brrr, cases)


# --- random expressions ---------------------------------------------------------------------------

VARS = {"s": "Hello <World>\n two", "e": "", "n": 3, "f": 2.5, "t": True, "z": None,
        "l": [3, 1, 2], "ls": ["b", "A", "c"], "d": {"a": 1, "b": {"c": "x"}}, "neg": -7,
        "m": [{"role": "user", "content": "hi", "k": [1]}, {"role": "bot", "content": None}],
        "uni": "Ünï😀"}
LITERALS = ["1", "0", "-2", "2.5", "'a'", "''", "true", "none", "[1,2]", "[]", "{'a':1}", "(1,2)",
            "'%s-%s'", "range(4)"]
OPERATORS = ["+", "-", "*", "/", "//", "%", "~", "==", "!=", "<", ">", "<=", ">=", "in", "not in",
             "and", "or"]
FILTERS = ["upper", "trim", "length", "string", "list", "first", "last", "join(',')", "sort",
           "unique|list", "reverse|list", "tojson", "tojson(indent=2)", "default('D', true)", "int",
           "float", "round(1)", "e", "title", "replace('a', 'Z')", "map('upper')|list",
           "map(attribute='role')|list", "selectattr('role', 'eq', 'user')|list", "sum", "max",
           "batch(2)|list", "dictsort", "items|list", "truncate(8)", "select('string')|list"]
TESTS = ["defined", "none", "string", "number", "mapping", "iterable", "sequence", "odd",
         "divisibleby(2)", "eq 1", "in [1,'a']", "true", "boolean", "integer", "lower"]
METHODS = ["upper()", "strip()", "split()", "split('o', 1)", "replace('l', 'L')", "title()",
           "startswith('H')", "find('o')", "rsplit(' ', 1)", "partition(' ')", "zfill(9)"]
SLICES = ["0", "-1", "1:", "::-1", ":2", "'role'", "n", "'a'"]
NOT_TEXT = re.compile(r" at 0x|<generator|iterator object|built-in method")


def expression(rng, depth):
    def sub():
        return expression(rng, depth - 1)

    if depth <= 0:
        return rng.choice(list(VARS) + ["undefined_name"] + LITERALS)
    shapes = [
        lambda: f"{sub()} {rng.choice(OPERATORS)} {sub()}",
        lambda: f"({sub()})",
        lambda: f"not {sub()}",
        lambda: f"{sub()}|{rng.choice(FILTERS)}",
        lambda: f"{sub()} is {rng.choice(['', 'not '])}{rng.choice(TESTS)}",
        lambda: f"{rng.choice(['s', 'e', 'uni', 'ls[0]'])}.{rng.choice(METHODS)}",
        lambda: f"{rng.choice(list(VARS))}[{rng.choice(SLICES)}]",
        lambda: f"{sub()} if {sub()} else {sub()}",
        lambda: f"[{sub()}, {sub()}]",
        lambda: "{'k': " + sub() + "}",
        lambda: rng.choice(["d.b.c", "d.items()|list", "m[0].role", "d.get('q', 5)"]),
    ]
    return rng.choice(shapes)()


def test_random_expressions(brrr):
    oracle = pytest.importorskip("jinja_oracle", reason="needs jinja2")
    rng = random.Random(20)
    cases = []
    while len(cases) < 1500:
        template = "{{ " + expression(rng, 3) + " }}"
        want = oracle.render(template, VARS)
        if not NOT_TEXT.search(want.get("expected", "")):
            cases.append({"template": template, "extra": VARS, **want})
    check(brrr, cases)


# --- real templates -------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def folder(shared):
    return shared / "golden/dev/templates"


def same_as_transformers(case, answer):
    if "expected" in case:
        return answer.get("text") == case["expected"]
    if case["error"]["type"] == "TemplateError":
        return answer.get("kind") == "raised" and answer["error"] == case["error"]["message"]
    return answer.get("kind") in ("runtime", "syntax")


def test_real_templates(brrr, folder):
    count = 0
    for path in sorted(folder.glob("*.json")):
        data = json.loads(path.read_text(encoding="utf-8"))
        if "template" not in data:
            continue
        keys = ("messages", "tools", "add_generation_prompt", "extra")
        lines = [{**{k: c[k] for k in keys}, "now": data["now"]} for c in data["cases"]]
        answers = ask(brrr, lines, "--template-file", folder / data["template"])
        for case, answer in zip(data["cases"], answers):
            assert same_as_transformers(case, answer), (path.name, case["name"], answer)
            count += 1
    assert count > 300


def test_snippets_of_the_shared_folder(brrr, folder):
    data = json.loads((folder / "jinja_units.json").read_text(encoding="utf-8"))
    lines = [{"template": c["template"], "extra": c["context"], "now": data["now"]}
             for c in data["cases"]]
    for case, answer in zip(data["cases"], ask(brrr, lines)):
        assert same_as_transformers(case, answer), (case["name"], answer)
