# SPDX-License-Identifier: MIT
"""What an attack on the command line found (docs/jsonl.md and src/cmd/cmd.h hold the promises)."""
import json
import os
import pathlib
import signal
import struct
import subprocess
import time

import pytest

from conftest import clean_env

TINY = pathlib.Path(__file__).resolve().parents[1] / "fuzz/corpus/model/llama.gguf"
OK, RUN, USAGE = 0, 1, 2
LINE_BYTES = 64 << 20
BAD = b'{"template": 5, "text": 5, "ids": 5}'  # wrong for every verb
STREAMS = [["sample"], ["tokenize", "-m", TINY], ["logits", "-m", TINY], ["run", "-m", TINY],
           ["run", "-m", TINY, "--parallel", "3"], ["template"]]


def answers(brrr, args, text):
    p = brrr([*args, "--jsonl"], input=text)
    assert p.returncode == OK, p.stderr
    return [json.loads(line) for line in p.stdout.splitlines()]


@pytest.mark.parametrize("args", STREAMS, ids=lambda a: " ".join(map(str, a[::3])))
def test_one_answer_for_a_line_that_is_too_long(brrr, args):
    """It used to be read without a limit, or answered once for each 64 MiB."""
    lines = [b"x" * (2 * LINE_BYTES + 5), b"", BAD, b"5", b" " * (LINE_BYTES + 1)]
    got = answers(brrr, args, b"\n".join(lines))
    assert [list(a)[0] for a in got] == ["error"] * 4
    assert got[0]["error"] == got[3]["error"] == "the line is longer than 64 MiB"
    assert got[2]["error"] == "the line is not a JSON object"


def test_a_line_without_end_takes_no_memory(brrr):
    """With 400 MB of address space a line of 1 GB is an error, and the stream goes on."""
    script = ("ulimit -v 400000; (head -c 1000000000 /dev/zero; echo; echo '{\"logits\": [1]}') | "
              f"'{brrr.path}' sample --jsonl")
    p = subprocess.run(["sh", "-c", script], capture_output=True, env=clean_env(), check=False)
    if b"Shadow memory" in p.stderr or b"Sanitizer" in p.stderr:
        pytest.skip("a sanitizer needs more address space")
    assert p.stdout.splitlines()[1:] == [b'{"probs":[1.0],"kept":[0]}'], p


def test_an_answer_without_memory_is_an_error(brrr):
    """Parts of it used to be left out in silence, or the program waited for ever."""
    line = json.dumps({"ids": [1, 2], "n_predict": 250, "ignore_eos": True, "logprobs": 1024})
    whole = json.loads(brrr(["run", "-m", TINY, "--jsonl", "-t", "1"], input=line).stdout)
    got = {}
    for kib in range(12000, 100000, 400):  # a little more each time, until it is enough
        p = subprocess.run(["sh", "-c", f"ulimit -v {kib}; exec '{brrr.path}' run -m '{TINY}' "
                            "--jsonl -t 1"], input=line.encode(), capture_output=True, timeout=60,
                           env=clean_env(), check=False)
        if b"Sanitizer" in p.stderr or b"Shadow memory" in p.stderr or "/asan" in str(brrr.path):
            pytest.skip("a sanitizer needs more address space")
        if p.returncode != OK:  # no model, no engine, or an answer that can not be printed
            assert p.returncode in (4, 127) and p.stderr and not p.stdout, p
            continue
        got = json.loads(p.stdout)
        if "error" not in got:
            break
        assert "no memory" in got["error"], got
    assert {**got, "timings": 0} == {**whole, "timings": 0}


def test_lines_wait_for_a_full_queue(brrr):
    """Valid lines were answered with an error when those read ahead took 1 GiB together."""
    line = json.dumps({"ids": [1], "n": 128, "n_predict": 1, "logprobs": 1024})
    got = answers(brrr, ["run", "-m", TINY, "-t", "1", "--parallel", "2", "--queue", "60",
                         "--speculate", "ngram", "--draft-max", "64"],
                  "\n".join([line, "{}", *[line] * 40, '{"ids": [7], "n_predict": 1}']))
    assert [len(a.get("choices", ())) for a in got] == [128, 0] + [128] * 40 + [0]
    assert "give" in got[1]["error"] and len(got[-1]["ids"]) == 1


