# SPDX-License-Identifier: MIT
"""Fixtures shared by the pytest suites (tests/cli, tests/golden, tests/api).

brrr           function that runs the binary under test and returns a CompletedProcess with bytes
shared         folder with larger reference data; a test that asks for it is skipped without it
default_model  the model run.sh fetches (SmolLM2-135M-Instruct Q4_1); skipped without it
gemma_model    a second, differently built model (Gemma 3 270M Q4_K_M); skipped without it
start_server   function (model=None, *options, env=None) that starts `brrr serve` on a free port and
               returns a Server (serving.py); without a model a tiny one with random weights, of 64
               tokens. Stopped, and looked at for a clean end, when the test is over
server         one for the whole run, on the tiny model; for tests that leave it as it was
smart_server   the same on default_model

Environment: BRRR (binary, default build/release/brrr), BRRR_SHARED (default ../shared beside
the repository), BRRR_TEST_MODELS (folder with the models, before the cache is looked at).
"""
import os
import pathlib
import subprocess

import pytest

import serving

ROOT = pathlib.Path(__file__).resolve().parent.parent
DEFAULT_MODEL = "SmolLM2-135M-Instruct.Q4_1.gguf"
GEMMA_MODEL = "gemma-3-270m-q4_k_m.gguf"
TINY_MODEL = ROOT / "tests/fuzz/corpus/model/llama.gguf"


def binary():
    return pathlib.Path(os.environ.get("BRRR") or ROOT / "build/release/brrr").resolve()


def clean_env(extra=None):
    """The caller's environment, without options the caller set for itself, and `extra`."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("BRRR") or k == "BRRR_CPU"}
    env.update({k: str(v) for k, v in (extra or {}).items()})
    return env


@pytest.fixture(scope="session")
def brrr():
    """brrr(args, input=None, env=None, timeout=300, cwd=None) -> CompletedProcess (bytes)."""
    path = binary()
    if not path.exists():
        pytest.fail(f"{path} is not there: run make first")

    def run(args, input=None, env=None, timeout=300, cwd=None):
        if isinstance(input, str):
            input = input.encode()
        source = {"stdin": subprocess.DEVNULL} if input is None else {"input": input}
        return subprocess.run([str(path), *map(str, args)], capture_output=True, timeout=timeout,
                              env=clean_env(env), cwd=cwd, check=False, **source)

    run.path = path
    return run


def model(name):
    xdg = os.environ.get("XDG_CACHE_HOME")
    cache = pathlib.Path(xdg) if xdg else pathlib.Path.home() / ".cache"
    places = [cache / "brrr"]
    if os.environ.get("BRRR_TEST_MODELS"):
        places.insert(0, pathlib.Path(os.environ["BRRR_TEST_MODELS"]))
    for place in places:
        if (place / name).is_file():
            return place / name
    pytest.skip(f"{name} is not in {' or '.join(map(str, places))}")


@pytest.fixture(scope="session")
def default_model():
    return model(DEFAULT_MODEL)


@pytest.fixture(scope="session")
def gemma_model():
    return model(GEMMA_MODEL)


@pytest.fixture(scope="session")
def shared():
    path = pathlib.Path(os.environ.get("BRRR_SHARED") or ROOT.parent / "shared")
    if not path.is_dir():
        pytest.skip(f"{path} is not there")
    return path.resolve()


@pytest.fixture
def start_server():
    yield from serving.launcher(binary(), TINY_MODEL, clean_env)


@pytest.fixture(scope="session")
def _start_for_all():
    yield from serving.launcher(binary(), TINY_MODEL, clean_env)


@pytest.fixture(scope="session")
def server(_start_for_all):
    return _start_for_all(None, "--parallel", 4)


@pytest.fixture(scope="session")
def smart_server(_start_for_all, default_model):
    return _start_for_all(default_model, "--ctx", 2048, "--parallel", 4)
