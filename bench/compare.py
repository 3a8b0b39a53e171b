#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The measuring half of bench/compare.sh, which says what it does and with which options.

For each case every engine's choices (flash attention, ...) are tried once, and the best one goes
into the rounds; in each round the engines take turns, one at a time, and the one that begins
changes. Everything measured is in the JSON file. An engine that ends, as some do over a choice,
is started again without it.
"""
import argparse
import html
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
PEERS = pathlib.Path(os.environ.get("BRRR_PEERS") or ROOT / "build/peers")
LABEL = {"llama": "llama-cpp-python", "ik": "ik-llama-cpp-python",
         "llama-avx2": "llama-cpp-python (AVX2)", "ik-avx2": "ik-llama-cpp-python (AVX2)"}
TRY_STEPS = 9  # decode steps when choices are tried


def say(text):
    print(f"compare: {text}", file=sys.stderr, flush=True)


def nth_token(i, n_vocab):
    """The ids that `brrr bench` and peer.py read."""
    return (((i * 2654435761 + 12345) & 0xffffffff) >> 8) % n_vocab


class Failure(Exception):
    pass


class Brrr:
    name = label = "brrr"

    def __init__(self, args):
        self.args, self.about = args, {"package": "brrr"}
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("BRRR_")}
        if args.isa == "avx2":
            self.env["BRRR_CPU"] = "avx2"
        info = json.loads(self.run("inspect", "--json"))
        # The rows of the embedding: a file need not have a tokenizer.
        self.n_vocab = next(t["shape"][-1] for t in info["tensors"]
                            if t["name"] == "token_embd.weight")

    def run(self, *words, text=None):
        p = subprocess.run([self.args.brrr, *map(str, words), "-m", self.args.model], input=text,
                           capture_output=True, text=True, env=self.env, check=False)
        if p.returncode:
            raise Failure(p.stderr.strip() or f"brrr: exit code {p.returncode}")
        return p.stdout

    def choices(self, case):
        return [{}]

    def measure(self, case, choice, steps):
        threads = ["-q", "-t", self.args.threads, "--precision", self.args.precision]
        if case.kind == "load":
            ids = {"ids": [nth_token(i, self.n_vocab) for i in range(case.n)], "top": 1}
            t0 = time.perf_counter()
            self.run("logits", "--jsonl", *threads, text=json.dumps(ids))
            return time.perf_counter() - t0
        prompt, batch, n = (case.n, 1, 2) if case.kind == "prefill" else (1, case.n, steps)
        # Its runs are the shortest: three in a round keep their noise down.
        out = json.loads(self.run("bench", "--json", "--repeats", 3, "-p", prompt, "-n", n, "-b",
                                  batch, *threads))
        self.about.update({k: out[k] for k in ("kernels", "profile") if k in out})
        found = [c for c in out["cases"] if c["case"] == case.kind
                 and (c["n_prompt"] if case.kind == "prefill" else c["batch"]) == case.n]
        return case.tokens(steps) / found[0]["tok_s"]["median"]

    def close(self):
        pass


class Peer:
    def __init__(self, args, name):
        self.args, self.name, self.label = args, name, LABEL[name]
        self.start()

    def start(self):
        env = {**os.environ, "GGML_NO_BACKTRACE": "1"}
        command = [PEERS / self.name / "bin/python", ROOT / "bench/peer.py", self.name,
                   self.args.model, str(self.args.threads)]
        try:
            self.p = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=subprocess.DEVNULL, text=True, env=env)
        except OSError as e:
            raise Failure(str(e)) from e
        self.about = json.loads(self.p.stdout.readline() or '{"error": "it does not start"}')
        if "error" in self.about:
            raise Failure(self.about["error"])
        flags = re.findall(r"(\w+) = 1", self.about["system_info"])
        self.about["flags"] = " ".join(flags)

    def answer(self):
        line = self.p.stdout.readline()
        if not line:
            self.p.stdin.close()
            code = self.p.wait()
            self.start()
            raise Failure(f"{self.name} ended with exit code {code}")
        got = json.loads(line)
        if "error" in got:
            raise Failure(f"{self.name}: {got['error']}")
        return got

    def choices(self, case):
        if case.kind == "load":
            return [{}]
        return self.about["variants"]["2" if case.kind == "decode" and case.n > 1 else "1"]

    def measure(self, case, choice, steps):
        command = {"do": case.kind, **choice}
        command.update({"batch": case.n, "n": steps} if case.kind == "decode" else {"n": case.n})
        try:
            self.p.stdin.write(json.dumps(command) + "\n")
            self.p.stdin.flush()
            return self.answer()["s"]
        except Failure as e:
            raise Failure(f"{json.dumps(command)}: {e}") from e

    def close(self):
        self.p.stdin.close()
        self.p.wait()


class Case:
    def __init__(self, kind, n):
        self.kind, self.n = kind, n

    def steps(self, args):
        return max(2, args.steps if self.n == 1 else args.steps // 2)

    def tokens(self, steps):
        return {"prefill": self.n, "decode": self.n * (steps - 1), "load": 1}[self.kind]

    def __str__(self):
        return {"prefill": f"prefill, {self.n} tokens",
                "decode": f"decode, batch {self.n}" + (", summed" if self.n > 1 else ""),
                "load": "load to first token"}[self.kind]


def parse_cases(text):
    """"prefill:128,512 decode:1,8 load" to cases."""
    cases = []
    for word in text.split():
        kind, _, numbers = word.partition(":")
        numbers = numbers or {"load": "16"}.get(kind, "")
        if kind not in ("prefill", "decode", "load") or not re.fullmatch(r"\d+(,\d+)*", numbers):
            sys.exit(f"compare: no case '{word}': prefill:128,512 decode:1,8 load")
        cases += [Case(kind, int(n)) for n in numbers.split(",")]
    return cases


def best_choice(engine, case, steps):
    """The fastest of an engine's choices for a case, with what each took; None if none works."""
    tried, choices = [], engine.choices(case)
    if len(choices) == 1:
        return choices[0], tried
    steps = min(steps, TRY_STEPS)
    for choice in choices:
        try:
            s = engine.measure(case, choice, steps)
            if s < 2:  # short ones twice
                s = min(s, engine.measure(case, choice, steps))
            tried.append({**choice, "s": s})
        except Failure as e:
            tried.append({**choice, "error": str(e)})
    good = [t for t in tried if "s" in t]
    if not good:
        return None, tried
    return {k: v for k, v in min(good, key=lambda t: t["s"]).items() if k != "s"}, tried


