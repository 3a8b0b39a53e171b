# SPDX-License-Identifier: MIT
"""The command line itself: help, mistakes, exit codes. The codes are listed in src/cmd/cmd.h."""
import os
import pathlib
import pty
import re
import subprocess

import pytest

from conftest import clean_env

ROOT = pathlib.Path(__file__).resolve().parents[2]
OK, RUN, USAGE, MODEL, NOMEM, DISK = 0, 1, 2, 3, 4, 8
TINY = ROOT / "tests/fuzz/corpus/model/llama.gguf"
VERBS = re.findall(r"^VERB\((\w+)", (ROOT / "src/cmd/verbs.def").read_text(), re.M)
# Verbs that open a model, with what they need besides.
OPENS = [["run", "-p", "x"], ["chat"], ["tokenize", "x"], ["logits", "--jsonl"],
         ["ppl", "-f", __file__, "--ctx", "64"], ["inspect"], ["template", "--jsonl"],
         ["bench", "-p", "8", "-n", "8"], ["tune"]]


def one_line(p):
    """Failures say what, in one line, on stderr, and nothing on stdout."""
    text = p.stderr.decode()
    assert p.stdout == b"" and text.startswith("brrr") and text.count("\n") == 1, text
    return text


def test_help_goes_to_stdout(brrr):
    p = brrr(["--help"])
    assert p.returncode == OK and p.stderr == b""
    assert p.stdout.startswith(b"usage: brrr VERB")
    for verb in VERBS:
        assert f"\n  {verb} ".encode() in p.stdout
    assert brrr(["-h"]).stdout == brrr(["help"]).stdout == p.stdout


def test_without_words(brrr):
    p = brrr([])
    assert p.returncode == USAGE and p.stdout == b"" and p.stderr.startswith(b"usage:")


def test_version(brrr):
    assert re.fullmatch(rb"brrr \d+\.\d+\.\d+\n", brrr(["--version"]).stdout)


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_a_verb(brrr, verb):
    p = brrr([verb, "--help"])
    assert p.returncode == OK and p.stderr == b""
    assert p.stdout.startswith(f"usage: brrr {verb} [options]".encode()) and b"--help" in p.stdout
    assert b"Exit codes: 0 ok, 1 run-time failure, 2 usage" in p.stdout
    assert max(map(len, p.stdout.decode().splitlines())) < 140
    assert brrr([verb, "-h", "-v"]).stdout == p.stdout


def test_help_lists_only_what_the_verb_takes(brrr):
    assert b"--temp" in brrr(["run", "--help"]).stdout
    assert b"--temp" not in brrr(["tokenize", "--help"]).stdout
    p = brrr(["tokenize", "--temp", "1", "x"])
    assert p.returncode == USAGE and "unknown option '--temp'" in one_line(p)


@pytest.mark.parametrize("args, says", [
    (["nonsense"], "unknown verb 'nonsense'; "),
    (["rnu", "x"], "unknown verb 'rnu' (did you mean 'run'?)"),
    (["tokenise"], "(did you mean 'tokenize'?)"),
    (["Why is the sky blue?"], "brrr run TEXT"),
    ([TINY], "brrr chat FILE"),
    (["x" * 1000], "xxx'; "),
    (["run", "--temprature=1"], "unknown option '--temprature' (did you mean '--temperature'?)"),
    (["run", "--contex", "1"], "unknown option '--contex'; "),
    (["run", "--nonsense"], "unknown option '--nonsense'"),
    (["run", "-Z"], "unknown option '-Z'"),
    (["run", "--prompt"], "--prompt needs a value (TEXT)"),
    (["run", "-n", "many"], "'many' is not a whole number"),
    (["run", "-n", "99999999999"], "'99999999999' is not a whole number"),
    (["run", "-n", "-2"], "'-2' is not a whole number"),
    (["run", "-n5x"], "'5x' is not a whole number"),
    (["run", "--temp=hot"], "'hot' is not a number"),
    (["run", "--temp", "nan"], "'nan' is not a number"),
    (["run", "--temp", "1e999"], "'1e999' is not a number"),
    (["run", "--seed", "-1"], "'-1' is not a whole number from 0"),
    (["run", "--no-repeat-ngram-size", "65", "x"], "no_repeat_ngram_size is 65"),
    (["run", "--epsilon-cutoff", "2", "x"], "epsilon_cutoff is 2"),
    (["run", "--eta-cutoff", "2", "x"], "eta_cutoff is 2"),
    (["run", "--jsonl", "--top-p", "2"], "top_p is 2"),
    (["run", "--raw", "--system", "Be brief.", "x"], "exclude each other"),
    (["run", *["--stop", "x"] * 17], "16 times at most"),
    (["run", "-vx"], "unknown option '-vx'"),
    (["run", "--no-prefix-cache=maybe", "x"], "--no-prefix-cache takes no value"),
    (["run", "--quiet=0", "x"], "--quiet takes no value"),
    (["run", "--kv-memory", "5X", "x"], "'5X' is not a size in bytes, as 512M or 8G"),
    (["run", "--kv-memory", "-1", "x"], "'-1' is not a size"),
    (["run", "--kv-memory", "M", "x"], "'M' is not a size"),
    (["run", "--kv-memory", "1MiBs", "x"], "'1MiBs' is not a size"),
    (["run", "--kv-memory", "99999999999999999999", "x"], "is not a size"),
    (["run", "--kv-memory", "99999999999P", "x"], "is not a size"),
    (["run", "--kv-memory", "0", "x"], "--kv-memory is from 1 to"),
    (["run", "--policy", "best", "x"], "'fair', 'fcfs' or 'priority', not 'best'"),
    (["run", "--queue", "-1", "x"], "--queue is from 0 to 65536"),
    (["run", "--queue", "65537", "x"], "--queue is from 0 to 65536"),
    (["run", "--itl", "-1", "x"], "--itl is from 0 to 3600000 milliseconds"),
    (["bench", "--itl", "1e9"], "--itl is from 0 to 3600000 milliseconds"),
    (["run", "-ctk", "q4", "x"], "'bf16', 'f32' or 'int8', not 'q4'"),
    (["tokenize", "--", *["x"] * 17], "too many operands"),
    (["run", "-f", "x", "y"], "one text at a time"),
    (["run", "-p", "x", "-f", "y"], "one text at a time"),
    (["tokenize", "-m", TINY, "-f", "x", "y"], "one text at a time"),
    (["tokenize", "-m", TINY, "--jsonl", "y"], "with --jsonl each line brings its text"),
    (["run", ""], "the text is empty"),
    (["run", "--task", "summarize"], "the text is empty"),
    (["ppl", "text"], "unexpected operand 'text'"),
    (["sample", "--jsonl", "--", "-x"], "unexpected operand '-x'"),
    (["chat", "one", "two"], "one model at a time, not 'two' too"),
])
def test_mistakes(brrr, args, says):
    p = brrr(args)
    assert p.returncode == USAGE and says in one_line(p)
    assert "--help" in p.stderr.decode()


