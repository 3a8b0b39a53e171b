#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""riding.py [ROUNDS] [--chunks 64,256] [--cycles 12] [--add]: what a token costs that is decoded in the
same step as a chunk of a prompt.

A trace for `brrr bench --serve-sim` makes three kinds of steps in turn, a few milliseconds apart: C,
a chunk alone (with logits of its last token); D(b), b sequences that decode; and M(b), the chunk
and b sequences that decode, together. A sequence decodes behind a prompt of one token. Over all
cycles and rounds, medians of

  price       (M(b) - C) / b / D(1)   of a token that rides, in steps of one sequence alone
  bound       the same of the roofline's bounds of these steps: what the machine's limits predict
  head        the part of the bound that is the output matrix
  decode      D(b) / (M(b) - C)       how much faster tokens are decoded than in steps of their own
  end to end  (C + D(b)) / M(b)       the whole, against chunk and decoding in steps of their own

each M with the C before it. The rows `fast` are the same of the fastest tenth of each kind of step:
what other work on the machine disturbed least. SARATHI (Agrawal et al., arXiv:2308.16369) calls
steps like M decode-maximal. Writes bench/results/riding.json.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
OUT = ROOT / "bench/results/riding.json"
BATCHES = (1, 2, 4, 8, 16)


def trace(chunk, cycles):
    """CSV. The gaps are wide enough for about half the speed of the machine that this was made on."""
    alone, lines, t = 0.02 + chunk / 2500, [], 0.0
    for _ in range(cycles):
        for batch in BATCHES:
            lines += [f"{t:.4f},{chunk},1", f"{t + alone:.4f},1,12"]
            t += alone + 0.03
            lines += [f"{t:.4f},1,16"] * batch + [f"{t + 0.004 + 0.001 * batch:.4f},{chunk},1"]
            t += alone + 0.03 + 0.01 * batch
    return "arrival,prompt,output\n" + "\n".join(lines) + "\n"


def measure(chunk, cycles):
    """One round: limits, and the steps of the three kinds as [what, batch, seconds, bound]."""
    brrr = os.environ.get("BRRR", ROOT / "build/release/brrr")
    with tempfile.NamedTemporaryFile("w", suffix=".csv") as f:
        f.write(trace(chunk, cycles))
        f.flush()
        p = subprocess.run([brrr, "bench", "-q", "--json", "--trace", f.name, "--no-prefix-cache",
                            "--chunk", str(chunk)], capture_output=True, text=True, check=False)
    if p.returncode:
        sys.exit(f"riding.py: {p.stderr.strip()}")
    out = json.loads(p.stdout)
    steps = []
    for s in out["runs"][0]["raw"]["steps"]:
        rows, b = s["prompt_rows"], s["decode_rows"]
        what = {0: "D", chunk: "M" if b else "C"}.get(rows)
        if what and b in (0, *BATCHES):
            steps.append([what, b, round(s["time_s"], 7), round(s["bound_s"], 7)])
    return {**{k: out[k] for k in ("cpu", "model", "kernels", "profile", "limits")}, "steps": steps}


def pairs(rounds, batch):
    """[(M, C before it)] of all rounds, each (seconds, bound)."""
    found = []
    for r in rounds:
        last = None
        for what, b, *times in r["steps"]:
            if what == "C":
                last = times
            elif what == "M" and b == batch and last:
                found.append((times, last))
    return found


def decoding(rounds, batch, k):
    return [s[2 + k] for r in rounds for s in r["steps"] if s[0] == "D" and s[1] == batch]


def fast(values):
    return statistics.mean(sorted(values)[:max(1, len(values) // 10)])


def figures(rounds, batch):
    both, mid = pairs(rounds, batch), statistics.median
    one, one_bound = mid(decoding(rounds, 1, 0)), mid(decoding(rounds, 1, 1))
    more = [m[0] - c[0] for m, c in both]
    c, m, d = mid(c[0] for _, c in both), mid(m[0] for m, _ in both), mid(decoding(rounds, batch, 0))
    fast_more = fast([m[0] for m, _ in both]) - fast([c[0] for _, c in both])
    bound = mid(m[1] - c[1] for m, c in both) / batch
    limits = rounds[0]["limits"]
    head = limits["head_macs"] / limits["int8_gmac_s"] / 1e9
    return {"pairs": len(both), "C": c, "M": m, "D": d, "price": mid(more) / batch / one,
            "fast": fast_more / batch / fast(decoding(rounds, 1, 0)), "bound": bound / one_bound,
            "head": head / bound, "decode": d / mid(more) if mid(more) > 0 else float("inf"),
            "end": (c + d) / m}


def table(report):
    for chunk, rounds in report["chunks"].items():
        print(f"\nchunks of {chunk}, {rounds[0]['model']}, {rounds[0]['cpu']}, {len(rounds)} rounds\n")
        print("| decoding | chunk, ms | both, ms | decode, ms | price | price, fast | bound | of it, head | "
              "decode | end to end | pairs |\n|" + "--:|" * 11)
        for batch in BATCHES:
            f = figures(rounds, batch)
            print(f"| {batch} | {1e3 * f['C']:.2f} | {1e3 * f['M']:.2f} | {1e3 * f['D']:.2f} | "
                  f"{100 * f['price']:.0f} % | {100 * f['fast']:.0f} % | {100 * f['bound']:.0f} % | "
                  f"{100 * f['head']:.0f} % | {f['decode']:.1f} x | {f['end']:.3f} x | {f['pairs']} |")


def main():
    a = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("rounds", type=int, nargs="?", default=3)
    a.add_argument("--chunks", default="64,256")
    a.add_argument("--cycles", type=int, default=12)
    a.add_argument("--add", action="store_true", help="keep the rounds that the file has")
    args = a.parse_args()
    report = {"chunks": {}}
    if args.add and OUT.exists():
        report = json.loads(OUT.read_text())
    for _ in range(args.rounds):
        for chunk in args.chunks.split(","):
            report["chunks"].setdefault(chunk, []).append(measure(int(chunk), args.cycles))
    OUT.write_text(json.dumps(report) + "\n")
    table(report)


if __name__ == "__main__":
    main()