def test_log_probabilities_are_bounded(brrr):
    """A line of 80 bytes could ask for more of them than any memory holds."""
    ask = {"ids": [1], "n_predict": -1, "ignore_eos": True, "logprobs": 1024}
    lines = [{**ask, "n": 128}, {**ask, "n": 2}, {**ask, "n": 128, "logprobs": 0}]
    got = answers(brrr, ["run", "-m", TINY, "-t", "1", "--parallel", "8", "--queue", "2"],
                  "\n".join(map(json.dumps, lines)))
    assert "more than 2097152 of them" in got[0]["error"]
    assert [len(a["choices"]) for a in got[1:]] == [2, 128]
    assert got[1]["choices"][0]["ids"] == got[2]["choices"][0]["ids"]


@pytest.mark.parametrize("args", STREAMS, ids=lambda a: " ".join(map(str, a[::3])))
def test_nesting_is_limited(brrr, args):
    deep = '{"template": 5, "a\\"[": ' + "[" * 63 + "]" * 63 + "}"
    got = answers(brrr, args, f"{deep}\n{deep.replace('[]', '[[]]')}\n" + "[" * 100000 + "\n")
    limit = "not JSON: nested deeper than 64 levels"
    assert got[0].get("error") != limit
    assert [a["error"] for a in got[1:]] == [limit] * 2


@pytest.mark.parametrize("args", [["chat", "-m", TINY], *[[*a, "--jsonl"] for a in STREAMS]],
                         ids=lambda a: " ".join(map(str, a[::3])))
def test_input_that_cannot_be_read(brrr, tmp_path, args):
    folder = os.open(tmp_path, os.O_RDONLY)
    p = subprocess.run([brrr.path, *map(str, args)], stdin=folder, capture_output=True,
                       env=clean_env(), check=False)
    os.close(folder)
    assert p.returncode == RUN and p.stdout == b""
    assert p.stderr.endswith(b"brrr: standard input: Is a directory\n")


@pytest.mark.parametrize("sig, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)],
                         ids=["int", "term"])
@pytest.mark.parametrize("args", [["chat", "-m", TINY], ["run", "-m", TINY, "--jsonl"],
                                  ["bench", "-m", TINY, "-p", "60", "-n", "60", "-r", "1000"]],
                         ids=lambda a: a[0])
def test_signals(brrr, args, sig, code):
    """Also when there is nothing to do but to wait for a line."""
    p = subprocess.Popen([brrr.path, *map(str, args), "-t", "1"], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=clean_env())
    status = pathlib.Path(f"/proc/{p.pid}/status")
    mask = 1 << (sig - 1)
    for _ in range(1000):  # until it catches the signal
        caught = [line for line in status.read_text().splitlines() if line.startswith("SigCgt")]
        if caught and int(caught[0].split()[1], 16) & mask:
            break
        time.sleep(0.01)
    time.sleep(0.1)
    p.send_signal(sig)
    try:
        # The input stays open: the signal alone must end it.
        assert p.wait(timeout=30) == code
    finally:
        p.kill()
        p.communicate()


def test_a_system_prompt_that_is_no_utf8(brrr):
    """It used to be left out, and the model answered without it."""
    p = brrr(["chat", "-m", TINY, "--system", os.fsdecode(b"\xff")], input=b"hello\n")
    assert p.returncode == USAGE and p.stdout == b""
    assert b"--system is not valid UTF-8" in p.stderr


