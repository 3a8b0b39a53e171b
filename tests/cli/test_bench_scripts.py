# SPDX-License-Identifier: MIT
"""bench/compare.sh and bench/peers.sh, with peers that only pretend: no engine is installed."""
import ctypes
import importlib.util
import json
import os
import pathlib
import re
import subprocess
import xml.etree.ElementTree

import pytest

from conftest import clean_env

ROOT = pathlib.Path(__file__).resolve().parents[2]
TINY = ROOT / "tests/fuzz/corpus/model/llama.gguf"
# Flash attention ends it in batches, as it does with one of the real ones.
PEER = r"""#!/usr/bin/env python3
import json, sys
fa = [{"fa": 1}, {"fa": 0}]
print(json.dumps({"name": sys.argv[2], "package": "p", "version": "9",
                  "variants": {"1": fa, "2": fa}, "system_info": "AVX = 1 | B = 0"}), flush=True)
for line in sys.stdin:
    c = json.loads(line)
    if c["do"] == "decode" and c["batch"] > 1 and c["fa"]:
        sys.exit(6)
    if c["do"] == "load":
        print(json.dumps({"error": "cannot load"}), flush=True)
    else:
        print(json.dumps({"s": 1.0 + c["fa"]}), flush=True)
"""


@pytest.fixture
def compare(brrr, tmp_path):
    """compare(peers, *options): the process, and where its files are (without a suffix)."""
    for name in ("llama", "ik"):
        (tmp_path / name / "bin").mkdir(parents=True)
        (tmp_path / name / ".ready").touch()
    python = tmp_path / "llama/bin/python"
    python.write_text(PEER)
    python.chmod(0o755)

    def run(peers, cases):
        out = tmp_path / "result"
        args = ["python3", ROOT / "bench/compare.py", "--brrr", brrr.path, "--model", TINY,
                "--rounds", "2", "--steps", "8", "--peers", peers, "--cases", cases, "--out", out]
        env = clean_env({"BRRR_PEERS": tmp_path})
        return subprocess.run(args, capture_output=True, env=env, text=True, check=False), out

    return run


def test_table_chart_and_numbers(compare):
    p, out = compare("llama", "prefill:8 decode:1,2 load")
    assert p.returncode == 0, p.stderr
    report = json.loads(out.with_name("result.json").read_text())
    prefill, one, two, load = report["cases"]
    for case in report["cases"]:
        assert len(case["engines"]["brrr"]["s"]) == 2
    assert prefill["engines"]["llama"]["choice"] == {"fa": 0}
    assert prefill["engines"]["llama"]["tok_s"] == 8 and one["engines"]["llama"]["tok_s"] == 7
    # What ended the peer is left out, and the peer goes on.
    assert two["engines"]["llama"]["choice"] == {"fa": 0}
    assert "exit code 6" in two["engines"]["llama"]["tried"][0]["error"]
    assert two["engines"]["llama"]["tok_s"] == 2 * 3
    load = load["engines"]["llama"]
    assert "median" not in load and len(load["failures"]) == 2
    table = p.stdout.splitlines()
    assert table[0].startswith("| case | brrr | llama-cpp-python | brrr / llama |")
    assert table[2].startswith("| prefill, 8 tokens | ") and "| 8 (8 - 8) |" in table[2]
    assert re.fullmatch(r"\| load to first token \| \d\.\d+ s \| - \| - \|", table[5])
    assert "9; AVX; best choices: fa off" in p.stdout
    assert out.with_name("result.md").read_text() == p.stdout
    xml.etree.ElementTree.parse(out.with_name("result.svg"))


def test_goes_on_without_a_peer(compare):
    p, _ = compare("llama ik", "prefill:8")
    assert p.returncode == 0 and "goes on without ik" in p.stderr
    assert p.stdout.startswith("| case | brrr | llama-cpp-python | brrr / llama |")


def test_wrong_cases(compare):
    p, _ = compare("llama", "prefill:8 decoding:1")
    assert p.returncode == 1 and "no case 'decoding:1'" in p.stderr


@pytest.mark.parametrize("script, args, says", [
    ("compare.sh", ["--rounds"], "--rounds needs a value"),
    ("compare.sh", ["--nothing", "1"], "unknown option '--nothing'"),
    ("compare.sh", ["--rounds", "0"], "'0' is no number from 1"),
    ("compare.sh", ["--isa", "sse"], "--isa is native or avx2"),
    ("compare.sh", ["-m", "nothing.gguf"], "nothing.gguf is no file"),
    ("quality.sh", ["-m", "nothing.gguf"], "nothing.gguf is no file"),
    ("peers.sh", ["other"], "there is no peer 'other'")])
def test_mistakes(script, args, says):
    p = subprocess.run([ROOT / "bench" / script, *args], capture_output=True, text=True,
                       env=clean_env(), check=False)
    assert p.returncode in (1, 2) and says in p.stderr and p.stdout == ""


@pytest.mark.parametrize("script", ["compare.sh", "quality.sh"])
def test_help(script):
    p = subprocess.run([ROOT / "bench" / script, "--help"], capture_output=True, text=True,
                       check=False)
    assert p.returncode == 0 and p.stdout.startswith(f"{script} [OPTIONS]: ")
    assert "-m, --model FILE" in p.stdout and "set -eu" not in p.stdout


