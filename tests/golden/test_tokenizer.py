# SPDX-License-Identifier: MIT
"""The tokenizer against recorded ids of other implementations (shared folder and real models).

Each vocabulary's own vectors, 300 difficult strings for every vocabulary, and decoding. Where two
implementations disagree the data holds both answers and either is right.
"""
import json
import pathlib

import pytest

VOCABS = ["bert-bge", "deepseek-coder", "falcon", "gpt-2", "llama-bpe", "llama-spm", "starcoder"]
SEPARATOR = "\n__ggml_vocab_test__\n"


def ask(brrr, model, lines, *options):
    run = brrr(["tokenize", "-m", model, "--jsonl", *options],
               input="".join(json.dumps(line) + "\n" for line in lines))
    assert run.returncode == 0, run.stderr.decode()
    answers = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(answers) == len(lines)
    return answers


def encode(brrr, model, texts, parse_special, add_special=False):
    lines = [{"text": t, "add_special": add_special, "parse_special": parse_special} for t in texts]
    return [a["ids"] for a in ask(brrr, model, lines)]


def decode(brrr, model, ids):
    return [a["text"] for a in ask(brrr, model, [{"ids": i} for i in ids], "--decode")]


@pytest.fixture(scope="session")
def tokenizers(shared):
    return shared / "golden/dev/tokenizers"


@pytest.mark.parametrize("name", VOCABS)
def test_vectors_of_vocabulary(brrr, tokenizers, name):
    path = tokenizers / f"vocabs/ggml-vocab-{name}.gguf"
    texts = pathlib.Path(f"{path}.inp").read_bytes().decode().split(SEPARATOR)[:-1]
    want = [[int(x) for x in line.split()]
            for line in pathlib.Path(f"{path}.out").read_text().splitlines()]
    got = encode(brrr, path, texts, parse_special=False)
    assert len(want) == len(got)
    assert [(t, g) for t, g, w in zip(texts, got, want) if g != w] == []


@pytest.mark.parametrize("name", VOCABS)
def test_difficult_strings(brrr, tokenizers, name):
    data = json.loads((tokenizers / "nasty_other_vocabs.json").read_text())
    texts = json.loads((tokenizers / "nasty_strings.json").read_text())
    case = data["vocabs"][f"ggml-vocab-{name}"]
    path = tokenizers / "vocabs" / case["vocab"]
    wrong = []
    for parse in (True, False):
        got = encode(brrr, path, texts, parse_special=parse)
        for i, (text, ids) in enumerate(zip(texts, got)):
            want = case["ids"][i]
            if not parse:
                want = case["ids_specials_as_text"].get(str(i), want)
            if ids != want:
                wrong.append((i, text, parse, ids, want))
    assert wrong == []


def check_model(brrr, model, path):
    data = json.loads(path.read_text(encoding="utf-8"))
    cases = data["cases"]
    wrong = []
    for parse in (True, False):
        got = encode(brrr, model, [c["text"] for c in cases], parse_special=parse)
        for case, ids in zip(cases, got):
            keys = ["ids", "llama_cpp_ids"]
            if not parse:
                keys = [k for k in ("ids_specials_as_text", "llama_cpp_ids_specials_as_text")
                        if k in case] or keys
                if "ids_specials_as_text" not in case:
                    keys.append("ids")
            if ids not in [case[k] for k in keys if k in case]:
                wrong.append((case["i"], case["text"], parse, ids))
    for case, text in zip(cases, decode(brrr, model, [c["ids"] for c in cases])):
        if text != case["decoded"]:
            wrong.append((case["i"], "decoded", text, case["decoded"]))
    assert wrong == []


def test_smollm2(brrr, tokenizers, default_model):
    check_model(brrr, default_model, tokenizers / "nasty_smollm2.json")


def test_gemma3(brrr, tokenizers, gemma_model):
    check_model(brrr, gemma_model, tokenizers / "nasty_gemma3.json")


def test_byte_level_round_trip(brrr, tokenizers):
    texts = json.loads((tokenizers / "nasty_strings.json").read_text())
    for name in ("deepseek-coder", "falcon", "gpt-2", "llama-bpe", "starcoder"):
        path = tokenizers / f"vocabs/ggml-vocab-{name}.gguf"
        for parse in (True, False):
            back = decode(brrr, path, encode(brrr, path, texts, parse_special=parse))
            assert [(t, b) for t, b in zip(texts, back) if t != b] == []


def test_tiny_models(brrr, shared):
    """The small byte-level vocabularies of the reference models, by their recorded samples."""
    seen = 0
    for ref in sorted((shared / "golden/dev/tiny").glob("*/ref.json")):
        model = shared / f"golden/dev-gguf/{ref.parent.name}.gguf"
        if not model.is_file():
            continue
        samples = json.loads(ref.read_text()).get("tokenizer_samples", [])
        got = encode(brrr, model, [s[0] for s in samples], parse_special=True)
        assert got == [s[1] for s in samples]
        seen += len(samples)
    assert seen > 0
