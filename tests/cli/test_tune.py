# SPDX-License-Identifier: MIT
"""brrr tune: its table, its JSON, the drawing, and the plan that later runs use. No figure is
compared with another machine's; what they must satisfy is arithmetic."""
import json
import os
import pathlib
import re
import xml.etree.ElementTree

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TINY = ROOT / "tests/fuzz/corpus/model/llama.gguf"
OK, USAGE, DISK = 0, 2, 8
LINE = b'{"ids": [1, 2, 3]}\n'


def without_warning(stderr):
    """Beside other work a run may say that it was disturbed."""
    return [line for line in stderr.splitlines() if not line.startswith(b"brrr tune: decoding one")]


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def tuned(brrr, cache):
    p = brrr(["tune", TINY, "--json", "-q"], env={"XDG_CACHE_HOME": cache})
    assert p.returncode == OK, p.stderr
    return json.loads(p.stdout)


def test_json(tuned):
    machine, limits, plan = tuned["machine"], tuned["limits"], tuned["plan"]
    assert tuned["model"] == "llama.gguf" and tuned["profile"] == "q8g32x"
    threads = {t["threads"] for t in tuned["tried"]["threads"]}
    assert {r["threads"] for r in machine["read"]} == threads
    assert all(r["gb_s"] > 0 for r in machine["read"])
    assert machine["peak"][0]["kernels"] == "c"
    assert machine["peak"][-1]["kernels"] == tuned["kernels"]
    assert limits["threads"] == max(plan["threads_prefill"], plan["threads_decode"])
    assert limits["int8_gmac_s"] > 0
    assert plan["threads_prefill"] in threads
    assert plan["chunk"] in {c["chunk"] for c in tuned["tried"]["chunks"]}
    assert plan["prefetch_bytes"] in {a["bytes"] for a in tuned["tried"]["prefetch"]}
    batches = tuned["tried"]["batches"]
    assert [b["batch"] for b in batches] == [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64]
    rates = [b["tok_s"] for b in batches]
    assert tuned["critical_batch"]["measured"] == pytest.approx(max(rates) / rates[0], rel=1e-6)
    # B* = (weights / read rate) / (multiply-adds / peak), of the phase with one sequence
    one = next(p for p in tuned["phases"] if p["name"] == "decode 1")
    read_s = one["weight_bytes"] / (limits["read_gb_s"] * 1e9)
    assert tuned["critical_batch"]["predicted"] == pytest.approx(
        read_s / (one["linear_macs"] / (limits["int8_gmac_s"] * 1e9)), rel=1e-6)


def test_drawing(tuned):
    root = xml.etree.ElementTree.parse(tuned["svg_file"]).getroot()
    text = " ".join(root.itertext())
    assert root.tag.endswith("svg")
    for name in ("Roofline", "llama.gguf", "decode 1", "decode 32", tuned["phases"][0]["name"]):
        assert name in text


# Every verb that runs steps, but for chat, which wants somebody to talk to.
STEPS = {"logits": ["--jsonl"], "run": ["--raw", "-n", "2", "hello"], "run lines": ["--jsonl"],
         "bench": ["-p", "4", "-n", "2", "-r", "1"], "ppl": ["-f", ROOT / "LICENSE", "-c", "64"]}


@pytest.mark.parametrize("verb", STEPS)
def test_plan_is_used_and_said(brrr, cache, tuned, verb):
    env = {"XDG_CACHE_HOME": cache}
    plan = tuned["plan"]
    args = [verb.split()[0], "-m", TINY, "-q", *STEPS[verb]]
    line = b'{"prompt": "hello"}\n' if verb == "run lines" else LINE
    p = brrr([*args, "-v"], input=line, env=env)
    assert p.returncode == OK
    says = (f"plan: {plan['threads_prefill']} threads to read, {plan['threads_decode']} to decode, "
            f"chunk {plan['chunk']}, prefetch {plan['prefetch_bytes']} ({tuned['plan_file']})")
    assert says in p.stderr.decode()
    assert b"plan" not in brrr(args, input=line, env=env).stderr


def test_without_a_plan(brrr, tmp_path):
    p = brrr(["logits", "-m", TINY, "--jsonl", "-v"], input=LINE, env={"XDG_CACHE_HOME": tmp_path})
    assert p.returncode == OK and b"plan: none" in p.stderr


