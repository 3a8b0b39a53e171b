# SPDX-License-Identifier: MIT
"""`brrr ppl --kl-base` and `--kl`: against the divergence worked out from `brrr logits`."""
import json
import math
import os
import pathlib
import statistics
import struct

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
OK, RUN, USAGE, MODEL, DISK = 0, 1, 2, 3, 8
TINY = ROOT / "tests/fuzz/corpus/model/llama.gguf"
TEXT = b"the cats and the hello of cats, hello the cats: 1234 cats, hello hello and the end"
CTX = 16


@pytest.fixture(scope="module")
def work(brrr, tmp_path_factory):
    """A folder with a text, the tiny model with last norms that keep its logits near each other or
    (sharp) less so, and the base of the f32 mode of the first."""
    folder = tmp_path_factory.mktemp("kl")
    (folder / "text").write_bytes(TEXT)
    data = bytearray(TINY.read_bytes())
    tensors = json.loads(brrr(["inspect", TINY, "--json"]).stdout)["tensors"]
    norm = next(t for t in tensors if t["name"] == "output_norm.weight")
    n = norm["shape"][0]
    for name, weight in (("tiny", 0.01), ("sharp", 0.02), ("inf", math.inf)):
        data[norm["offset"]:norm["offset"] + 4 * n] = struct.pack(f"<{n}f", *[weight] * n)
        (folder / f"{name}.gguf").write_bytes(data)
    p = ppl(brrr, folder, "--kl-base", folder / "base", "--precision", "f32")
    assert p.returncode == OK and p.stderr == b""
    return folder


def ppl(brrr, folder, *options, model="tiny"):
    return brrr(["ppl", "-q", "-m", folder / f"{model}.gguf", "-f", folder / "text", "--ctx", CTX,
                 "--json", *options])


def refused(p, code, says):
    assert p.returncode == code and p.stdout == b"" and p.stderr.count(b"\n") == 1
    assert says in p.stderr.decode()


def rows(brrr, model, *options):
    """The distributions of every scored position, and the id that followed."""
    line = json.dumps({"text": TEXT.decode(), "add_special": False, "parse_special": False})
    ids = json.loads(brrr(["tokenize", "--jsonl", "-m", model], input=line).stdout)["ids"]
    windows = [ids[i:i + CTX] for i in range(0, len(ids), CTX)]
    lines = [json.dumps({"ids": w, "top": 0, "all_positions": True}) for w in windows]
    out = brrr(["logits", "--jsonl", "-m", model, *options], input="\n".join(lines))
    for window, line in zip(windows, out.stdout.splitlines()):
        for logits, following in zip(json.loads(line)["top"], window[1:]):
            log_sum = math.log(sum(math.exp(x) for x in logits))
            yield [x - log_sum for x in logits], following


