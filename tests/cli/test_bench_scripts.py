# SPDX-License-Identifier: MIT
"""bench/compare.sh and bench/peers.sh, with peers that only pretend: no engine is installed."""
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
