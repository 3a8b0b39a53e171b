#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""serving.py CASE [ROUNDS]: what a feature of the serving engine brings, by `brrr bench --serve-sim`.

  sarathi   prompts of 1024 tokens among 16 sequences that decode: read whole, in chunks of 48
  prefix    questions of 20 tokens behind a system prompt of 200: with the prefix cache, without
  chat      8 chats of 8 turns: with the prefix cache, without
  standard  64 prompts of 329 tokens that share 219, 64 tokens each: concurrency 8, 32
  paged     log-normal lengths of Alpaca in 256 MiB of cache, contexts of 2048 tokens

The variants of a case take turns, ROUNDS times (default 3); the table has medians. All runs, without
their single gaps and requests, go to bench/results/serving-CASE.json. BRRR is the program (default
build/release/brrr), BRRR_MODEL the model. Nothing else should run meanwhile.
"""
import json
import os
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
CASES = {
    "sarathi": [("whole prompts", ["sarathi", "--chunk", "4096"]),
                ("chunks of 48", ["sarathi", "--chunk", "48"])],
    "prefix": [("without the cache", ["prefix", "--no-prefix-cache"]), ("with it", ["prefix"])],
    "chat": [("without the cache", ["chat", "--no-prefix-cache"]), ("with it", ["chat"])],
    "standard": [("standard", ["standard"])],
    "paged": [("alpaca", ["alpaca", "-c", "2048", "--kv-memory", "256M", "--parallel", "256"])],
}
SHOWN = [("out tok/s", lambda r: r["out_tok_s"]), ("all tok/s", lambda r: r["total_tok_s"]),
         ("TTFT p50 ms", lambda r: 1e3 * r["ttft_s"]["median"]),
         ("ITL p50 ms", lambda r: 1e3 * r["itl_s"]["median"]),
         ("ITL p99 ms", lambda r: 1e3 * r["itl_s"]["p99"]), ("hits", lambda r: r["hit_share"]),
         ("recomputed", lambda r: r["recomputed_most"]), ("at once", lambda r: r["running_most"]),
         ("reserved", lambda r: r["reserved_seqs"]), ("tails", lambda r: r["kv_tail_share"]),
         ("saved", lambda r: r["kv_saved_share"])]


def measure(words):
    """One run of each kind, without what is raw."""
    brrr = os.environ.get("BRRR", ROOT / "build/release/brrr")
    p = subprocess.run([brrr, "bench", "-q", "--json", "--serve-sim", *words], capture_output=True,
                       text=True, check=False)
    if p.returncode:
        sys.exit(f"serving.py: {p.stderr.strip()}")
    out = json.loads(p.stdout)
    for run in out["runs"]:
        del run["raw"]
    return out


def main():
    if len(sys.argv) not in (2, 3) or sys.argv[1] not in CASES:
        sys.exit(__doc__)
    case, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3
    found = {name: [] for name, _ in CASES[case]}
    for i in range(rounds):
        order = CASES[case] if i % 2 == 0 else CASES[case][::-1]
        for name, words in order:
            found[name].append(measure(words))
    print("| case | " + " | ".join(n for n, _ in SHOWN) + " |\n|---|" + "--:|" * len(SHOWN))
    for name, outs in found.items():
        for k, run in enumerate(outs[0]["runs"]):
            cells = [statistics.median(f(o["runs"][k]) for o in outs) for _, f in SHOWN]
            print(f"| {name}, {run['run']} | " + " | ".join(f"{v:.4g}" for v in cells) + " |")
    report = {"case": case, "rounds": rounds, "variants": found}
    path = ROOT / f"bench/results/serving-{case}.json"
    path.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
