#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Record what jinja2 makes of the snippets in tests/golden/jinja.json.

The file holds snippets with their variables; this script fills in "expected", or "error" with the
class of failure (raised: with its message), in the environment that transformers sets up for chat
templates. usage: gen-jinja-fixture.py [FILE]
"""
import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/golden"))

import jinja_oracle  # noqa: E402


def main():
    path = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "tests/golden/jinja.json"
    cases = json.loads(path.read_text(encoding="utf-8"))
    lines = []
    for case in cases:
        kept = {k: case[k] for k in ("template", "extra") if k in case}
        lines.append(json.dumps({**kept, **jinja_oracle.render(case["template"],
                                                               case.get("extra", {}))},
                                ensure_ascii=False))
    path.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
