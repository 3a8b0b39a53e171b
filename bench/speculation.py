#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""speculation.py: what guessing tokens ahead brings, by kind of text.

    bench/speculation.py -m FILE [-o NAME] [--rounds 5] [--modes ngram,suffix] [--draft-model FILE]
                         [--add]

Runs `build/release/brrr run --jsonl` over the prompts of bench/speculation.txt, one request at a
time, without speculation and in each mode, in turn for each prompt; greedy, and with --temp drawn
from a fixed seed. Compares the ids of every answer with those of decoding one by one: they must be the
same. The mode `again` is none once more: what the machine's noise makes of it. Speed is that of decoding (first token to last). Writes bench/results/NAME.json with every
single time, and a table on standard output; with --add what is there of the same prompts, modes and
options counts as further rounds, so that a long measurement can be made of short ones.
"""
import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys

WARM = '{"prompt": "Hello", "n_predict": 8}\n'
HERE = pathlib.Path(__file__).resolve().parent


def prompts(kinds):
    """[(kind, name, text)] of these kinds"""
    out = []
    for line in (HERE / "speculation.txt").read_text().splitlines():
        head = re.fullmatch(r"== (\w+) (\w+)", line)
        if head:
            out.append([*head.groups(), ""])
        elif out:
            out[-1][2] += line + "\n"
    return [(kind, name, text.strip()) for kind, name, text in out if kind in kinds.split(",")]


def cpu_name():
    info = pathlib.Path("/proc/cpuinfo").read_text()
    field = dict(re.findall(r"^(vendor_id|model name|cpu family|model)\s*: (.*)$", info, re.M))
    return (f"{field.get('model name', '?')} "
            f"(family {field.get('cpu family', '?')} model {field.get('model', '?')})")


def start(args, mode):
    """A process that answers lines one by one."""
    command = [args.brrr, "run", "--jsonl", "-m", args.model, "--speculate", "none" if mode == "again" else mode]
    if mode == "draft":
        command += ["--draft-model", args.draft_model]
    if args.precision:
        command += ["--precision", args.precision]
    if args.draft_max:
        command += ["--draft-max", str(args.draft_max)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL, text=True)


def ask(process, line):
    process.stdin.write(line)
    process.stdin.flush()
    answer = process.stdout.readline()
    if not answer:
        sys.exit("speculation.py: brrr ended")
    return json.loads(answer)


def requests(args):
    extra = {"temperature": args.temp, "seed": 7}
    return [json.dumps({"messages": [{"role": "user", "content": text}], "n_predict": args.n,
                        "ignore_eos": kind == "free", **extra}) + "\n"
            for kind, _, text in prompts(args.kinds)]


def speed(answer):
    t = answer["timings"]
    return (t["n_gen"] - 1) / t["decode_s"]


def measure(args, modes):
    """{mode: [[answer of each prompt] of each round]}; in each round fresh processes, one for a mode,
    and the modes take turns over each prompt: the machine's pace changes within seconds."""
    lines, out = requests(args), {m: [] for m in modes}
    for i in range(args.rounds):
        processes = {m: start(args, m) for m in modes}
        for m in modes:
            out[m].append([])
            ask(processes[m], WARM)
        for k, line in enumerate(lines):
            for m in modes[(i + k) % len(modes):] + modes[:(i + k) % len(modes)]:
                out[m][-1].append(ask(processes[m], line))
        for p in processes.values():
            p.stdin.close()
            p.wait()
    return out


def check_same(got):
    want = [a["ids"] for a in got["none"][0]]
    for mode, rounds in got.items():
        for r in rounds:
            if [a["ids"] for a in r] != want:
                sys.exit(f"speculation.py: the answers of {mode} are not those of none")


def before(args, modes):
    """[{mode: rates} of each prompt] of the file that --add goes on with."""
    path = HERE / "results" / f"{args.name}.json"
    if not args.add or not path.exists():
        return 0, []
    old = json.loads(path.read_text())
    if old["model"] != os.path.basename(args.model) or old["temperature"] != args.temp:
        sys.exit(f"speculation.py: {path} is about something else")
    return old["rounds"], [{m: c["modes"][m]["tok_s"] for m in modes} for c in old["cases"]]