def test_environment_gives_options(brrr, tmp_path):
    p = brrr(["run", "-p", "x"], env={"BRRR_N_PREDICT": "many"})
    assert p.returncode == USAGE and "BRRR_N_PREDICT: 'many' is not" in one_line(p)
    p = brrr(["run", "-p", "x"], env={"BRRR_QUIET": "maybe"})
    assert p.returncode == USAGE and "BRRR_QUIET: 'maybe' is not 1 or 0" in one_line(p)
    # The command line is stronger, and an empty variable is none.
    p = brrr(["run", "-n", "few"], env={"BRRR_CTX_SIZE": "", "BRRR_N_PREDICT": "5"})
    assert p.returncode == USAGE and "-n: 'few' is not" in one_line(p)


@pytest.mark.parametrize("args", [a for a in OPENS if a[0] != "inspect"], ids=lambda a: a[0])
def test_environment_names_the_model(brrr, args):
    env = {"BRRR_MODEL": "/nowhere/one"}
    assert "/nowhere/one" in one_line(brrr(args, env=env, input=b"{}\n"))
    assert "/nowhere/two" in one_line(brrr([*args, "-m", "/nowhere/two"], env=env, input=b"{}\n"))


@pytest.mark.parametrize("value", ["sse9", "AVX2", " c", "avx2,avx512"])
def test_cpu_cap(brrr, value):
    p = brrr(["--version"], env={"BRRR_CPU": value})
    assert p.returncode == USAGE and "BRRR_CPU must be c, avx2 or avx512" in one_line(p)
    assert brrr(["--version"], env={"BRRR_CPU": "c"}).returncode == OK


@pytest.mark.parametrize("verb", ["chat", "inspect"])
def test_model_as_operand(brrr, verb):
    for more in ([], ["-m", "/nowhere/two"]):
        p = brrr([verb, "/nowhere/one", *more], env={"BRRR_MODEL": "/nowhere/three"})
        assert p.returncode == RUN and "/nowhere/one" in one_line(p)


@pytest.mark.parametrize("args", OPENS, ids=lambda a: a[0])
def test_missing_model(brrr, tmp_path, args):
    p = brrr([*args, "-m", tmp_path / "gone.gguf"], input=b"{}\n")
    assert p.returncode == RUN
    assert "gone.gguf: No such file or directory" in one_line(p)


@pytest.mark.parametrize("args", OPENS, ids=lambda a: a[0])
@pytest.mark.parametrize("content", [b"", b"GGUF", b"# A text, and no model\n" * 100],
                         ids=["empty", "short", "text"])
def test_not_a_model(brrr, tmp_path, args, content):
    (tmp_path / "m.gguf").write_bytes(content)
    p = brrr([*args, "-m", tmp_path / "m.gguf"], input=b"{}\n")
    assert p.returncode == MODEL and "m.gguf" in one_line(p)