def run_case(engines, case, args):
    steps = case.steps(args)
    say(f"{case}: choices")
    result = {"case": case.kind, "n": case.n, "name": str(case), "steps": steps, "engines": {}}
    for e in engines:
        choice, tried = best_choice(e, case, steps)
        result["engines"][e.name] = {"choice": choice, "tried": tried, "s": []}
    for i in range(args.rounds):
        say(f"{case}: round {i + 1} of {args.rounds}")
        for e in engines[i % len(engines):] + engines[:i % len(engines)]:
            r = result["engines"][e.name]
            if r["choice"] is None:
                continue
            try:
                r["s"].append(e.measure(case, r["choice"], steps))
            except Failure as failure:
                r.setdefault("failures", []).append(str(failure))
            time.sleep(0.1)
    for r in result["engines"].values():
        speeds = [case.tokens(steps) / s for s in r["s"]]
        if speeds:
            r.update(median=statistics.median(r["s"]), tok_s=statistics.median(speeds),
                     tok_s_min=min(speeds), tok_s_max=max(speeds))
    return result


# --- what comes out -------------------------------------------------------------------------

def cell(result, name):
    r = result["engines"].get(name, {})
    if "median" not in r:
        return "-"
    if result["case"] == "load":
        return f"{r['median']:.3f} s"
    return f"{r['tok_s']:.0f} ({r['tok_s_min']:.0f} - {r['tok_s_max']:.0f})"


def ratio(result, name):
    here, there = result["engines"]["brrr"], result["engines"].get(name, {})
    if "median" not in there or "median" not in here:
        return "-"
    return f"{there['median'] / here['median']:.2f}"


def choices_line(report, e):
    """Which choice was taken where."""
    where = {}
    for c in report["cases"]:
        r = c["engines"].get(e, {})
        if r.get("choice"):
            words = ", ".join(f"{k} {'on' if v else 'off'}" for k, v in r["choice"].items())
            where.setdefault(words, []).append(c["name"].replace(", summed", ""))
        elif r and r.get("choice") is None:
            where.setdefault("nothing works", []).append(c["name"])
    return "; ".join(f"{words}: {' / '.join(cases)}" for words, cases in where.items())


def table(report):
    peers = [e for e in report["engines"] if e != "brrr"]
    head = ["case", "brrr", *[LABEL[p] for p in peers], *[f"brrr / {p}" for p in peers]]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for c in report["cases"]:
        lines.append("| " + " | ".join([c["name"], cell(c, "brrr"), *[cell(c, p) for p in peers],
                                        *[ratio(c, p) for p in peers]]) + " |")
    lines += ["", f"{report['model']} ({report['model_bytes'] / 1e6:.1f} MB), {report['cpu']}, "
              f"{report['threads']} threads, {report['rounds']} rounds in turn; tok/s: median "
              "(least - most). Load: the file in the page cache; brrr with its process start.", ""]
    for e, about in report["engines"].items():
        if e == "brrr":
            text = f"kernels {about.get('kernels', '?')}, profile {about.get('profile', '?')}"
        else:
            text = f"{about['version']}; {about['flags']}; best choices: {choices_line(report, e)}"
        lines.append(f"* {'brrr' if e == 'brrr' else LABEL[e]}: {text}")
    return "\n".join(lines) + "\n"


