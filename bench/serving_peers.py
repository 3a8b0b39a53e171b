#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""serving_peers.py [--rounds N] [--add]: the standard load on brrr and on other engines, in turn.

The load is that of `brrr bench --serve-sim standard`: 64 prompts of 329 tokens that share 219,
answers of 64 tokens, so many requests open at once; caches in f16 everywhere, greedy choices.

  llama, ik     their batch interfaces, used as well as we know (Serving in bench/peer.py): the
                common beginning is computed once, slots are filled again in the next step. Their
                choices (flash attention, ...) are tried once on a quarter of the load.
  llama-server  `python -m llama_cpp.server`: requests over HTTP, one at a time inside. It gets a
                quarter of the load, which is all the same to it, of words that are one token each;
                it finds what a prompt has in common with the one before.

Engines take turns in each round, and who begins changes. --add keeps the rounds and the choices that
the file has, so that a long measurement can be made of short ones. Writes
bench/results/serving-peers.json and prints a table: median (least - most). Peers come from
bench/peers.sh; those that are not there are left out, after a word.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import time
import urllib.request

import compare
import serving

OUT = compare.ROOT / "bench/results/serving-peers.json"
LOAD = {"requests": 64, "n_prompt": 329, "n_prefix": 219, "n": 64}
LABEL = {"brrr": "brrr", "llama": "llama-cpp-python, batch API", "ik": "ik-llama-cpp-python, batch API",
         "llama-server": "llama-cpp-python, server"}


