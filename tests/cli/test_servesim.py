# SPDX-License-Identifier: MIT
"""brrr bench --serve-sim: loads, arrivals, what is reported. Never how fast: machines differ."""
import csv
import io
import json
import os
import pathlib
import re
import signal
import subprocess
import time
import xml.etree.ElementTree

import pytest

from conftest import clean_env

ROOT = pathlib.Path(__file__).resolve().parents[2]
TINY = ROOT / "tests/fuzz/corpus/model/llama.gguf"
PHASES = re.findall(r"^PHASE\(\w+, +(\w+),", (ROOT / "src/engine/phases.def").read_text(), re.M)
OK, USAGE = 0, 2
SMALL = ["--serve-sim", "standard", "-p", "45", "--shared-prefix", "33", "-n", "5", "--requests",
         "6", "-q"]


def run(brrr, *args, code=OK):
    p = brrr(["bench", "-m", TINY, *args])
    assert p.returncode == code, p.stderr.decode()
    return p.stdout.decode()


def runs(brrr, *args):
    return json.loads(run(brrr, *args, "--json"))["runs"]


def test_json(brrr):
    a, b = runs(brrr, *SMALL, "--concurrency", "1,3")
    assert (a["concurrency"], b["concurrency"]) == (1, 3) == (a["parallel"], b["parallel"])
    for r in (a, b):
        assert r["load"] == "standard" and r["requests"] == 6 == r["ended"] and r["refused"] == 0
        assert r["running_most"] == r["concurrency"] and r["running_mean"] <= r["running_most"]
        assert r["prompt_tokens"] == 6 * 45 and r["prefix_cache"] is True
        assert r["out_tok_s"] == pytest.approx(6 * 5 / r["wall_s"])
        assert r["total_tok_s"] == pytest.approx(6 * 50 / r["wall_s"])
        assert r["req_s"] == pytest.approx(6 / r["wall_s"]) == r["good_req_s"]
        assert r["good_share"] == 1 and r["preempted"] == 0
        assert r["itl_s"]["n"] == 6 * 4 == len(r["raw"]["itl_s"])
        assert r["ttft_s"]["n"] == r["e2e_s"]["n"] == r["tpot_s"]["n"] == r["queue_s"]["n"] == 6
        for k in ("ttft_s", "itl_s", "tpot_s", "e2e_s", "queue_s"):
            s = r[k]
            assert s["min"] <= s["median"] <= s["p90"] <= s["p95"] <= s["p99"] <= s["max"]
        assert 0 < r["kv_used_mean"] <= r["kv_used_most"] <= 1
        assert 0 < r["kv_tail_share"] < 1 and 0 <= r["kv_saved_share"] < 1
        shares = [r[k + "_share"] for k in PHASES]
        assert sum(shares) == pytest.approx(1) and min(shares) >= 0
        kinds = r["kinds"].values()
        assert sum(k["steps"] for k in kinds) == r["steps"]
        assert sum(k["time_s"] for k in kinds) == pytest.approx(r["step_s"])
        assert sum(k["decode_rows"] for k in kinds) == 6 * 4
        assert sum(k["prompt_rows"] for k in kinds) == 6 * 45 - r["cached_tokens"]
        steps = r["raw"]["steps"]
        assert len(steps) == r["steps"] and [s["at"] for s in steps] == sorted(s["at"] for s in steps)
        assert sum(s["time_s"] for s in steps) == pytest.approx(r["step_s"])
        assert sum(s["prompt_rows"] for s in steps) == 6 * 45 - r["cached_tokens"]
        for q in r["raw"]["requests"]:
            assert 0 <= q["due"] <= q["sent"] <= q["first"] <= q["end"]
            assert q["n_prompt"] == 45 and q["n_made"] == 5 and q["good"]
    # One after the other: all but the first find the one full block of the 33 tokens that they share.
    assert a["cached_tokens"] == 5 * 32 and a["could_tokens"] == 5 * 32 and a["hit_share"] == 1
    assert a["kv_saved_share"] == 0 < b["kv_saved_share"] < 1
    first, second = sorted(a["raw"]["requests"], key=lambda q: q["due"])[:2]
    assert second["due"] >= first["end"]


