#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""peer.py NAME MODEL THREADS: one of the engines that brrr is compared with, driven over a pipe.

Runs with the python of that engine's folder (bench/peers.sh), through its low-level batch
interface. JSON lines: the first one out says who it is, or {"error": ...}; then one answer for
each command, in seconds. The arithmetic that is timed is the engine's, and the greedy choice.

  {"do": "prefill", "n": 512}             read n tokens, logits of the last one
  {"do": "decode", "batch": 8, "n": 64}   sequences of one token each, n - 1 steps timed together
  {"do": "load", "n": 16}                 open the file, read n tokens, choose the next one

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

    def free(self, model, ctx):
        self.lib.llama_free(ctx)
        self.lib.llama_free_model(model)

    def decode(self, ctx, batch):
        if self.lib.llama_decode(ctx, batch) != 0:
            raise RuntimeError("llama_decode failed")
        self.c.llama_synchronize(ctx)

    def logits(self, ctx):
        return self.c.llama_get_logits(ctx)


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

    def answer(self, command):
        choice = {k: command[k] for k in ("fa", "repack", "unified") if k in command}
        kind = command["do"]
        if kind == "load":
            return self.first_token(command["n"], choice)
        run, args = ((self.prefill, (command["n"],)) if kind == "prefill" else
                     (self.decode, (command["batch"], command["n"])))
        key = json.dumps(command, sort_keys=True)
        if key not in self.warm:  # nothing cold is measured
            run(*args, choice)
            self.warm.add(key)
        return run(*args, choice)


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
            say(s=worker.answer(json.loads(line)))
        except Exception as e:
            say(error=f"{type(e).__name__}: {e}")


if __name__ == "__main__":
    main()
