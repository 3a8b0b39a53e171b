# SPDX-License-Identifier: MIT
"""brrr bench: cases, formats, plots. Never how fast: machines differ."""
import csv
import io
import json
import os
import pathlib
import shutil
import signal
import subprocess
import time
import xml.etree.ElementTree

import pytest

from conftest import clean_env

ROOT = pathlib.Path(__file__).resolve().parents[2]
TINY = ROOT / "tests/fuzz/corpus/model/llama.gguf"
OK, USAGE, MODEL, DISK = 0, 2, 3, 8
CASES = ["-p", "8,16", "-n", "4", "-d", "0,10", "-b", "1,3", "--mixed", "2", "-r", "2", "-q"]
# (case, n_prompt, n_gen, depth, batch), in the order in which they run
WANT = [("prefill", 8, 1, 0, 1), ("prefill", 16, 1, 0, 1),
        ("decode", 1, 4, 0, 1), ("decode", 1, 4, 0, 3),
        ("decode", 10, 4, 10, 1), ("decode", 10, 4, 10, 3), ("mixed", 8, 1, 0, 2),
        ("mixed", 16, 1, 0, 2)]


def run(brrr, *args, code=OK):
    p = brrr(["bench", "-m", TINY, *args])
    assert p.returncode == code, p.stderr.decode()
    return p.stdout.decode()


def test_json(brrr):
    out = json.loads(run(brrr, *CASES, "--json"))
    assert [(c["case"], c["n_prompt"], c["n_gen"], c["depth"], c["batch"])
            for c in out["cases"]] == WANT
    assert out["model"] == "llama.gguf" and out["threads"] >= 1 and "interrupted" not in out
    limits = out["limits"]
    assert all(limits[k] > 0 for k in ("read_gb_s", "weights_gb", "int8_gmac_s", "barrier_ns",
                                       "critical_batch", "linear_macs", "head_macs"))
    for c in out["cases"]:
        tok_s, raw = c["tok_s"], c["raw"]
        assert tok_s["n"] == 2 == len(raw["tok_s"])
        assert 0 < tok_s["min"] <= tok_s["median"] <= tok_s["max"] == max(raw["tok_s"])
        assert 0 < c["read_share"] <= c["bound_share"] * 1.0001 and c["bound_tok_s"] > 0
        assert c["macs_per_byte"] > 0 and c["gmac_s"] > 0 and c["int8_share"] > 0
        for key, wanted in (("ttft_s", c["case"] != "decode"), ("itl_s", c["case"] != "prefill")):
            assert (key in c) == (key in raw) == wanted
            if wanted:
                s = c[key]
                assert s["n"] == len(raw[key]) and min(raw[key]) == s["min"] > 0
                assert s["min"] <= s["median"] <= s["p90"] <= s["p99"] <= s["max"] == max(raw[key])
                assert s["p90"] in raw[key]
    by_name = {c["case"]: c for c in out["cases"]}
    assert by_name["decode"]["itl_s"]["n"] == 2 * 4  # one for each step
    assert by_name["prefill"]["ttft_s"]["n"] == 2
    mixed = by_name["mixed"]
    assert mixed["ttft_s"]["n"] == 2 * 4 <= mixed["itl_s"]["n"]  # four prompts a run
    assert mixed["prefill_tok_s"] + mixed["decode_tok_s"] == pytest.approx(
        mixed["tok_s"]["median"], rel=1e-6)
    c = out["cases"][3]  # 4 steps of 3 tokens, twice
    assert sum(4 * 3 / v for v in c["raw"]["tok_s"]) == pytest.approx(sum(c["raw"]["itl_s"]))


def test_documented(brrr):
    """Every field of the JSON is in docs/bench.md."""
    doc = (ROOT / "docs/bench.md").read_text()
    out = json.loads(run(brrr, *CASES, "--json"))
    keys = {*out, *out["limits"], *out["memory"], *out["cases"][0]["tok_s"]}
    for c in out["cases"]:
        keys |= set(c)
    assert [k for k in sorted(keys) if f"`{k}`" not in doc] == []


def test_csv(brrr):
    rows = list(csv.DictReader(io.StringIO(run(brrr, *CASES, "-o", "csv"))))
    assert [(r["case"], *(int(r[k]) for k in ("n_prompt", "n_gen", "depth", "batch")))
            for r in rows] == WANT
    for r in rows:
        assert None not in r and None not in r.values() and r["model"] == "llama.gguf"
        assert float(r["tok_s_min"]) <= float(r["tok_s"]) <= float(r["tok_s_max"])
        assert (r["ttft_s"] == "") == (r["case"] == "decode")
        assert (r["itl_s_p99"] == "") == (r["case"] == "prefill")