def test_documented(brrr):
    """Every field of the JSON is in docs/bench.md."""
    doc = (ROOT / "docs/bench.md").read_text()
    r = runs(brrr, *SMALL, "--concurrency", "2")[0]
    keys = {*r, *r["raw"], *r["raw"]["requests"][0], *r["raw"]["steps"][0]}
    keys |= {k for kind in r["kinds"].values() for k in kind}
    assert [k for k in sorted(keys) if f"`{k}`" not in doc] == []
    presets = re.findall(r'\{ "(\w+)", \{ \.n_part', (ROOT / "src/cmd/simload.c").read_text())
    assert len(presets) >= 6 and [p for p in presets if f"`{p}`" not in doc] == []


def test_the_same_load_computes_the_same(brrr):
    """The counts of a run do not depend on time where requests come one after the other."""
    counts = [[r[k] for k in ("steps", "rows", "cached_tokens", "could_tokens", "ended")]
              for r in runs(brrr, *SMALL, "--concurrency", "1", "-r", "2")]
    assert counts[0] == counts[1]


@pytest.mark.parametrize("args, cached", [([], 5 * 32), (["--no-prefix-cache"], 0)])
def test_features_can_be_switched(brrr, args, cached):
    r = runs(brrr, *SMALL, "--concurrency", "1", "--policy", "fcfs", "--chunk", "16", *args)[0]
    assert r["cached_tokens"] == cached and r["policy"] == "fcfs" and r["chunk"] == 16
    assert r["prefix_cache"] is not bool(args) and r["could_tokens"] == 5 * 32
    assert r["hit_share"] == (0 if args else 1)


@pytest.mark.parametrize("kind", ["ngram", "suffix", "draft"])
def test_guesses_can_be_switched_on(brrr, kind):
    """As its own draft model the model guesses right; the others find what comes again."""
    args = [*SMALL, "--concurrency", "2", "-n", "16"]
    plain, = runs(brrr, *args)
    more = ["--draft-model", TINY] if kind == "draft" else []
    r, = runs(brrr, *args, "--speculate", kind, "--draft-max", "4", *more)
    assert plain["speculate"] == "none" and plain["drafted"] == 0
    assert r["speculate"] == kind and r["ended"] == 6 and r["draft_share"] > 0
    assert 0 <= r["accepted"] <= r["drafted"] and r["itl_s"]["n"] == plain["itl_s"]["n"]


def test_little_memory(brrr):
    """Two blocks for each of four sequences, in a cache of four blocks: all of them finish."""
    args = ["--serve-sim", "standard", "-p", "8", "-n", "40", "--shared-prefix", "0", "-q",
            "--requests", "4", "--concurrency", "4", "-c", "64"]
    r, = runs(brrr, *args)
    assert r["preempted"] == 0 and r["ended"] == 4 and r["reserved_seqs"] >= 4
    r, = runs(brrr, *args, "--kv-memory", "16K")
    assert r["ended"] == 4 and r["reserved_seqs"] == 2 and r["kv_budget"] == 16384
    assert 0.5 <= r["kv_used_most"] <= 1 and r["itl_s"]["n"] == 4 * 39


def test_arrivals(brrr):
    r, s = runs(brrr, *SMALL, "--rate", "40,inf", "--parallel", "2")
    assert r["run"] == "40 a second" and s["run"] == "all at once" and r["concurrency"] == 0
    due = [q["due"] for q in r["raw"]["requests"]]
    assert due == sorted(due) and due[-1] > 0.02 and len(set(due)) == 6
    assert {q["due"] for q in s["raw"]["requests"]} == {0} and s["running_most"] == 2


def test_chats_go_on_from_their_answers(brrr):
    r, = runs(brrr, "--serve-sim", "chat", "-p", "4", "-n", "3", "--requests", "2", "--concurrency",
              "1", "-q")
    q = r["raw"]["requests"]
    assert r["requests"] == 16 == r["ended"] and len(q) == 16
    assert [x["n_prompt"] for x in q[:3]] == [4, 11, 18]
    for a, b in zip(q, q[1:]):
        assert b["due"] >= a["end"]
    # Each turn finds the full blocks before the last token of the answer before it.
    assert [x["n_cached"] for x in q[:8]] == [0, 0, 0, 0, 0, 32, 32, 32]
    assert 1 <= r["recomputed_most"] <= 32 and r["hit_share"] == 1


def test_beams_share_what_they_have_in_common(brrr):
    r, = runs(brrr, *SMALL, "--concurrency", "1", "--beams", "3")
    one, = runs(brrr, *SMALL, "--concurrency", "1")
    assert r["beams"] == 3 == r["parallel"] == r["running_most"] and one["beams"] == 0
    assert r["ended"] == one["ended"] and r["kv_saved_share"] > one["kv_saved_share"]