@pytest.mark.parametrize("script", ["compare.sh", "quality.sh"])
def test_no_old_program_is_measured(brrr, tmp_path, script):
    """What is there is brought up to date first; where that fails nothing is measured."""
    (tmp_path / "make").write_text('#!/bin/sh\necho "made: $*" >&2\nexit 7\n')
    (tmp_path / "make").chmod(0o755)
    env = clean_env({"BRRR_PEERS": tmp_path})
    env["PATH"] = f"{tmp_path}:{os.environ['PATH']}"
    p = subprocess.run([ROOT / "bench" / script, "-m", TINY], capture_output=True, text=True,
                       env=env, check=False)
    assert p.returncode != 0 and p.stdout == ""
    assert re.search(r"^made: .*build/release/brrr$", p.stderr, re.M)
    assert "installing" not in p.stderr


def test_a_peer_that_cannot_be_installed(tmp_path):
    """A word why, where the log is, and the others are not given up."""
    (tmp_path / "bin").mkdir()
    fake = tmp_path / "bin/python3"
    fake.write_text('#!/bin/sh\nmkdir -p "$3/bin"\nprintf "#!/bin/sh\\necho no such thing; exit 1" '
                    '> "$3/bin/pip"\nchmod +x "$3/bin/pip"\n')
    fake.chmod(0o755)
    (tmp_path / "peers/llama").mkdir(parents=True)
    (tmp_path / "peers/llama/.ready").touch()
    env = clean_env({"BRRR_PEERS": tmp_path / "peers"})
    env["PATH"] = f"{tmp_path}/bin:{os.environ['PATH']}"
    p = subprocess.run([ROOT / "bench/peers.sh", "ik-avx2", "llama"], capture_output=True,
                       text=True, env=env, check=False)
    assert p.returncode == 1 and p.stdout == "llama\n"
    assert "ik-avx2 cannot be installed" in p.stderr and "no such thing" in p.stderr


def script(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / f"bench/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class FakeEngine:
    """Its batches are ctypes, its answer to a row the token after the row's, its cache a list."""

    def __init__(self):
        self.lib, self.cells, self.rows = self, {}, []

    def llama_batch_init(self, n, embd, n_seq):
        class Batch:
            n_tokens, token, pos = 0, (ctypes.c_int32 * n)(), (ctypes.c_int32 * n)()
            n_seq_id, logits = (ctypes.c_int32 * n)(), (ctypes.c_int8 * n)()
            seq_id = [[0] for _ in range(n)]
        for name in ("token", "pos", "n_seq_id", "logits"):
            array = getattr(Batch, name)
            setattr(Batch, name, ctypes.cast(array, ctypes.POINTER(array._type_)))
        self.keep = Batch
        return Batch

    def llama_batch_free(self, batch):
        pass

    def copy_sequence(self, ctx, source, to):
        assert to not in self.cells
        self.cells[to] = list(self.cells[source])

    def remove_sequence(self, ctx, seq):
        del self.cells[seq]

    def decode(self, ctx, b):
        out = []
        for i in range(b.n_tokens):
            cells = self.cells.setdefault(b.seq_id[i][0], [])
            assert b.n_seq_id[i] == 1 and b.pos[i] == len(cells)
            cells.append(b.token[i])
            if b.logits[i]:
                out.append([float(k == (b.token[i] + 1) % 50) for k in range(50)])
        self.rows.append(b.n_tokens)
        self.logits_made = (ctypes.c_float * (50 * len(out)))(*sum(out, []))

    def logits(self, ctx):
        return ctypes.cast(self.logits_made, ctypes.POINTER(ctypes.c_float))


def test_a_peer_serves():
    """Slots are filled again at once behind the shared beginning; each answer follows its prompt."""
    e = FakeEngine()
    load = {"requests": 5, "concurrency": 2, "n_prompt": 7, "n_prefix": 4, "n": 3}
    got = script("peer").Serving(e, None, 50, load).run()
    # The beginning; twice two prompts of three, then two steps of two tokens; the same of the last.
    assert e.rows == [4, 6, 2, 2, 6, 2, 2, 3, 1, 1] and got["steps"] == 10 and got["made"] == 15
    assert list(e.cells) == [2] and 0 <= got["inside_s"] + got["choice_s"] <= got["s"]


def test_price_of_a_token_that_rides():
    steps = [["C", 0, 0.010, 0.005], ["D", 1, 0.002, 0.001], ["D", 4, 0.004, 0.001],
             ["M", 4, 0.012, 0.0054], ["C", 0, 0.020, 0.005], ["M", 4, 0.022, 0.0054]]
    f = script("riding").figures([{"steps": steps, "limits": {"head_macs": 5e6, "int8_gmac_s": 100}}], 4)
    want = {"pairs": 2, "C": 0.015, "M": 0.017, "price": 0.25, "bound": 0.1, "head": 0.5, "decode": 2,
            "end": 19 / 17}
    assert {k: f[k] for k in want} == pytest.approx(want)