def report(args, got, modes):
    n_before, old = before(args, modes)
    old = old or [dict.fromkeys(modes, [])] * len(prompts(args.kinds))
    cases = []
    for i, (kind, name, _) in enumerate(prompts(args.kinds)):
        case = {"kind": kind, "name": name, "n_prompt": got["none"][0][i]["timings"]["n_prompt"],
                "n_gen": got["none"][0][i]["timings"]["n_gen"], "modes": {}}
        found = {m: old[i][m] + [speed(r[i]) for r in got[m]] for m in modes}
        plain = statistics.median(found["none"])
        for mode in modes:
            rates = found[mode]
            times = got[mode][0][i]["timings"]
            case["modes"][mode] = {"tok_s": [round(x, 1) for x in rates],
                                   "median": round(statistics.median(rates), 1),
                                   "ratio": round(statistics.median(rates) / plain, 3),
                                   "n_drafted": times["n_drafted"],
                                   "n_accepted": times["n_accepted"]}
        cases.append(case)
    kinds = {k: {m: round(statistics.geometric_mean(c["modes"][m]["ratio"] for c in cases
                                                    if c["kind"] == k), 3) for m in modes}
             for k in dict.fromkeys(c["kind"] for c in cases)}
    return {"cpu": cpu_name(), "model": os.path.basename(args.model),
            "draft_model": os.path.basename(args.draft_model) if args.draft_model else None,
            "temperature": args.temp, "n_predict": args.n, "rounds": n_before + args.rounds,
            "precision": args.precision or "q8", "draft_max": args.draft_max or "default", "ratio_by_kind": kinds, "cases": cases}


def table(out, modes):
    print(f"{out['model']}, {out['cpu']}, temperature {out['temperature']}, "
          f"medians of {out['rounds']} rounds\n")
    print("| text | prompt | answer | " + " | ".join(
        f"{m}, tok/s" if m == "none" else f"{m}, tok/s | ratio | right / guessed" for m in modes) + " |")
    print("|---" * (3 + 1 + 3 * (len(modes) - 1)) + "|")
    for c in out["cases"]:
        cells = [f"{c['kind']}: {c['name']}", c["n_prompt"], c["n_gen"], c["modes"]["none"]["median"]]
        for m in modes[1:]:
            x = c["modes"][m]
            cells += [x["median"], x["ratio"], f"{x['n_accepted']} / {x['n_drafted']}"]
        print("| " + " | ".join(map(str, cells)) + " |")
    print()
    for kind, ratio in out["ratio_by_kind"].items():
        print(f"{kind}, geometric mean: " + ", ".join(f"{m} {ratio[m]}" for m in modes[1:]))


def main():
    a = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("-m", "--model", required=True)
    a.add_argument("-o", "--name", help="write bench/results/NAME.json")
    a.add_argument("--add", action="store_true")
    a.add_argument("-n", type=int, default=256)
    a.add_argument("--temp", type=float, default=0)
    a.add_argument("--rounds", type=int, default=5)
    a.add_argument("--modes", default="ngram,suffix")
    a.add_argument("--kinds", default="copy,free")
    a.add_argument("--precision")
    a.add_argument("--draft-model")
    a.add_argument("--draft-max", type=int)
    a.add_argument("--brrr", default=str(HERE.parent / "build/release/brrr"))
    args = a.parse_args()
    if args.add and not args.name:
        sys.exit("speculation.py: --add adds to the file of -o")
    modes = ["none", *args.modes.split(",")]
    got = measure(args, modes)
    check_same(got)
    out = report(args, got, modes)
    if args.name:
        path = HERE / "results" / f"{args.name}.json"
        path.write_text(json.dumps(out, indent=1) + "\n")
    table(out, modes)


main()
