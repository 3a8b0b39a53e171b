#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""serving.py CASE [ROUNDS] [--add] [--only NAME,...]: what a feature of the serving engine brings.

  sarathi   prompts of 1024 tokens among 16 sequences that decode: read whole, and in chunks
  prefix    questions of 20 tokens behind a system prompt of 200: without the prefix cache, with it
  chat      8 chats of 8 turns: without the prefix cache, with it
  standard  64 prompts of 329 tokens that share 219, 64 tokens each: concurrency 8, 32
  paged     log-normal lengths of Alpaca in 256 MiB of cache, contexts of 2048 tokens
  shared    the same with 2, 4, 6 answers to a prompt, drawn and by beams; prompts are pieces of a text

All by `brrr bench --serve-sim`. The variants of a case take turns, ROUNDS times (default 3), and who
begins changes. The table has medians, and ratios to the first variant of the same round: median
(least - most). All runs, without their single gaps and requests, go to bench/results/serving-CASE.json
(sarathi: and a drawing). --add keeps the rounds that are there and --only leaves variants out (never
the first), so that a long measurement can be made of short ones. BRRR is the program (default
build/release/brrr), BRRR_MODEL the model. Nothing else should run meanwhile.
"""
import argparse
import json
import math
import os
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
ALPACA = ["alpaca", "-c", "2048", "--kv-memory", "256M", "--parallel", "256"]
TEXT = ["-f", str(ROOT / "DESIGN.md"), "--requests", "64"]
CHUNKS = (32, 48, 64, 96, 128, 256)
CASES = {
    "sarathi": {"whole prompts": ["sarathi", "--chunk", "4096"],
                **{f"chunks of {n}": ["sarathi", "--chunk", str(n)] for n in CHUNKS}},
    "prefix": {"without the cache": ["prefix", "--no-prefix-cache"], "with it": ["prefix"]},
    "chat": {"without the cache": ["chat", "--no-prefix-cache"], "with it": ["chat"]},
    "standard": {"standard": ["standard"]},
    "paged": {"alpaca": ALPACA},
    "shared": {"one answer": ALPACA + TEXT,
               **{f"{n} drawn": ALPACA + TEXT + ["--samples", str(n)] for n in (2, 4, 6)},
               **{f"{n} beams": ALPACA + TEXT + ["--beams", str(n)] for n in (2, 4, 6)}},
}
SHOWN = [("out tok/s", lambda r: r["out_tok_s"]), ("all tok/s", lambda r: r["total_tok_s"]),
         ("TTFT p50 ms", lambda r: 1e3 * r["ttft_s"]["median"]),
         ("ITL p50 ms", lambda r: 1e3 * r["itl_s"]["median"]),
         ("ITL p99 ms", lambda r: 1e3 * r["itl_s"]["p99"]), ("hits", lambda r: r["hit_share"]),
         ("recomputed", lambda r: r["recomputed_most"]), ("at once", lambda r: r["running_most"]),
         ("reserved", lambda r: r["reserved_seqs"]), ("tails", lambda r: r["kv_tail_share"]),
         ("saved", lambda r: r["kv_saved_share"])]
RATIOS = [("all tok/s", lambda r: r["total_tok_s"]), ("TTFT p50", lambda r: r["ttft_s"]["median"]),
          ("ITL p99", lambda r: r["itl_s"]["p99"])]


def measure(words):
    """What a program's report has, without what is raw."""
    brrr = os.environ.get("BRRR", ROOT / "build/release/brrr")
    p = subprocess.run([brrr, "bench", "-q", "--json", "--serve-sim", *words], capture_output=True,
                       text=True, check=False)
    if p.returncode:
        sys.exit(f"serving.py: {p.stderr.strip()}")
    out = json.loads(p.stdout)
    for run in out["runs"]:
        del run["raw"]
    return out


def outs(report, name):
    return [r[name] for r in report["rounds"] if name in r]


def ratios(report, name, k, of):
    """Of run k of a variant to that of the first one, in each round that has both."""
    first = next(iter(CASES[report["case"]]))
    return [of(r[name]["runs"][k]) / of(r[first]["runs"][k]) for r in report["rounds"] if name in r]


