# SPDX-License-Identifier: MIT
"""The examples of docs/jsonl.md are run: what it prints is what the program prints."""
import pathlib
import re

import pytest

DOC = pathlib.Path(__file__).resolve().parents[2] / "docs/jsonl.md"
BLOCK = re.compile(r"^    \$ brrr (.*)\n((?:    .*\n)+)", re.M)
EXAMPLES = {m.group(1): [line[4:] for line in m.group(2).splitlines()]
            for m in BLOCK.finditer(DOC.read_text())}


@pytest.mark.parametrize("command", EXAMPLES)
def test_example(brrr, request, command):
    args = command.split()
    if "$M" in args:
        args[args.index("$M")] = request.getfixturevalue("default_model")
    lines = EXAMPLES[command]
    run = brrr(args, input="".join(line + "\n" for line in lines[0::2]))
    assert run.returncode == 0, run.stderr
    assert run.stdout.decode().splitlines() == lines[1::2]


def test_there_are_examples():
    assert len(EXAMPLES) >= 4


def test_every_parameter_is_listed():
    """Each row of gen.def, and each of its other names, stands in the tables."""
    rows = (DOC.parent.parent / "src/engine/gen.def").read_text()
    text = DOC.read_text()
    found = re.findall(r'^(?:SAMPLE|GEN)\((\w+),.*"([^"]*)"\)$', rows, re.M)
    assert len(found) >= 15
    for name, alias in found:
        for word in [name, *alias.split()]:
            assert f"`{word}`" in text or word == "n_logprobs", word