@pytest.mark.parametrize("fmt", ["text", "md", "markdown"])
def test_tables(brrr, fmt):
    lines = run(brrr, *CASES, "--format", fmt).splitlines()
    names = ["prefill 8", "prefill 16", "decode x1", "decode x3", "decode x1 @10", "decode x3 @10",
             "mixed x2 + 8", "mixed x2 + 16"]
    if fmt == "text":
        rows = [line.split("  ")[0].strip() for line in lines[1:9]]
    else:
        cells = [[c.strip() for c in line.strip("|").split("|")] for line in lines[:10]]
        assert len({len(c) for c in cells}) == 1
        rows = [c[0] for c in cells[2:]]
    assert rows == names
    text = "\n".join(lines)
    assert all(s in text for s in ("% of int8 peak", "% of reading", "critical batch"))


def test_the_whole_context_can_be_used(brrr):
    """64 tokens: 62 there, one read, one made; sequences of a batch may be a little ahead."""
    run(brrr, "-p", "63", "-n", "1", "-d", "62", "-r", "1", "-q")
    run(brrr, "-p", "0", "-n", "2", "-d", "57", "-b", "7", "--chunk", "16", "-r", "2", "-q")
    run(brrr, "-p", "0", "-n", "1", "-d", "40", "-b", "21", "--chunk", "1", "-r", "1", "-q",
        code=USAGE)
    run(brrr, "-p", "20", "-n", "0", "--mixed", "3", "--chunk", "3", "-r", "1", "-q")


def test_f32_has_no_share_of_int8(brrr, tmp_path):
    out = json.loads(run(brrr, "-p", "8", "-n", "2", "-r", "1", "-q", "--precision", "f32", "-o",
                         "json", "--svg", tmp_path))
    assert all("int8_share" not in c and c["bound_share"] > 0 for c in out["cases"])
    assert "f32 peak" in (tmp_path / "roofline.svg").read_text()


def test_a_model_with_any_name(brrr, tmp_path):
    """A name is bytes: what is no UTF-8 is replaced, quotes and brackets are text."""
    path = os.fsencode(tmp_path) + b'/<&",\xff\n.gguf'
    shutil.copy(TINY, path)
    args = ["bench", "-m", os.fsdecode(path), "-p", "4,8", "-n", "0", "-r", "1", "-q"]
    p = brrr([*args, "--json", "--svg", tmp_path / "svg"])
    assert p.returncode == OK and json.loads(p.stdout)["model"].startswith('<&",\ufffd')
    root = xml.etree.ElementTree.parse(tmp_path / "svg/ttft.svg").getroot()
    assert '<&",\ufffd' in root[0].text
    rows = list(csv.DictReader(io.StringIO(brrr([*args, "-o", "csv"]).stdout.decode("latin-1"))))
    assert [r["model"][:5] for r in rows] == ['<&",\xff'] * 2


def test_threads_of_each_case(brrr):
    args = ["-p", "8", "-n", "2", "-r", "1", "-q", "-t", "1", "--threads-decode", "2"]
    out = json.loads(run(brrr, *args, "--json"))
    assert (out["threads"], out["threads_decode"]) == (1, 2)
    assert "1 threads (2 to decode), chunk 256" in run(brrr, *args)
    rows = csv.DictReader(io.StringIO(run(brrr, *args, "-o", "csv")))
    assert [(r["case"], r["threads"]) for r in rows] == [("prefill", "1"), ("decode", "2")]


def test_precision_is_checked(brrr):
    """bf16 is for weights that are plain floats; these are Q4_0."""
    args = ["bench", "-m", TINY, "-p", "8", "-n", "0", "-q", "--precision"]
    p = brrr([*args, "bf16"])
    assert p.returncode == MODEL and b"is of type Q" in p.stderr and b"precision bf16" in p.stderr
    p = brrr([*args, "bf8"])
    assert p.returncode == USAGE and b"'q8', 'f32' or 'bf16', not 'bf8'" in p.stderr


def test_default_is_text(brrr):
    out = run(brrr, "-p", "8", "-n", "2", "-r", "1", "-q")
    assert out.startswith("case ") and "\nprefill 8 " in out and "\ndecode x1 " in out