def tables(report):
    names = [n for n in CASES[report["case"]] if outs(report, n)]
    print("| case | " + " | ".join(n for n, _ in SHOWN) + " |\n|---|" + "--:|" * len(SHOWN))
    for name in names:
        for k, run in enumerate(outs(report, name)[0]["runs"]):
            cells = [statistics.median(f(o["runs"][k]) for o in outs(report, name)) for _, f in SHOWN]
            print(f"| {name}, {run['run']} | " + " | ".join(f"{v:.4g}" for v in cells) + " |")
    if len(names) == 1:
        return
    print(f"\n| to {names[0]} | " + " | ".join(n for n, _ in RATIOS) + " | rounds |\n|---|" +
          "--:|" * (len(RATIOS) + 1))
    for name in names[1:]:
        for k, run in enumerate(outs(report, name)[0]["runs"]):
            found = [ratios(report, name, k, f) for _, f in RATIOS]
            print(f"| {name}, {run['run']} | " + " | ".join(
                f"{statistics.median(v):.3f} ({min(v):.3f} - {max(v):.3f})" for v in found) +
                f" | {len(found[0])} |")


def svg(report):
    """Sarathi: what each chunk makes of the gaps and of the throughput, as shares of whole prompts'."""
    left, width, top, height = 60, 560, 50, 260
    lines = [("p99 of the gaps", RATIOS[2][1], "#c26a2d"), ("tokens a second", RATIOS[0][1], "#1f6f54")]
    most = 1.2

    def at(i, v):
        x = left + width * (i + 0.5) / len(CHUNKS)
        return x, top + height * (1 - math.log(v / 0.03) / math.log(most / 0.03))
    out = [f'<text x="16" y="22" font-size="14">{report["model"]}, {report["cpu"]}: chunks against '
           'whole prompts of 1024 tokens</text>']
    for v, name in ((0.125, "asked: 1/8 of the gap"), (0.95, "asked: 0.95 of the rate"), (0.25, ""),
                    (0.5, ""), (0.0625, "")):
        y = at(0, v)[1]
        out.append(f'<line x1="{left}" x2="{left + width}" y1="{y:.1f}" y2="{y:.1f}" stroke="#bbb" '
                   f'stroke-dasharray="{3 if name else 1} 3"/><text x="{left - 8}" y="{y + 4:.1f}" '
                   f'text-anchor="end">{v:g}</text><text x="{left + width}" y="{y - 4:.1f}" '
                   f'text-anchor="end" fill="#777">{name}</text>')
    for label, of, color in lines:
        points = []
        for i, n in enumerate(CHUNKS):
            v = ratios(report, f"chunks of {n}", 0, of)
            if not v:
                continue
            (x, low), (_, high), (_, y) = (at(i, f(v)) for f in (min, max, statistics.median))
            points.append(f"{x:.1f},{y:.1f}")
            out.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{low:.1f}" y2="{high:.1f}" '
                       f'stroke="{color}"/><circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{color}"/>'
                       f'<text x="{x + 7:.1f}" y="{y + 15:.1f}">{statistics.median(v):.3f}</text>')
        out.append(f'<polyline points="{" ".join(points)}" fill="none" stroke="{color}"/>')
    out += [f'<text x="{at(i, 1)[0]:.1f}" y="{top + height + 18}" text-anchor="middle">{n}</text>'
            for i, n in enumerate(CHUNKS)]
    out += [f'<text x="{left + 200 * i}" y="{top + height + 42}" fill="{color}">&#9679; {label}</text>'
            for i, (label, _, color) in enumerate(lines)]
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 40}" '
            f'height="{top + height + 60}" font-family="sans-serif" font-size="12" fill="#222">'
            '<rect width="100%" height="100%" fill="#fff"/>' + "".join(out) + "</svg>\n")


def main():
    a = argparse.ArgumentParser(description=__doc__, usage=argparse.SUPPRESS,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("case", choices=CASES)
    a.add_argument("rounds", type=int, nargs="?", default=3)
    a.add_argument("--add", action="store_true")
    a.add_argument("--only", default="")
    args = a.parse_args()
    variants, path = list(CASES[args.case]), ROOT / f"bench/results/serving-{args.case}.json"
    if args.only:
        variants = variants[:1] + [v for v in variants[1:] if v in args.only.split(",")]
    report = {"case": args.case, "rounds": []}
    if args.add and path.exists():
        report = json.loads(path.read_text())
    for _ in range(args.rounds):
        turned = variants if len(report["rounds"]) % 2 == 0 else variants[::-1]
        report["rounds"].append({name: measure(CASES[args.case][name]) for name in turned})
        head = next(iter(report["rounds"][-1].values()))
        report.update(cpu=head["cpu"], model=head["model"])
    path.write_text(json.dumps(report, indent=1) + "\n")
    if args.case == "sarathi":
        path.with_suffix(".svg").write_text(svg(report))
    tables(report)


if __name__ == "__main__":
    main()
