# SPDX-License-Identifier: MIT
"""GGUF files that are broken on purpose (shared/golden/dev/malformed): what `brrr inspect` does.

Each ends in success or in exit 3 with one line that names the file, the field and the byte; none
in a signal, after 2 seconds, or with more memory than 64 MiB over the size of the file.
"""
import json
import os
import pathlib
import re
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


# A child's peak counts from its parent's size on, and pytest is large: a small parent starts it.
MEASURE = """
import os, resource, sys
pid = os.fork()
if pid == 0:
    resource.setrlimit(resource.RLIMIT_CPU, (2, 2))
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.execv(sys.argv[1], sys.argv[1:])
_, status, usage = os.wait4(pid, 0)
print(os.waitstatus_to_exitcode(status), usage.ru_maxrss)
"""


def run(path):
    """Exit code (negative: signal), stderr, peak memory in bytes."""
    p = subprocess.run([sys.executable, "-I", "-S", "-c", MEASURE, str(binary()), "inspect",
                        str(path), "--json"], env=clean_env(), capture_output=True, check=True)
    code, kib = map(int, p.stdout.split())
    return code, p.stderr.decode(), kib * 1024


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
