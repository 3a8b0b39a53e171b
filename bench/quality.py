#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The measuring half of bench/quality.sh, run with the python of build/peers/llama.

    quality.py BRRR TEXT JSON MARKDOWN CTX THREADS "OPTIONS OF BRRR" MODEL...

For each file: `brrr ppl --precision f32 --kl-base` says what the weights in it mean, `--kl` how
far brrr's default mode is from that, and llama.cpp reads the same ids and is measured with the
same formula against the same base (src/format/klbase.h).
"""
import importlib.metadata
import json
import pathlib
import shlex
import struct
import subprocess
import sys
import tempfile

import numpy as np

import compare
import peer

HEAD = struct.Struct("<8sIIIIIIQ16sQ")


def brrr(command, *words, text=None):
    p = subprocess.run([command, *map(str, words)], input=text, capture_output=True, text=True,
                       check=False)
    if p.returncode:
        raise RuntimeError(p.stderr.strip())
    return p.stdout


class Base:
    """A file of `brrr ppl --kl-base`."""

    def __init__(self, path):
        with path.open("rb") as f:
            head = HEAD.unpack(f.read(HEAD.size))
        self.bos, self.n_vocab, self.ctx, self.n_row = head[2] & 1, head[3], head[4], head[6]
        row = np.dtype([("nll", "<f8"), ("down", "<u2", self.n_vocab)])
        self.rows = np.memmap(path, row, "r", HEAD.size, self.n_row)
        self.p = np.exp(np.arange(1 << 16) / -2048.0)

    def compare(self, i, logits):
        """KL divergence of row i from these logits, and whether the first choice is the same."""
        down = self.rows[i]["down"]
        p = self.p.take(down)
        total, largest = p.sum(), logits.max()
        log_sum = float(largest) + np.log(np.exp(logits - largest).sum(dtype=np.float64))
        d = -(p @ (down / 2048.0 + logits)) / total - np.log(total) + log_sum
        return max(float(d), 0.0), int(down.argmin()) == int(logits.argmax())


def windows(command, model, text, base):
    """As `brrr ppl` cuts the text: ids, and how many of them come first without being scored."""
    line = {"text": text, "add_special": False, "parse_special": False}
    out = brrr(command, "tokenize", "--jsonl", "-m", model, text=json.dumps(line))
    ids = json.loads(out)["ids"]
    begin = []
    if base.bos:
        about = json.loads(brrr(command, "inspect", "--json", model))
        begin = [about["tokenizer"]["bos"]]
    step = base.ctx - len(begin)
    return [begin + ids[i:i + step] for i in range(0, len(ids), step)]


def summary(each, same):
    return {"mean": float(np.mean(each)),
            "error": float(np.std(each, ddof=1) / np.sqrt(len(each))),
            "median": float(np.median(each)),
            "p99": float(np.sort(each)[int(np.ceil(0.99 * len(each))) - 1]),
            "max": float(np.max(each)), "top1": float(np.mean(same))}


def llama_kl(model, texts, base, choice, n_threads):
    worker = peer.Worker(peer.Llama(str(model), n_threads))
    ctx = worker.context(-(-base.ctx // 256) * 256, 1, choice)
    each, same, at = [], [], 0
    for ids in texts:
        worker.engine.clear(ctx)
        _, rows = worker.read(ctx, ids, base.n_vocab, every=True)
        for x in rows[:len(ids) - 1]:
            d, first = base.compare(at, x)
            each.append(d)
            same.append(first)
            at += 1
    assert at == base.n_row, (at, base.n_row)
    worker.engine.free(worker.model(choice), ctx)
    return summary(each, same)


def measure(command, text, ctx, n_threads, options, model):
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "base"
        ppl = ["ppl", "-q", "--json", "-m", model, "-f", text, "--ctx", ctx, "-t", n_threads]
        made = json.loads(brrr(command, *ppl, "--precision", "f32", "--kl-base", file))
        got = json.loads(brrr(command, *ppl, "--kl", file, *options))["kl"]
        base = Base(file)
        texts = windows(command, model, text.read_text(), base)
        return {"model": model.name, "scored": made["scored"], "ppl": made["ppl"], "brrr": got,
                "llama_fa_off": llama_kl(model, texts, base, {"fa": 0}, n_threads),
                "llama_fa_on": llama_kl(model, texts, base, {"fa": 1}, n_threads)}


def best_llama(r):
    return min(r["llama_fa_off"], r["llama_fa_on"], key=lambda k: k["mean"])


def verdict(r):
    """Is brrr at or below? Two means that differ by less than twice their error are not told
    apart: each position's divergence is mostly the luck of rounding."""
    b, l = r["brrr"], best_llama(r)
    if b["mean"] <= l["mean"]:
        return "yes"
    near = b["mean"] - l["mean"] <= 2 * (b["error"] ** 2 + l["error"] ** 2) ** 0.5
    return f"{b['mean'] / l['mean']:.2f} x, within the error" if near else \
        f"no: {b['mean'] / l['mean']:.2f} x"


