# SPDX-License-Identifier: MIT
"""The command line itself: help, unknown words, exit codes. Codes are listed in src/cmd/cmd.h."""


def test_help_goes_to_stdout(brrr):
    p = brrr(["--help"])
    assert p.returncode == 0 and p.stderr == b""
    assert p.stdout.startswith(b"usage: brrr VERB")