class Batch(compare.Peer):
    """An engine's batch interface."""

    def ask(self, **command):
        try:
            self.p.stdin.write(json.dumps({"do": "serve", **command}) + "\n")
            self.p.stdin.flush()
            return self.answer()
        except OSError as e:
            raise compare.Failure(f"{self.name}: {e}") from e

    def choose(self, concurrency):
        tried = []
        for choice in self.about["variants"]["2"]:
            load = {**LOAD, "requests": max(LOAD["requests"] // 4, concurrency), "n": 16}
            try:
                tried.append({**choice, "s": self.ask(**load, concurrency=concurrency, **choice)["s"]})
            except compare.Failure as e:
                tried.append({**choice, "error": str(e)})
        best = min((t for t in tried if "s" in t), key=lambda t: t["s"], default=None)
        if not best:
            raise compare.Failure(f"{self.name}: none of its choices works")
        return {"choice": {k: v for k, v in best.items() if k != "s"}, "tried": tried}

    def serve(self, concurrency, choice):
        got = self.ask(**LOAD, concurrency=concurrency, **choice["choice"])
        return {**got, "out_tok_s": got["made"] / got["s"]}


class Server:
    name, quarter = "llama-server", LOAD["requests"] // 4

    def __init__(self, args, name):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        python = compare.PEERS / name / "bin/python"
        words = ["-m", "llama_cpp.server", "--model", args.model, "--port", str(port), "--n_ctx", "1024",
                 "--n_threads", str(args.threads), "--n_threads_batch", str(args.threads),
                 "--flash_attn", "true", "--interrupt_requests", "false", "--verbose", "false"]
        try:
            self.p = subprocess.Popen([python, *words], stdout=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL)
        except OSError as e:
            raise compare.Failure(str(e)) from e
        self.about = {"package": "llama-cpp-python[server]", "options": " ".join(words[4:])}
        self.wait()
        self.words = self.single_words()
        self.post("/v1/completions", {"prompt": "Hello", "max_tokens": 4})

    def wait(self):
        for _ in range(150):
            try:
                urllib.request.urlopen(self.url + "/v1/models", timeout=5).close()
                return
            except OSError:
                if self.p.poll() is not None:
                    break
                time.sleep(0.2)
        self.close()
        raise compare.Failure("the server does not start")

    def post(self, path, body):
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=300) as answer:
            return json.load(answer)

    def single_words(self):
        """Words that are one token with the space before them."""
        text = (compare.ROOT / "DESIGN.md").read_text() + (compare.ROOT / "README.md").read_text()
        words = sorted({w for w in text.split() if w.isalpha() and w.islower() and w.isascii()})
        start = len(self.post("/extras/tokenize", {"input": "a"})["tokens"])
        return [w for w in words
                if len(self.post("/extras/tokenize", {"input": f"a {w}"})["tokens"]) == start + 1][:400]

    def prompt(self, i):
        pick = [self.words[compare.nth_token(k, len(self.words))] for k in range(LOAD["n_prefix"])]
        pick += [self.words[compare.nth_token(1000 * (i + 1) + k, len(self.words))]
                 for k in range(LOAD["n_prompt"] - LOAD["n_prefix"])]
        return " ".join(pick)

    def choose(self, concurrency):
        return {"choice": {}, "tried": []}

    def serve(self, concurrency, choice):
        def one(i):
            return self.post("/v1/completions", {"prompt": self.prompt(i), "temperature": 0,
                                                 "max_tokens": LOAD["n"]})["usage"]
        self.post("/v1/completions", {"prompt": "Something else", "max_tokens": 1})
        t0 = time.perf_counter()
        with concurrent.futures.ThreadPoolExecutor(concurrency) as pool:
            usage = list(pool.map(one, range(self.quarter)))
        s = time.perf_counter() - t0
        made = sum(u["completion_tokens"] for u in usage)
        return {"s": s, "requests": self.quarter, "made": made, "out_tok_s": made / s,
                "prompt_tokens": statistics.mean(u["prompt_tokens"] for u in usage)}

    def close(self):
        self.p.terminate()
        self.p.wait()


class Brrr:
    name, about = "brrr", {"package": "brrr", "options": "--serve-sim standard --kv-type f16"}

    def __init__(self, args, name):
        self.args = args

    def choose(self, concurrency):
        return {"choice": {}, "tried": []}

    def serve(self, concurrency, choice):
        out = serving.measure(["standard", "--concurrency", str(concurrency), "--kv-type", "f16", "-m",
                               self.args.model, "-t", str(self.args.threads)])
        self.about.update({k: out[k] for k in ("kernels", "profile")})
        return {**out["runs"][0], "limits": out["limits"]}

    def close(self):
        pass


KIND = {"brrr": Brrr, "llama": Batch, "ik": Batch, "llama-server": Server}


def measure(report, engines, args):
    for concurrency in map(int, args.concurrency.split(",")):
        case = report["cases"].setdefault(str(concurrency), {})
        for e in engines:
            if e.name not in case:
                compare.say(f"concurrency {concurrency}: choices of {e.name}")
                case[e.name] = {**e.choose(concurrency), "rounds": []}
        done = len(case["brrr"]["rounds"]) if "brrr" in case else 0
        for i in range(done, done + args.rounds):
            for e in engines[i % len(engines):] + engines[:i % len(engines)]:
                got = e.serve(concurrency, case[e.name])
                compare.say(f"concurrency {concurrency}: {e.name} {got['out_tok_s']:.0f} tok/s")
                case[e.name]["rounds"].append(got)
                time.sleep(0.1)


def table(report):
    names = [n for n in KIND if n in report["engines"]]
    print("| output tok/s | " + " | ".join(LABEL[n] for n in names) + " | " +
          " | ".join(f"brrr / {n}" for n in names[1:]) + " |\n" + "|---" * (2 * len(names)) + "|")
    for concurrency, case in report["cases"].items():
        speeds = {n: [r["out_tok_s"] for r in case.get(n, {"rounds": []})["rounds"]] for n in names}
        median = {n: statistics.median(v) if v else float("nan") for n, v in speeds.items()}
        print(f"| concurrency {concurrency} | " + " | ".join(
            f"{median[n]:.0f} ({min(v, default=0):.0f} - {max(v, default=0):.0f})"
            for n, v in speeds.items()) + " | " +
              " | ".join(f"{median['brrr'] / median[n]:.1f}" for n in names[1:]) + " |")


def main():
    a = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("-m", "--model", default=os.environ.get("BRRR_MODEL") or
                   pathlib.Path.home() / ".cache/brrr/SmolLM2-135M-Instruct.Q4_1.gguf")
    a.add_argument("--peers", default="llama ik llama-server")
    a.add_argument("--concurrency", default="8,32")
    a.add_argument("--rounds", type=int, default=3)
    a.add_argument("--threads", type=int, default=2)
    a.add_argument("--add", action="store_true")
    args = a.parse_args()
    args.model = str(args.model)
    report = {"cpu": compare.cpu(), "model": pathlib.Path(args.model).name, "load": LOAD,
              "threads": args.threads, "engines": {}, "cases": {}}
    if args.add and OUT.exists():
        report = json.loads(OUT.read_text())
        if report["model"] != pathlib.Path(args.model).name:
            sys.exit(f"serving_peers.py: {OUT} is about {report['model']}")
    engines = []
    for name in ["brrr", *args.peers.split()]:
        try:
            engines.append(KIND[name](args, name))
        except compare.Failure as e:
            compare.say(f"goes on without {name}: {e}")
    try:
        measure(report, engines, args)
    finally:
        for e in engines:
            report["engines"][e.name] = e.about
            e.close()
    OUT.write_text(json.dumps(report, indent=1) + "\n")
    table(report)


if __name__ == "__main__":
    main()