@pytest.mark.parametrize("args, says", [
    (["run", "-t", "0"], "--threads is from 1 to 256"),
    (["run", "-t", "100000"], "--threads is from 1 to 256"),
    (["run", "--chunk", "0"], "--chunk is from 1 to 4096"),
    (["run", "--chunk", "4097"], "--chunk is from 1 to 4096"),
    (["run", "--parallel", "0"], "--parallel is from 1 to 256"),
    (["run", "--parallel", "257"], "--parallel is from 1 to 256"),
    (["run", "-c", "-1"], "--ctx-size counts from 0"),
    (["run", "--no-repeat-ngram-size", "65"], "no_repeat_ngram_size is 65"),
    (["run", "--epsilon-cutoff", "2"], "epsilon_cutoff is 2"),
    (["run", "--eta-cutoff", "2"], "eta_cutoff is 2"),
    (["bench", "-n", "2147483647"], "-n is from 0 to 16777216"),
    (["run", "--kv-memory", "1K"], "bytes of KV cache, --kv-memory allows 1024: "),
    (["run", "--jsonl", "--kv-memory", "1K"], "bytes of KV cache, --kv-memory allows 1024: "),
    (["chat", "--kv-memory", "1K"], "bytes of KV cache, --kv-memory allows 1024: "),
    (["bench", "-p", "8", "--kv-memory", "1K"], "bytes of KV cache, --kv-memory allows 1024: "),
    (["run", "-c", "1000000"], "a context of 1000000 tokens: this model has 1 to "),
])
def test_ranges_of_options(brrr, args, says):
    p = brrr([*args, "-m", TINY], input=b"x")
    assert p.returncode == USAGE and p.stdout == b""
    assert p.stderr.count(b"\n") == 1 and says in p.stderr.decode()


def test_every_sampling_option_has_an_effect(brrr, default_model):
    """--no-repeat-ngram-size, --epsilon-cutoff and --eta-cutoff were read and forgotten."""
    def text(*args):
        p = brrr(["run", "-m", default_model, "--raw", "-q", "-n", "16", "-s", "1", "--top-k", "0",
                  "--top-p", "1", "--min-p", "0", *args, "1 2 3 1 2 3 1 2 3"])
        assert p.returncode == OK, p.stderr
        return p.stdout

    greedy = text("--temp", "0")
    assert text("--temp", "0", "--no-repeat-ngram-size", "2") != greedy != text("--temp", "2")
    assert text("--temp", "2", "--epsilon-cutoff", "0.99") == greedy
    assert text("--temp", "2", "--eta-cutoff", "0.99") != text("--temp", "2")


def with_norm(brrr, path, value):
    """The tiny model with every weight of the last norm set to this: logits out of range."""
    data = bytearray(TINY.read_bytes())
    tensors = json.loads(brrr(["inspect", TINY, "--json"]).stdout)["tensors"]
    norm = next(t for t in tensors if t["name"] == "output_norm.weight")
    assert norm["type"] == "F32"
    n = norm["shape"][0]
    data[norm["offset"]:norm["offset"] + 4 * n] = struct.pack(f"<{n}f", *[value] * n)
    path.write_bytes(data)
    return path


def test_perplexity_beyond_numbers(brrr, tmp_path):
    """JSON has no infinity: the answer was nothing at all, exit code 1 and no word why."""
    text = tmp_path / "text"
    text.write_bytes(TINY.read_bytes()[-2000:-1700])
    args = ["ppl", "-f", text, "--ctx", "32", "--json", "-m"]
    p = brrr([*args, with_norm(brrr, tmp_path / "inf.gguf", float("inf"))])
    assert p.returncode == RUN and b"not finite" in p.stderr
    p = brrr([*args, with_norm(brrr, tmp_path / "large.gguf", 1e4)])
    assert p.returncode == OK and json.loads(p.stdout)["ppl"] > 1e300


def test_pieces_do_not_control_the_terminal(brrr):
    p = brrr(["tokenize", "-v", "-m", TINY, "a\x1b[31m\x9b\t"])
    shown = p.stdout.decode()
    assert '"\\x1b"' in shown and '"\\xc2"' in shown and '"\\x9b"' in shown and '"\\x09"' in shown
    assert all(c == "\n" or c.isprintable() for c in shown)


def test_logits_that_do_not_fit_memory(brrr, default_model):
    """Every logit of 8192 positions are 400 million numbers: an error, and the stream goes on."""
    if "MemTotal" not in (info := pathlib.Path("/proc/meminfo").read_text()) or \
            int(info.split("MemTotal:")[1].split()[0]) > 72 << 20:
        pytest.skip("this machine could hold them")
    lines = [{"ids": [1] * 8192, "top": 0, "all_positions": True}, {"ids": [1], "top": 1}]
    got = answers(brrr, ["logits", "-m", default_model], "".join(json.dumps(x) + "\n" for x in lines))
    assert "8192 positions need" in got[0]["error"] and len(got[1]["top"]) == 1