@pytest.mark.parametrize("args, first", [(["-p", "0", "-n", "2"], "decode x1"),
                                         (["-p", "8", "-n", "0"], "prefill 8")])
def test_zero_is_none(brrr, args, first):
    lines = run(brrr, *args, "-r", "1", "-q").splitlines()
    assert lines[1].startswith(first) and not lines[2].startswith(("decode", "prefill"))


def test_plots(brrr, tmp_path):
    run(brrr, *CASES, "--svg", tmp_path / "all")
    names = {"batch.svg", "depth.svg", "ttft.svg", "itl.svg", "roofline.svg"}
    assert {p.name for p in (tmp_path / "all").iterdir()} == names
    for p in (tmp_path / "all").iterdir():
        root = xml.etree.ElementTree.parse(p).getroot()
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert "llama.gguf" in root[0].text and "nan" not in p.read_text()
    assert "critical batch" in (tmp_path / "all/batch.svg").read_text()
    # One point makes no plot; a folder that is there is used.
    run(brrr, "-p", "8", "-n", "2", "-r", "1", "--svg", tmp_path)
    assert {p.name for p in tmp_path.glob("*.svg")} == {"itl.svg", "roofline.svg"}


def test_folder_that_cannot_be(brrr, tmp_path):
    p = brrr(["bench", "-m", TINY, *CASES, "--svg", tmp_path / "no/where"])
    assert p.returncode == DISK and p.stdout == b"" and b"No such file" in p.stderr
    (tmp_path / "file").write_text("")
    p = brrr(["bench", "-m", TINY, *CASES, "--svg", tmp_path / "file"])
    assert p.returncode == DISK and p.stdout == b"" and b"Not a directory" in p.stderr


@pytest.mark.parametrize("args, says", [
    (["-p", "x"], "-p takes numbers from 0"),
    (["-p", "8,"], "-p takes numbers"),
    (["-p", "-1"], "-p takes numbers"),
    (["-p", ",".join(["8"] * 33)], "-p takes numbers"),
    (["-d", ""], "-d takes numbers"),
    (["-d", "99999999999"], "-d takes numbers"),
    (["-b", "0"], "-b takes numbers from 1 to 256"),
    (["-b", "257"], "-b takes numbers"),
    (["--mixed", "0"], "--mixed takes numbers from 1 to 255"),
    (["-n", "-1"], "-n is from 0"),
    (["-r", "0"], "--repeats is from 1"),
    (["-p", "8", "-n", "0", "-c", "8"], "prefill 8 needs a context of 9 tokens, --ctx-size says 8"),
    (["-p", "0", "--mixed", "2"], "--mixed reads prompts"),
    (["--json", "-o", "csv"], "--json or --format csv, not both"),
    (["-o", "xml"], "--format is text, md, json or csv, not 'xml'"),
    (["-p", "0", "-n", "0"], "nothing to measure"),
    (["-p", "100000"], "prefill 100000 needs a context of 100001 tokens, this model has"),
    (["-p", "8", "-d", "100000"], "decode x1 @100000 needs a context"),
])
def test_refused(brrr, args, says):
    p = brrr(["bench", "-m", TINY, *args])
    assert p.returncode == USAGE and p.stdout == b""
    assert says in p.stderr.decode() and p.stderr.count(b"\n") == 1


def interrupted(brrr, delay):
    p = subprocess.Popen([brrr.path, "bench", "-m", TINY, "-p", "0", "-n", "2", "-r", "1000",
                          "-b", "1,2,3,4,5,6,7,8", "-t", "1", "-q", "--json"],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=clean_env())
    time.sleep(delay)
    p.send_signal(signal.SIGINT)
    out, _ = p.communicate(timeout=60)
    return p.returncode, out


def test_interrupt_prints_what_is_there(brrr):
    for delay in (0.7, 0.5, 1, 0.3, 2, 4, 8):  # into the cases, on a fast machine and a slow one
        code, out = interrupted(brrr, delay)
        if code == 130 and out:
            break
    assert code == 130
    out = json.loads(out)
    assert out["interrupted"] is True and out["cases"]
    assert all(c["raw"]["tok_s"] for c in out["cases"])


def test_the_profile_names_the_cache(brrr):
    """What changes bits is part of the name."""
    for kv in ("f16", "int8"):
        p = brrr(["bench", "-m", TINY, "-p", "4", "-n", "2", "-r", "1", "-q", "--json",
                  "--kv-type", kv])
        assert p.returncode == 0 and json.loads(p.stdout)["profile"] == f"q8g32x/{kv}"