def test_against_the_definition(brrr, work):
    base = [*rows(brrr, work / "tiny.gguf", "--precision", "f32")]
    here = [*rows(brrr, work / "sharp.gguf")]
    each, turned = [sorted(sum(math.exp(p) * (p - q) for p, q in zip(a, b))
                           for (a, _), (b, _) in zip(*pair))
                    for pair in ((base, here), (here, base))]
    n = len(each)
    assert n > 20 and sum(each) / n > 0.01 and sum(turned) != pytest.approx(sum(each), rel=0.1)
    got = json.loads(ppl(brrr, work, "--kl", work / "base", model="sharp").stdout)
    kl = got["kl"]
    assert got["scored"] == n and kl["base_profile"] == "f32/f32"
    assert kl["profile"] == "q8g32x/f16"
    assert kl["mean"] == pytest.approx(sum(each) / n, rel=1e-3)
    assert kl["error"] == pytest.approx(statistics.stdev(each) / math.sqrt(n), rel=1e-3)
    assert kl["median"] == pytest.approx((each[(n - 1) // 2] + each[n // 2]) / 2, rel=1e-3)
    assert kl["p99"] == pytest.approx(each[math.ceil(0.99 * n) - 1], rel=1e-3)
    assert kl["max"] == pytest.approx(each[-1], rel=1e-3)
    same = sum(a.index(max(a)) == b.index(max(b)) for (a, _), (b, _) in zip(base, here))
    assert kl["top1"] == pytest.approx(same / n)
    nll = -sum(a[i] for a, i in base) / n
    assert kl["base_ppl"] == pytest.approx(math.exp(nll), rel=1e-4)
    assert kl["ppl_ratio"] == pytest.approx(got["ppl"] / kl["base_ppl"])


def test_a_mode_does_not_differ_from_itself(brrr, work):
    kl = json.loads(ppl(brrr, work, "--kl", work / "base", "--precision", "f32").stdout)["kl"]
    assert kl["top1"] == 1 and kl["ppl_ratio"] == pytest.approx(1) and 0 <= kl["max"] < 1e-6


@pytest.mark.parametrize("options", [["--score", "half"], ["--ctx", "0"], ["--max-tokens", "20"]])
def test_other_windows(brrr, work, tmp_path, options):
    plain = json.loads(ppl(brrr, work, *options).stdout)
    made = json.loads(ppl(brrr, work, *options, "--kl-base", tmp_path / "b").stdout)
    got = json.loads(ppl(brrr, work, *options, "--kl", tmp_path / "b").stdout)
    kl = got.pop("kl")
    assert plain == made == got and kl["top1"] == 1 and kl["max"] < 1e-6
    assert kl["base_profile"] == "q8g32x/f16"


def test_text_output(brrr, work):
    p = brrr(["ppl", "-q", "-m", work / "tiny.gguf", "-f", work / "text", "--ctx", CTX, "--kl",
              work / "base"])
    lines = p.stdout.decode().splitlines()
    assert p.returncode == OK and len(lines) == 4
    assert lines[1].startswith("profile q8g32x/f16 against ") and "(profile f32/f32, " in lines[1]
    assert lines[2].startswith("KL divergence: mean 0.")
    assert lines[3].startswith("same first choice: ")


@pytest.mark.parametrize("kv", ["f16", "bf16", "f32", "int8"])
def test_the_profile_names_the_cache(brrr, work, tmp_path, kv):
    """In the file, and of both sides where they are compared."""
    options = ["--kv-type", kv]
    assert ppl(brrr, work, *options, "--kl-base", tmp_path / "b").returncode == OK
    assert (tmp_path / "b").read_bytes()[40:56].rstrip(b"\0").decode() == f"q8g32x/{kv}"
    kl = json.loads(ppl(brrr, work, *options, "--kl", tmp_path / "b").stdout)["kl"]
    assert kl["profile"] == kl["base_profile"] == f"q8g32x/{kv}"


@pytest.mark.parametrize("options, says", [
    (["--ctx", "8"], "windows of 16 tokens, not 8"),
    (["--score", "half"], "another --score"),
    (["--max-tokens", "20"], "other token ids"),
    (["-f", ROOT / "LICENSE"], "other token ids")])
def test_a_base_of_something_else(brrr, work, options, says):
    refused(ppl(brrr, work, "--kl", work / "base", *options), MODEL, says)


def test_another_vocabulary(brrr, work, default_model):
    p = ppl(brrr, work, "--kl", work / "base", "-m", default_model)
    refused(p, MODEL, "263 logits in a row, the model 49152")


@pytest.mark.parametrize("at, to, says", [
    (0, b"GGUF", "no reference logits"), (8, b"\2", "version 2"), (28, b"\0\0", "not finished"),
    (20, b"\0", "length of a window"), (40, b"\x1b[2J", "profile"), (-1, b"", "its head asks for"),
    (64, struct.pack("<d", math.nan), "row 0 does not agree")])
def test_broken_files(brrr, work, tmp_path, at, to, says):
    data = bytearray((work / "base").read_bytes())
    data[at:at + len(to) if to else None] = to
    (tmp_path / "broken").write_bytes(data)
    p = ppl(brrr, work, "--kl", tmp_path / "broken")
    refused(p, MODEL, says)
    assert b"\x1b" not in p.stderr


def test_no_files(brrr, work, tmp_path):
    refused(ppl(brrr, work, "--kl", tmp_path / "nothing"), RUN, "No such file")
    refused(ppl(brrr, work, "--kl-base", tmp_path / "no/where"), DISK, "No such file")
    refused(ppl(brrr, work, "--kl", tmp_path), MODEL, "regular file")
    os.mkfifo(tmp_path / "fifo")
    refused(ppl(brrr, work, "--kl", tmp_path / "fifo"), MODEL, "regular file")
    refused(ppl(brrr, work, "--kl-base", "/dev/full"), DISK, "No space left")
    refused(ppl(brrr, work, "--kl", "x", "--kl-base", "y"), USAGE, "--kl reads a file")


def test_one_logit_beyond_numbers(brrr, work, tmp_path):
    """A token that is impossible here and possible in the base: the divergence is infinite."""
    two = ["--max-tokens", "2", "--precision", "f32"]
    assert ppl(brrr, work, *two, "--kl-base", tmp_path / "b").returncode == OK
    data = bytearray((work / "tiny.gguf").read_bytes())
    tensors = json.loads(brrr(["inspect", TINY, "--json"]).stdout)["tensors"]
    at, n = next((t["offset"], t["shape"][0]) for t in tensors if t["name"] == "output_norm.weight")
    # The last norm is that large, and negative, that the best logits become -inf, and no other.
    data[at:at + 4 * n] = struct.pack(f"<{n}f", *[-1.2e36] * n)
    (tmp_path / "far.gguf").write_bytes(data)
    far = ["-m", tmp_path / "far.gguf"]
    assert ppl(brrr, work, *two, *far).returncode == OK
    refused(ppl(brrr, work, *two, *far, "--kl", tmp_path / "b"), RUN, "not finite")


def test_a_run_that_cannot_start_leaves_the_base(brrr, work):
    """What is refused anyway must not cost the file that took minutes to make."""
    before = (work / "base").read_bytes()
    p = ppl(brrr, work, "--kl-base", work / "base", "--ctx", "100000")
    refused(p, RUN, "a context of 100000 tokens")
    assert (work / "base").read_bytes() == before


def test_logits_beyond_numbers(brrr, work, tmp_path):
    """No base is made of logits that are not finite, and none is compared with."""
    refused(ppl(brrr, work, "--kl-base", tmp_path / "b", model="inf"), RUN, "not finite")
    refused(ppl(brrr, work, "--kl", tmp_path / "b"), MODEL, "not finished")
    refused(ppl(brrr, work, "--kl", work / "base", model="inf"), RUN, "not finite")