def svg(report):
    """Bars for each case, each case scaled to its fastest engine."""
    names = list(report["engines"])
    colors = dict(zip(names, ["#1f6f54", "#c26a2d", "#5b7db1", "#999999"]))
    label_w, bar_w, row_h, gap = 190, 420, 18, 14
    out, y = [], 58
    for c in report["cases"]:
        rows = [(n, c["engines"][n]) for n in names if "median" in c["engines"].get(n, {})]
        if not rows:
            continue
        fastest = max(r["tok_s"] for _, r in rows)
        out.append(f'<text x="{label_w - 10}" y="{y + row_h * len(rows) / 2 + 4}" '
                   f'text-anchor="end">{c["name"]}</text>')
        for n, r in rows:
            w = bar_w * r["tok_s"] / fastest
            shown = f"{r['median']:.3f} s" if c["case"] == "load" else f"{r['tok_s']:.0f}"
            out.append(f'<rect x="{label_w}" y="{y}" width="{w:.1f}" height="{row_h - 3}" '
                       f'fill="{colors[n]}"/><text x="{label_w + w + 6:.1f}" '
                       f'y="{y + row_h - 6}">{shown}</text>')
            y += row_h
        y += gap
    legend, x = [], 16
    for n in names:
        label = "brrr" if n == "brrr" else LABEL[n]
        legend.append(f'<rect x="{x}" y="32" width="12" height="12" fill="{colors[n]}"/>'
                      f'<text x="{x + 17}" y="42">{label}</text>')
        x += 40 + 7 * len(label)
    width = label_w + bar_w + 90
    title = html.escape(f"{report['model']}, {report['cpu']}, {report['threads']} threads: tok/s, "
                        "longer is faster")
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{y}" '
            f'viewBox="0 0 {width} {y}" font-family="sans-serif" font-size="12" fill="#222">'
            f'<rect width="{width}" height="{y}" fill="#fff"/><text x="16" y="20" '
            f'font-size="14">{title}</text>' + "".join(legend) + "".join(out) + "</svg>\n")


def cpu():
    """The processor by what it calls itself, and its family and model where that says little."""
    try:
        text = pathlib.Path("/proc/cpuinfo").read_text()
        field = {k: re.search(rf"^{k}\s*: (.*)$", text, re.M).group(1)
                 for k in ("model name", "cpu family", "model")}
        return f"{field['model name']} (family {field['cpu family']} model {field['model']})"
    except (OSError, AttributeError):
        return platform.processor() or platform.machine()


def main():
    p = argparse.ArgumentParser(prog="compare.sh", add_help=False)
    for name, default in (("--model", None), ("--brrr", None), ("--out", None), ("--cases", None),
                          ("--peers", ""), ("--isa", "native"), ("--precision", "q8")):
        p.add_argument(name, default=default)
    for name, default in (("--rounds", 5), ("--threads", 2), ("--steps", 64)):
        p.add_argument(name, type=int, default=default)
    args = p.parse_args()
    cases, engines = parse_cases(args.cases), []
    if args.rounds < 1 or args.threads < 1 or args.steps < 2:
        sys.exit("compare: --rounds and --threads are from 1, --steps from 2")
    try:
        engines.append(Brrr(args))
    except Failure as e:
        sys.exit(f"compare: {e}")
    for name in args.peers.split():
        try:
            engines.append(Peer(args, name))
            about = engines[-1].about
            say(f"{name}: {about['package']} {about['version']}: {about['flags']}")
        except Failure as e:
            say(f"goes on without {name}: {e}")
    report = {"cpu": cpu(), "model": pathlib.Path(args.model).name, "isa": args.isa,
              "model_bytes": os.path.getsize(args.model), "threads": args.threads,
              "rounds": args.rounds, "load_average": os.getloadavg()[0], "cases": []}
    for case in cases:
        report["cases"].append(run_case(engines, case, args))
    report["engines"] = {e.name: e.about for e in engines}
    for e in engines:
        e.close()
    out = pathlib.Path(args.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.with_name(out.name + ".json").write_text(json.dumps(report, indent=1) + "\n")
    out.with_name(out.name + ".svg").write_text(svg(report))
    out.with_name(out.name + ".md").write_text(table(report))
    print(table(report), end="")
    say(f"wrote {out}.md, .json and .svg")


if __name__ == "__main__":
    main()
