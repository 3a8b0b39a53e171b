#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""peer.py NAME MODEL THREADS: one of the engines that brrr is compared with, driven over a pipe.

Runs with the python of that engine's folder (bench/peers.sh), through its low-level batch
interface. JSON lines: the first one out says who it is, or {"error": ...}; then one answer for
each command, in seconds. The arithmetic that is timed is the engine's, and the greedy choice.

  {"do": "prefill", "n": 512}             read n tokens, logits of the last one
  {"do": "decode", "batch": 8, "n": 64}   sequences of one token each, n - 1 steps timed together
  {"do": "load", "n": 16}                 open the file, read n tokens, choose the next one
  {"do": "serve", "requests": 64, "concurrency": 32, "n_prompt": 329, "n_prefix": 219, "n": 64}
                                          a load of requests; see Serving. Answers with the time
                                          inside the engine and in the greedy choice as well

and the choices: "fa" (flash attention), "repack" (ik: re-pack the weights at load), "unified"
(llama: one cache for all sequences). `variants` of a case in the first line says which there are.
"""
import ctypes
import importlib.metadata
import json
import os
import sys
import time

import numpy as np


def nth_token(i, n_vocab):
    """The ids that `brrr bench` reads."""
    return (((i * 2654435761 + 12345) & 0xffffffff) >> 8) % n_vocab


class Llama:
    """llama-cpp-python."""
    package = "llama-cpp-python"

    def __init__(self, path, n_threads):
        import llama_cpp.llama_cpp as lib
        self.lib, self.path, self.n_threads = lib, path.encode(), n_threads
        self.quiet = lib.llama_log_callback(lambda level, text, data: None)
        lib.llama_log_set(self.quiet, None)
        lib.llama_backend_init()

    def variants(self, batch):
        return [{"fa": fa, "unified": u} for fa in (1, 0) for u in ((0, 1) if batch > 1 else (0,))]

    def system_info(self):
        return self.lib.llama_print_system_info().decode()

    def load(self, choice):
        return self.lib.llama_model_load_from_file(self.path, self.lib.llama_model_default_params())

    def n_vocab(self, model):
        return self.lib.llama_vocab_n_tokens(self.lib.llama_model_get_vocab(model))

    def context(self, model, n_ctx, n_seq, choice):
        p = self.lib.llama_context_default_params()
        p.n_ctx, p.n_seq_max, p.n_batch = n_ctx, n_seq, max(n_ctx, n_seq)
        p.n_threads = p.n_threads_batch = self.n_threads
        p.flash_attn_type = choice.get("fa", -1)
        p.kv_unified = bool(choice.get("unified", 0))
        return self.lib.llama_init_from_model(model, p)

    def clear(self, ctx):
        self.lib.llama_memory_clear(self.lib.llama_get_memory(ctx), True)

    def copy_sequence(self, ctx, source, to):
        self.lib.llama_memory_seq_cp(self.lib.llama_get_memory(ctx), source, to, -1, -1)

    def remove_sequence(self, ctx, seq):
        self.lib.llama_memory_seq_rm(self.lib.llama_get_memory(ctx), seq, -1, -1)

    def free(self, model, ctx):
        self.lib.llama_free(ctx)
        self.lib.llama_model_free(model)

    def decode(self, ctx, batch):
        if self.lib.llama_decode(ctx, batch) != 0:
            raise RuntimeError("llama_decode failed")
        self.lib.llama_synchronize(ctx)

    def logits(self, ctx):
        return self.lib.llama_get_logits(ctx)


class Ik(Llama):
    """ik-llama-cpp-python: the same names in C, other structures."""
    package = "ik-llama-cpp-python"

    def __init__(self, path, n_threads):
        import ik_llama_cpp._ctypes_api as lib
        self.lib, self.path, self.n_threads = lib, path.encode(), n_threads
        self.c = lib._lib
        callback = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
        self.quiet = callback(lambda level, text, data: None)
        self.c.llama_log_set.argtypes = [callback, ctypes.c_void_p]
        self.c.llama_log_set(self.quiet, None)
        self.c.llama_print_system_info.restype = ctypes.c_char_p
        self.c.llama_synchronize.argtypes = [ctypes.c_void_p]
        self.c.llama_get_logits.argtypes = [ctypes.c_void_p]
        self.c.llama_get_logits.restype = ctypes.POINTER(ctypes.c_float)
        number = ctypes.c_int32
        self.c.llama_kv_cache_seq_cp.argtypes = [ctypes.c_void_p, *[number] * 4]
        self.c.llama_kv_cache_seq_cp.restype = None
        self.c.llama_kv_cache_seq_rm.argtypes = [ctypes.c_void_p, *[number] * 3]
        self.c.llama_kv_cache_seq_rm.restype = ctypes.c_bool
        lib.llama_backend_init()

    def variants(self, batch):
        return [{"fa": fa, "repack": r} for fa in (1, 0) for r in (0, 1)]

    def system_info(self):
        return self.c.llama_print_system_info().decode()

    def load(self, choice):
        p = self.lib.llama_model_default_params()
        p.repack_tensors = bool(choice.get("repack", 0))
        p.use_mmap = not p.repack_tensors
        return self.lib.llama_model_load_from_file(self.path, p)

    def context(self, model, n_ctx, n_seq, choice):
        p = self.lib.llama_context_default_params()
        p.n_ctx, p.n_seq_max, p.n_batch = n_ctx, n_seq, max(n_ctx, n_seq)
        p.n_threads = p.n_threads_batch = self.n_threads
        p.flash_attn = bool(choice.get("fa", p.flash_attn))
        return self.lib.llama_init_from_model(model, p)

    def clear(self, ctx):
        self.lib.llama_kv_cache_clear(ctx)

    def copy_sequence(self, ctx, source, to):
        self.c.llama_kv_cache_seq_cp(ctx, source, to, -1, -1)

    def remove_sequence(self, ctx, seq):
        self.c.llama_kv_cache_seq_rm(ctx, seq, -1, -1)

    def free(self, model, ctx):
        self.lib.llama_free(ctx)
        self.lib.llama_free_model(model)

    def decode(self, ctx, batch):
        if self.lib.llama_decode(ctx, batch) != 0:
            raise RuntimeError("llama_decode failed")
        self.c.llama_synchronize(ctx)

    def logits(self, ctx):
        return self.c.llama_get_logits(ctx)


class Serving:
    """The strongest use of a batch interface that we know for requests with a common beginning:
    it is computed once and its cells are shared, a slot is filled again in the step after its
    answer ended, and the prompts of all such slots ride on the tokens of the others."""

    def __init__(self, engine, ctx, n_vocab, load):
        self.engine, self.ctx, self.n_vocab, self.load = engine, ctx, n_vocab, load
        self.n_slot, self.n_own = load["concurrency"], load["n_prompt"] - load["n_prefix"]
        self.cap = max(load["n_prefix"], self.n_slot * self.n_own)
        self.batch = engine.lib.llama_batch_init(self.cap, 0, 1)
        view = np.ctypeslib.as_array
        self.token, self.pos = view(self.batch.token, (self.cap,)), view(self.batch.pos, (self.cap,))
        self.want, self.n_seq = (view(self.batch.logits, (self.cap,)),
                                 view(self.batch.n_seq_id, (self.cap,)))
        self.n_seq[:] = 1
        self.inside = self.choosing = 0.0
        self.steps = self.made = 0

    def put(self, n, ids, seq, pos):
        """Rows of one sequence behind n rows; only the last one needs logits."""
        end = n + len(ids)
        self.token[n:end], self.pos[n:end] = ids, range(pos, pos + len(ids))
        self.want[n:end] = 0
        self.want[end - 1] = 1
        for i in range(n, end):
            self.batch.seq_id[i][0] = seq
        return end

    def step(self, n, n_out):
        """The likeliest token of each of n_out sequences that n rows belong to."""
        self.batch.n_tokens = n
        t0 = time.perf_counter()
        self.engine.decode(self.ctx, self.batch)
        t1 = time.perf_counter()
        rows = np.ctypeslib.as_array(self.engine.logits(self.ctx), (n_out, self.n_vocab))
        ids = rows.argmax(axis=1)
        self.choosing += time.perf_counter() - t1
        self.inside += t1 - t0
        self.steps += 1
        return ids

    def own(self, request):
        return [nth_token(1000 * (request + 1) + i, self.n_vocab) for i in range(self.n_own)]

    def run(self):
        load, keeper = self.load, self.n_slot
        prompts = [self.own(r) for r in range(load["requests"])]
        t0 = time.perf_counter()
        if load["n_prefix"]:
            self.step(self.put(0, [nth_token(i, self.n_vocab) for i in range(load["n_prefix"])],
                               keeper, 0), 1)
        left = {}  # slot: tokens to make
        newest = np.zeros(self.n_slot, dtype=np.int32)
        while prompts or left:
            n, order = 0, []
            for slot in range(self.n_slot):
                if slot in left:
                    at = load["n_prompt"] + load["n"] - left[slot] - 1
                    n = self.put(n, newest[slot:slot + 1], slot, at)
                elif prompts:
                    if load["n_prefix"]:
                        self.engine.copy_sequence(self.ctx, keeper, slot)
                    n = self.put(n, prompts.pop(0), slot, load["n_prefix"])
                    left[slot] = load["n"]
                else:
                    continue
                order.append(slot)
            newest[order] = self.step(n, len(order))
            self.made += len(order)
            for slot in order:
                left[slot] -= 1
                if left[slot] == 0:
                    del left[slot]
                    self.engine.remove_sequence(self.ctx, slot)
        s = time.perf_counter() - t0
        self.engine.lib.llama_batch_free(self.batch)
        return {"s": s, "inside_s": self.inside, "choice_s": self.choosing, "made": self.made,
                "steps": self.steps}


class Worker:
    def __init__(self, engine):
        self.engine, self.models, self.contexts, self.warm = engine, {}, {}, set()

    def model(self, choice):
        key = choice.get("repack", 0)
        if key not in self.models:
            self.models[key] = self.engine.load(choice)
            if not self.models[key]:
                raise RuntimeError("the model does not load")
        return self.models[key]

    def context(self, n_ctx, n_seq, choice):
        key = (n_ctx, n_seq, json.dumps(choice, sort_keys=True))
        if key not in self.contexts:
            ctx = self.engine.context(self.model(choice), n_ctx, n_seq, choice)
            if not ctx:
                raise RuntimeError(f"no context for {n_seq} sequences, {n_ctx} tokens")
            self.contexts[key] = ctx
        self.engine.clear(self.contexts[key])
        return self.contexts[key]

    def batch(self, ids, seqs, pos, want):
        """One row for each (id, sequence, position, wants logits)."""
        b = self.engine.lib.llama_batch_init(len(ids), 0, 1)
        b.n_tokens = len(ids)
        for i, row in enumerate(zip(ids, seqs, pos, want)):
            b.token[i], b.seq_id[i][0], b.pos[i], b.logits[i] = row
            b.n_seq_id[i] = 1
        return b

    def rows(self, ctx, n, n_vocab):
        return np.ctypeslib.as_array(self.engine.logits(ctx), (n, n_vocab))

    def read(self, ctx, ids, n_vocab, every=False):
        """A fresh sequence: seconds, and the rows of logits."""
        want = [1 if every else 0] * (len(ids) - 1) + [1]
        b = self.batch(ids, [0] * len(ids), range(len(ids)), want)
        t0 = time.perf_counter()
        self.engine.decode(ctx, b)
        rows = self.rows(ctx, len(ids) if every else 1, n_vocab)
        rows[-1].argmax()
        s = time.perf_counter() - t0
        self.engine.lib.llama_batch_free(b)
        return s, rows

    def prefill(self, n, choice):
        n_vocab = self.engine.n_vocab(self.model(choice))
        ids = [nth_token(i, n_vocab) for i in range(n)]
        return self.read(self.context(max(n, 256), 1, choice), ids, n_vocab)[0]

    def decode(self, batch, n, choice):
        n_vocab = self.engine.n_vocab(self.model(choice))
        ctx = self.context(batch * max(256, n + 1), batch, choice)
        ids = [nth_token(0, n_vocab)] * batch
        b = self.batch(ids, range(batch), [0] * batch, [1] * batch)
        for step in range(n):
            if step == 1:
                t0 = time.perf_counter()
            for i in range(batch):
                b.token[i], b.pos[i] = ids[i], step
            self.engine.decode(ctx, b)
            ids = self.rows(ctx, batch, n_vocab).argmax(axis=1).tolist()
        s = time.perf_counter() - t0
        self.engine.lib.llama_batch_free(b)
        return s

    def first_token(self, n, choice):
        t0 = time.perf_counter()
        model = self.engine.load(choice)
        ctx = self.engine.context(model, 256, 1, choice)
        n_vocab = self.engine.n_vocab(model)
        self.read(ctx, [nth_token(i, n_vocab) for i in range(n)], n_vocab)
        s = time.perf_counter() - t0
        self.engine.free(model, ctx)
        return s

    def serve(self, load, choice):
        n_seq = load["concurrency"] + (load["n_prefix"] > 0)
        each = -(-(load["n_prompt"] + load["n"]) // 256) * 256
        ctx = self.context(n_seq * each, n_seq, choice)
        return Serving(self.engine, ctx, self.engine.n_vocab(self.model(choice)), load).run()

    def answer(self, command):
        choice = {k: command[k] for k in ("fa", "repack", "unified") if k in command}
        kind = command["do"]
        if kind == "load":
            return {"s": self.first_token(command["n"], choice)}
        if kind == "serve":
            return self.serve(command, choice)
        run, args = ((self.prefill, (command["n"],)) if kind == "prefill" else
                     (self.decode, (command["batch"], command["n"])))
        key = json.dumps(command, sort_keys=True)
        if key not in self.warm:  # nothing cold is measured
            run(*args, choice)
            self.warm.add(key)
        return {"s": run(*args, choice)}


def private_stdout():
    """The pipe to whoever asked, for answers only: what else a library or a debugger that it
    starts prints goes to standard error."""
    pipe = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return pipe


def main():
    pipe = private_stdout()

    def say(**what):
        print(json.dumps(what), file=pipe, flush=True)

    name, path, n_threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
    kind = Ik if name.startswith("ik") else Llama
    try:
        worker = Worker(kind(path, n_threads))
        worker.model({})
        say(name=name, package=kind.package, version=importlib.metadata.version(kind.package),
            system_info=worker.engine.system_info(),
            variants={str(b): worker.engine.variants(b) for b in (1, 2)})
    except Exception as e:
        say(error=f"{type(e).__name__}: {e}")
        return
    for line in sys.stdin:
        try:
            say(**worker.answer(json.loads(line)))
        except Exception as e:
            say(error=f"{type(e).__name__}: {e}")


if __name__ == "__main__":
    main()