@pytest.mark.parametrize("args", OPENS, ids=lambda a: a[0])
def test_folder_as_model(brrr, tmp_path, args):
    p = brrr([*args, "-m", tmp_path], input=b"{}\n")
    assert p.returncode in (RUN, MODEL) and str(tmp_path) in one_line(p)


@pytest.mark.parametrize("args", [a for a in OPENS if a[0] != "inspect"], ids=lambda a: a[0])
def test_no_model(brrr, tmp_path, args):
    p = brrr(args, env={"XDG_CACHE_HOME": tmp_path}, input=b"{}\n")
    assert p.returncode == USAGE and "give one with -m FILE" in one_line(p)


def closed_pipe(brrr, args, n=0):
    """Run with a reader that takes n bytes and goes away; no stored plan, which may be told about."""
    with subprocess.Popen([brrr.path, *map(str, args)], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=clean_env({"XDG_CACHE_HOME": "/nowhere"})) as p:
        got = p.stdout.read(n)
        p.stdout.close()
        err = p.stderr.read()
        return p.wait(timeout=120), got, err


def test_closed_pipe(brrr):
    assert closed_pipe(brrr, ["--help"]) == (OK, b"", b"")


def test_closed_pipe_while_running(brrr, default_model):
    code, got, err = closed_pipe(
        brrr, ["run", "-q", "-m", default_model, "-p", "Tell me a long story.", "-n", "4000",
               "--ignore-eos"], 1)
    assert (code, len(got), err) == (OK, 1, b"")


def test_full_disk(brrr):
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full")
    with open("/dev/full", "wb") as full:
        p = subprocess.run([brrr.path, "--help"], stdout=full, stderr=subprocess.PIPE, check=False)
    assert p.returncode == DISK and b"No space left on device" in p.stderr


@pytest.mark.parametrize("args", [["bench", "-p", "4", "-n", "0", "-r", "1"], ["ppl", "-f", "LICENSE"]],
                         ids=lambda a: a[0])
def test_one_json_object_that_does_not_get_out(brrr, args):
    """A full disk is told as it is for text, and a reader that went away is no failure."""
    command = [brrr.path, *args, "-m", TINY, "-q", "--json"]
    with open("/dev/full", "wb") as full:
        p = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False, cwd=ROOT)
    assert p.returncode == DISK and b"cannot write the answer" in p.stderr
    p = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT)
    p.stdout.close()
    assert p.stderr.read() == b"" and p.wait() == OK


def test_example_on_the_library(brrr, default_model):
    """examples/complete.c says what `run` says: greedy, 64 tokens, the model's template."""
    example = brrr.path.parent / "examples/complete"
    if not example.exists():
        pytest.skip("make example has not been run for this build")
    question = "Why is the sky blue?"
    p = subprocess.run([example, default_model, question], capture_output=True, check=False)
    want = brrr(["run", "-q", "-m", default_model, "--temp", "0", "-n", "64", "-p", question])
    assert p.returncode == OK and p.stderr == b"" and p.stdout == want.stdout


def test_ppl_of_less_than_a_window_is_no_number(brrr, default_model, tmp_path):
    (tmp_path / "short.txt").write_text("Too short for half of a window.")
    p = brrr(["ppl", "-q", "-m", default_model, "-f", tmp_path / "short.txt", "--ctx", "64",
              "--score", "half"])
    assert p.returncode == USAGE and "no token counts" in one_line(p)


@pytest.mark.parametrize("args, says", [
    (["-n", "4"], b""), ([], b"(cut: the context of "),
    (["-n", "-1", "-c", "64"], b"(cut: the context of 64 tokens is full)")])
def test_an_answer_cut_by_no_wish_is_said_to_be(brrr, args, says):
    p = brrr(["run", "-m", TINY, "--raw", "--ignore-eos", "--temp", "0", *args, "hello"])
    assert p.returncode == OK and says in p.stderr and (b"(cut" in p.stderr) == bool(says)


def test_chat_answers_no_mistyped_command(brrr):
    p = brrr(["chat", "-q", "-m", TINY, "-n", "1"], input=b"/hepl\n/help\n/\n/quit\nhello\n")
    assert p.returncode == OK and p.stdout.count(b"\n") == 1
    assert b"unknown command '/hepl'" in p.stderr and b"/clear  forget" in p.stderr


def test_chat_takes_characters_in_every_locale(brrr):
    """Libedit drops what the locale does not know, and many containers have none."""
    mine, theirs = pty.openpty()
    with subprocess.Popen([brrr.path, "chat", "-m", TINY, "-n", "1"], stdin=theirs, stdout=theirs,
                          stderr=theirs, env={"TERM": "xterm", "LC_ALL": "C"}) as p:
        os.close(theirs)
        seen = b""
        while b"> " not in seen:
            seen += os.read(mine, 4096)
        os.write(mine, "é日\n/quit\n".encode())
        try:
            while piece := os.read(mine, 4096):
                seen += piece
        except OSError:  # the end of a terminal
            pass
        assert p.wait(timeout=60) == OK
    os.close(mine)
    assert "é日" in seen.decode(errors="replace") and b"answer 1 token" in seen, seen