@pytest.mark.parametrize("spoil, why", [
    (lambda s: s[:40], "premature end"),
    (lambda s: "", "expected"),
    (lambda s: s.replace('"chunk": ', '"chunk": 1000000'), "out of range"),
    (lambda s: s.replace('"cpu": "', '"cpu": "Other '), "another model"),
], ids=["cut", "empty", "range", "foreign"])
def test_spoilt_plans_change_nothing(brrr, cache, tuned, spoil, why):
    path = pathlib.Path(tuned["plan_file"])
    good = path.read_text()
    env = {"XDG_CACHE_HOME": cache}
    want = brrr(["logits", "-m", TINY, "--jsonl"], input=LINE, env=env)
    path.write_text(spoil(good))
    try:
        p = brrr(["logits", "-m", TINY, "--jsonl"], input=LINE, env=env)
    finally:
        path.write_text(good)
    err = p.stderr.decode()
    assert p.returncode == OK and p.stdout == want.stdout
    assert err.startswith("brrr: plan not used: ") and err.count("\n") == 1 and why in err


def test_a_pipe_is_no_plan(brrr, cache, tuned):
    """Opening it to read used to wait for somebody who writes."""
    path = pathlib.Path(tuned["plan_file"])
    good = path.read_text()
    path.unlink()
    os.mkfifo(path)
    try:
        p = brrr(["logits", "-m", TINY, "--jsonl"], input=LINE, env={"XDG_CACHE_HOME": cache},
                 timeout=60)
    finally:
        path.unlink()
        path.write_text(good)
    assert p.returncode == OK and p.stderr.startswith(b"brrr: plan not used: ")


def test_table(brrr, cache, tmp_path):
    p = brrr(["tune", "-m", TINY, "-t", "1", "-q", "--svg", tmp_path / "r.svg"],
             env={"XDG_CACHE_HOME": cache, "BRRR_CPU": "c"})
    assert p.returncode == OK and without_warning(p.stderr) == []
    text = p.stdout.decode()
    for word in ("read, GB/s", "peak, GMAC/s", "kernels c ", "decode, batch", "of the bound",
                 "predicted", "measured", "plan: 1 thread to read prompts, 1 to decode"):
        assert word in text, word
    assert "% of the int8 peak" in text
    assert f"roofline: {tmp_path / 'r.svg'}" in text and (tmp_path / "r.svg").is_file()
    # The formula's numbers give what stands before them.
    predicted, read, compute = re.search(
        r"predicted +([\d.]+) =.*?= ([\d.]+) ms / ([\d.]+) ms", text, re.S).groups()
    assert float(predicted) >= 0 and float(read) >= 0 and float(compute) >= 0


def test_nowhere_to_keep_it(brrr):
    """And in f32 no share of the int8 peak."""
    env = {"XDG_CACHE_HOME": "/dev/null/x", "BRRR_CPU": "c"}
    p = brrr(["tune", "-m", TINY, "-t", "1", "-q", "--precision", "f32"], env=env)
    assert p.returncode == DISK and b"(not kept)" in p.stdout
    assert b"% of the f32 peak" in p.stdout and b"% of the int8 peak" not in p.stdout
    lines = without_warning(p.stderr)
    assert len(lines) == 1 and lines[0].startswith(b"brrr: /dev/null/x")


@pytest.mark.parametrize("args, says", [
    (["tune", "-t", "0"], "--threads is from 1"),
    (["run", "--threads-decode", "0", "x"], "--threads-decode is from 1"),
    (["tune", "--chunk", "3"], "unknown option '--chunk'"),
    (["tune", "one", "two"], "one model at a time"),
])
def test_mistakes(brrr, args, says):
    p = brrr(args)
    assert p.returncode == USAGE and says in p.stderr.decode()


def test_bench_says_whether_there_is_a_plan(brrr, cache, tuned, tmp_path):
    args = ["bench", "-m", TINY, "-p", "8", "-n", "4", "-r", "1", "-q"]
    p = brrr(args, env={"XDG_CACHE_HOME": cache})
    assert p.returncode == OK and b"with the plan of brrr tune" in p.stdout
    p = brrr([*args, "-t", "1", "--chunk", "32", "-v"], env={"XDG_CACHE_HOME": cache})
    assert p.returncode == OK and b"no plan of brrr tune" in p.stdout  # nothing of it was used
    assert b"plan: not used" in p.stderr
    p = brrr([*args, "-t", "1", "-v"], env={"XDG_CACHE_HOME": cache})
    assert (f"plan: 1 threads to read, 1 to decode, chunk {tuned['plan']['chunk']}, "
            f"prefetch {tuned['plan']['prefetch_bytes']} (") in p.stderr.decode()
    p = brrr(args, env={"XDG_CACHE_HOME": tmp_path})
    assert p.returncode == OK and b"no plan of brrr tune" in p.stdout
