# SPDX-License-Identifier: MIT
"""GGUF files that are broken on purpose (shared/golden/dev/malformed): what `brrr inspect` does.

Each ends in success or in exit 3 with one line that names the file, the field and the byte; none
in a signal, after 2 seconds, or with more memory than 64 MiB over the size of the file.
"""
import json
import os
import pathlib
import re
import resource
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from conftest import ROOT, binary, clean_env  # noqa: E402

SHARED = pathlib.Path(os.environ.get("BRRR_SHARED") or ROOT.parent / "shared")
FOLDER = SHARED / "golden/dev/malformed"


def cases():
    if not (FOLDER / "manifest.json").is_file():
        return []
    return [c for c in json.loads((FOLDER / "manifest.json").read_text()) if c["format"] == "gguf"]


def run(path):
    """Exit code (negative: signal), stderr, peak memory in bytes."""
    child = subprocess.Popen([str(binary()), "inspect", str(path), "--json"], env=clean_env(),
                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                             stderr=subprocess.PIPE,
                             preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (2, 2)))
    with child.stderr:
        err = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return child.returncode, err.decode(), usage.ru_maxrss * 1024


@pytest.mark.parametrize("case", cases(), ids=lambda c: pathlib.Path(c["file"]).stem)
def test_case(case):
    path = FOLDER / case["file"]
    code, err, rss = run(path)
    wanted = {"accept": (0,), "reject": (3,), "either": (0, 3)}[case["expect"]]
    assert code in wanted, f"{case['what']}: exit {code}: {err}"
    assert rss <= path.stat().st_size + (64 << 20)
    if code == 0:
        assert err == ""
        return
    assert err.count("\n") == 1 and err.endswith("\n")
    assert str(path)[-60:] in err
    assert re.search(r": [^:]+: .+", err)


def test_cases_are_there(shared):
    assert len(cases()) > 50