def test_samples_share_their_prompt(brrr):
    r, = runs(brrr, *SMALL, "--concurrency", "1", "--samples", "4")
    assert r["samples"] == 4 == r["parallel"] and r["running_most"] == 4
    assert r["itl_s"]["n"] == 6 * 4 * 4 and r["ttft_s"]["n"] == 6
    assert r["raw"]["requests"][0]["n_made"] == 20 and r["kv_saved_share"] > 0.2


def test_objectives(brrr):
    r, = runs(brrr, *SMALL, "--concurrency", "1", "--slo", "ttft=1e-9,e2e=100")
    assert r["good_share"] == 0 and r["slo"] == {"ttft": 1e-9, "e2e": 100}
    out = run(brrr, *SMALL, "--concurrency", "1", "--slo", "ttft=1e-9")
    assert " 0 % " in out.splitlines()[1]


def test_trace(brrr, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("arrival,prompt,output\n0.05,9,2\n0,8,3,1,5,2\n# later\n0,7,1\n")
    r, = runs(brrr, "--trace", path, "-q")
    q = r["raw"]["requests"]
    assert r["run"] == "as they come" and [x["n_made"] for x in q] == [2, 3, 1]
    assert [x["due"] for x in q] == [0.05, 0, 0]
    r, = runs(brrr, "--trace", path, "-q", "--concurrency", "1")
    assert [x["n_made"] for x in r["raw"]["requests"]] == [2, 3, 1]
    path.write_text("0,9,2\n0,9,-1\n")
    p = brrr(["bench", "-m", TINY, "--trace", path, "-q"])
    assert p.returncode != OK and b"line 2: output_tokens is -1, possible are 1 to" in p.stderr
    path.write_text("0,100000,2\n")
    p = brrr(["bench", "-m", TINY, "--trace", path, "-q"])
    assert p.returncode != OK and p.stdout == b""
    assert re.search(rb"line 1: a prompt of 100000 tokens and an answer of 2; the context holds \d",
                     p.stderr)


def test_a_trace_with_any_name(brrr, tmp_path):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\x1b[1m.csv")
    pathlib.Path(path).write_text("0,9,2\n")
    r, = runs(brrr, "--trace", path, "-q")
    assert r["ended"] == 1 and r["load"] == "\ufffd?[1m.csv"


def test_prompts_from_a_text(brrr, tmp_path):
    p = brrr(["bench", "-m", TINY, *SMALL, "-f", "/dev/null"])
    assert p.returncode == USAGE and (b"no tokenizer" in p.stderr or b"no tokens" in p.stderr)


@pytest.mark.parametrize("fmt", ["text", "md"])
def test_tables(brrr, fmt):
    out = run(brrr, *SMALL, "--concurrency", "1,2", "-o", fmt)
    for row in ("concurrency 1", "TTFT, concurrency 2", "ITL, concurrency 1",
                "prompts, concurrency 2"):
        assert any(line.lstrip("| ").startswith(row) for line in out.splitlines()), row
    assert "load standard, 6 requests, seed 1, fair, prefix cache on" in out
    assert "nan" not in out and "inf" not in out
    if fmt == "md":
        rows = [line for line in out.splitlines() if line.startswith("|")]
        assert {line.count("|") for line in rows[:4]} == {17}


def test_csv(brrr):
    rows = list(csv.DictReader(io.StringIO(run(brrr, *SMALL, "--concurrency", "1,2", "-o", "csv"))))
    assert [r["concurrency"] for r in rows] == ["1", "2"]
    assert all(float(r["itl_s_p99"]) > 0 and float(r["wall_s"]) > 0 for r in rows)


def test_plots(brrr, tmp_path):
    run(brrr, *SMALL, "--concurrency", "1,2", "--svg", tmp_path / "p")
    names = {"serve-queue.svg", "serve-kv.svg", "serve-steps.svg", "serve-phases.svg",
             "serve-ttft.svg", "serve-itl.svg"}
    assert {p.name for p in (tmp_path / "p").iterdir()} == names
    for p in (tmp_path / "p").iterdir():
        root = xml.etree.ElementTree.parse(p).getroot()
        assert "llama.gguf" in root[0].text and "nan" not in p.read_text()
        assert "concurrency 2" in p.read_text()


@pytest.mark.parametrize("args, says", [
    (["--serve-sim", "none"], "--serve-sim is one of standard, prefix, chat, sarathi"),
    (["--rate", "3"], "--rate belongs to --serve-sim"),
    (["--samples", "3"], "--samples belongs to --serve-sim"),
    (["--speculate", "ngram"], "--speculate belongs to --serve-sim"),
    ([*SMALL, "--speculate", "no"], "--speculate is 'none', 'ngram', 'suffix' or 'draft'"),
    ([*SMALL, "--rate", "3", "--concurrency", "2"], "--concurrency or --rate, not both"),
    ([*SMALL, "--rate", "0"], "--rate takes requests a second"),
    ([*SMALL, "--rate", "nan"], "--rate takes requests a second"),
    ([*SMALL, "--concurrency", "257"], "--concurrency takes numbers from 1 to 256"),
    ([*SMALL, "--concurrency", "1.5"], "--concurrency takes numbers from 1 to 256"),
    ([*SMALL, "--slo", "ttft"], "--slo is a list of ttft="),
    ([*SMALL, "--slo", "ttft=0"], "--slo is a list of ttft="),
    ([*SMALL, "--slo", "ttft=1,"], "--slo is a list of ttft="),
    ([*SMALL, "--slo", "x=1"], "--slo is a list of ttft="),
    (["--beams", "3"], "--beams belongs to --serve-sim"),
    ([*SMALL, "--beams", "0"], "--beams is from 1 to 32"),
    ([*SMALL, "--beams", "2", "--samples", "2"], "--samples or --beams, not both"),
    ([*SMALL, "--samples", "0"], "--samples is from 1 to 128"),
    ([*SMALL, "--shared-prefix", "5:2"], "--shared-prefix is tokens, or tokens:part"),
    ([*SMALL, "--shared-prefix", "x"], "--shared-prefix is tokens, or tokens:part"),
    ([*SMALL, "-p", "0"], "-p is 329, uniform:100-400 or lognormal:MEAN,SIGMA, not '0'"),
    ([*SMALL, "-n", "uniform:4"], "-n is 64, uniform:16-128 or lognormal:MEAN,SIGMA, not"),
    ([*SMALL, "--requests", "0"], "--requests is from 1 to 1048576"),
    ([*SMALL, "-r", "65"], "up to 64 runs"),
    ([*SMALL, "--trace", "x"], "--serve-sim standard or --trace, not both"),
    (["--trace", "x", "-p", "4"], "a trace says how many requests there are and how long"),
    (["--serve-sim", "chat", "--samples", "2"], "--samples: a chat goes on from one answer"),
    ([*SMALL, "-o", "xml"], "--format is text, md, json or csv, not 'xml'"),
    ([*SMALL, "--kv-memory", "12X"], "--kv-memory: '12X' is not a size in bytes"),
    ([*SMALL, "--kv-memory", "99999999999G"], "--kv-memory"),
    ([*SMALL, "--kv-memory", "0"], "--kv-memory is from 1 to"),
    ([*SMALL, "--policy", "best"], "--policy is 'fair', 'fcfs' or 'priority', not 'best'"),
    ([*SMALL, "--itl", "-1"], "--itl"),
])
def test_refused(brrr, args, says):
    p = brrr(["bench", "-m", TINY, *args])
    assert p.returncode == USAGE and p.stdout == b""
    assert says in p.stderr.decode() and p.stderr.count(b"\n") == 1


def test_what_does_not_fit_is_refused(brrr):
    p = brrr(["bench", "-m", TINY, *SMALL, "-c", "49"])
    assert p.returncode == USAGE and p.stdout == b""
    assert b"a prompt of 45 tokens and an answer of 5; the context holds 49" in p.stderr
    p = brrr(["bench", "-m", TINY, *SMALL, "--kv-memory", "1K"])
    assert p.returncode == USAGE and b"KV cache, --kv-memory allows 1024" in p.stderr


def test_interrupt_reports_what_is_there(brrr):
    """Requests that would come for an hour: half a second of them is reported."""
    p = subprocess.Popen([brrr.path, "bench", "-m", TINY, "--serve-sim", "standard", "-p", "8",
                          "--shared-prefix", "0", "-n", "2", "--requests", "100000", "--rate",
                          "30", "-t", "1", "-q", "--json"],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=clean_env())
    time.sleep(2)
    p.send_signal(signal.SIGINT)
    out, _ = p.communicate(timeout=60)
    assert p.returncode == 130
    out = json.loads(out)
    r, = out["runs"]
    assert out["interrupted"] is True is r["interrupted"]
    assert 0 < r["ended"] < 100000 and r["idle_share"] > 0.1
    assert len(r["raw"]["requests"]) <= r["ended"] + 64