def table(report):
    lines = ["| file | perplexity, f32 | brrr: mean KL | 99 % | largest | same first choice "
             "| llama.cpp: mean KL | 99 % | largest | same first choice | brrr at or below |",
             "|---|---|---|---|---|---|---|---|---|---|---|"]
    for r in report["rows"]:
        cells = [r["model"].removesuffix(".gguf"), f"{r['ppl']:.2f}"]
        for k in (r["brrr"], best_llama(r)):
            cells += [f"{k['mean']:.3g} +- {k['error']:.1g}", f"{k['p99']:.2g}",
                      f"{k['max']:.2g}", f"{100 * k['top1']:.1f} %"]
        lines.append("| " + " | ".join([*cells, verdict(r)]) + " |")
    return "\n".join(lines) + "\n"


def write(report, to_json, to_markdown):
    to_json.parent.mkdir(parents=True, exist_ok=True)
    to_json.write_text(json.dumps(report, indent=1) + "\n")
    if to_markdown.is_file():  # only what stands between the marks is ours
        text = to_markdown.read_text()
        first, rest = text.split("<!-- table -->\n", 1)
        last = rest.split("<!-- end -->\n", 1)[1]
        to_markdown.write_text(first + "<!-- table -->\n" + caption(report) + "\n" + table(report)
                               + "<!-- end -->\n" + last)


def caption(report):
    extra = f" Options of brrr: `{report['options']}`." if report["options"] else ""
    scored = [r["scored"] for r in report["rows"]]
    return (f"{min(scored)} to {max(scored)} positions in windows of {report['ctx']}; brrr's profile "
            f"{report['profile']}; llama-cpp-python {report['llama']}; {report['cpu']}.{extra}\n")


def main():
    command, text, to_json, to_markdown, ctx, n_threads, options, *models = sys.argv[1:]
    options, report = shlex.split(options), None
    for i, model in enumerate(models):
        print(f"quality: {i + 1} of {len(models)}: {model}", file=sys.stderr, flush=True)
        row = measure(command, pathlib.Path(text), int(ctx), int(n_threads), options,
                      pathlib.Path(model))
        if not report:
            report = {"cpu": compare.cpu(), "ctx": int(ctx), "text": pathlib.Path(text).name,
                      "options": " ".join(options), "profile": row["brrr"]["profile"], "rows": [],
                      "llama": importlib.metadata.version("llama-cpp-python")}
        report["rows"].append(row)
        b, l = row["brrr"]["mean"], best_llama(row)["mean"]
        print(f"quality: brrr {b:.6f}, llama.cpp {l:.6f}", file=sys.stderr, flush=True)
        write(report, pathlib.Path(to_json), pathlib.Path(to_markdown))
    print(table(report), end="")
    over = [r["model"] for r in report["rows"] if verdict(r).startswith("no")]
    if over:
        print(f"quality: further from f32 than llama.cpp: {' '.join(over)}", file=sys.stderr)
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
