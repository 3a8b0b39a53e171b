# SPDX-License-Identifier: MIT
"""--kv-disk: prompts seen by an earlier process are not computed again, and nothing else changes."""
import json
import re
import resource
import subprocess

from conftest import ROOT, binary, clean_env

TINY = str(ROOT / "tests/fuzz/corpus/model/llama.gguf")
LINE = json.dumps({"ids": [5 + i % 7 for i in range(40)], "n_predict": 10, "ignore_eos": True})


def run(*args):
    r = subprocess.run([str(binary()), "run", "-m", TINY, "--jsonl", "-q", *args], input=LINE, text=True,
                       capture_output=True, timeout=60, env=clean_env())
    assert r.returncode == 0, r.stderr
    return json.loads(r.stdout), r.stderr


def test_a_second_process_starts_from_what_the_first_computed(tmp_path):
    plain, _ = run()
    tier = ("--kv-disk", f"{tmp_path}/kv,4M")
    first, err1 = run(*tier)
    second, err2 = run(*tier)
    assert plain["ids"] == first["ids"] == second["ids"]
    assert first["timings"]["n_cached"] == 0 and second["timings"]["n_cached"] == 32
    assert not err1 and not err2
    other, _ = run(*tier, "--kv-type", "f32")
    assert other["timings"]["n_cached"] == 0
    assert sum(f.stat().st_size for f in (tmp_path / "kv").iterdir()) <= 4 << 20


def test_a_tier_that_can_not_be_had_is_one_line(tmp_path):
    plain, _ = run()
    (tmp_path / "file").write_text("x")
    for where in (f"{tmp_path}/file", f"{tmp_path}/no/such", "/proc/none"):
        answer, err = run("--kv-disk", f"{where},4M")
        assert answer["ids"] == plain["ids"] and answer["timings"]["n_cached"] == 0
        assert err.startswith("brrr: the KV cache is not kept on disk: ") and err.count("\n") == 1


def test_files_that_may_not_grow(tmp_path):
    """A limit on the size of files used to kill the program where a store begins."""
    plain, _ = run()
    for k, most in enumerate((0, 1024, 4096)):
        r = subprocess.run([str(binary()), "run", "-m", TINY, "--jsonl", "-q",
                            "--kv-disk", f"{tmp_path}/kv{k},4M"], input=LINE, text=True,
                           capture_output=True, timeout=60, env=clean_env(),
                           preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)))
        assert r.returncode == 0, r
        assert json.loads(r.stdout)["ids"] == plain["ids"]
        assert "File too large" in r.stderr and r.stderr.count("\n") == 1


def test_damaged_files_are_not_believed(tmp_path):
    tier = ("--kv-disk", f"{tmp_path}/kv,4M")
    first, _ = run(*tier)
    data, = (tmp_path / "kv").glob("*.kv")
    content = bytearray(data.read_bytes())
    content[40] ^= 1
    data.write_bytes(content)
    second, _ = run(*tier)
    assert second["ids"] == first["ids"] and second["timings"]["n_cached"] == 0
    data.write_bytes(b"")
    third, _ = run(*tier)
    assert third["ids"] == first["ids"] and third["timings"]["n_cached"] == 0


def test_a_size_that_holds_no_block(tmp_path):
    """Both numbers, and the one is less than the other."""
    for size in ("1", "8K"):
        answer, err = run("--kv-disk", f"{tmp_path}/kv,{size}")
        assert answer["timings"]["n_cached"] == 0 and err.count("\n") == 1
        left, first = map(int, re.search(r"(\d+) bytes are left to it, the first block takes (\d+)",
                                         err).groups())
        assert left < first
    answer, err = run("--kv-disk", f"{tmp_path}/kv,{first}")
    assert not err


def test_dir_and_size_are_checked():
    for bad in ("dir", ",1G", "dir,", "dir,0", "dir,1X", "dir,-1"):
        r = subprocess.run([str(binary()), "run", "-p", "x", "--kv-disk", bad],
                           capture_output=True, text=True, timeout=60, env=clean_env())
        assert r.returncode == 2 and "--kv-disk is DIR,SIZE" in r.stderr
