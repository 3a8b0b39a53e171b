# SPDX-License-Identifier: MIT
"""Random small models made here, against a plain double-precision forward pass in numpy.

Nothing outside the repository is needed: the weights come from a seed, the file is written with
the gguf package, and the reference below follows the papers line by line.
"""
import json
import math
import signal
import subprocess
import time
import zlib

import gguf
import numpy as np
import pytest

D, VOCAB, EPS = 64, 128, 1e-5

BASE = {"arch": "llama", "layers": 3, "heads": 4, "kv": 2, "dk": 16, "dv": 16, "rot": 0,
        "ff": 96, "vocab": VOCAB, "window": 0, "rope": {}, "bias": False, "tied": False,
        "divisors": False, "qtype": "F32"}
CASES = {
    "mha": {"kv": 4},
    "gqa, tied": {"tied": True},
    "mqa, wide heads, biases": {"kv": 1, "dk": 32, "dv": 32, "bias": True},
    "one layer, odd widths, biases": {"layers": 1, "heads": 3, "kv": 1, "dk": 24, "dv": 10,
                                      "rot": 6, "ff": 37, "vocab": 131, "bias": True},
    "odd widths, tied, window": {"heads": 5, "kv": 5, "dk": 10, "dv": 22, "rot": 4, "ff": 7,
                                 "vocab": 129, "tied": True, "window": 33},
    "q8_0, odd widths": {"dk": 32, "dv": 8, "rot": 16, "ff": 32, "vocab": 133, "qtype": "Q8_0"},
    "window": {"window": 20},
    "rope linear": {"rope": {"type": "linear", "factor": 2.5}},
    "rope yarn": {"rope": {"type": "yarn", "factor": 4.0, "orig": 64}},
    "rope divisors": {"divisors": True},
    "rope divisors, window": {"divisors": True, "window": 40},
    "gemma 3": {"arch": "gemma3", "layers": 7, "window": 16, "tied": True,
                "rope": {"type": "linear", "factor": 4.0, "base": 1e6}},
    "f16": {"qtype": "F16"},
    "bf16, odd widths": {"qtype": "BF16", "heads": 3, "kv": 1, "ff": 37, "vocab": 131},
    "q8_0": {"qtype": "Q8_0"},
    "q4_1": {"qtype": "Q4_1"},
}


def make_weights(spec, rng):
    heads, kv, dk, dv, ff = (spec[n] for n in ("heads", "kv", "dk", "dv", "ff"))
    shapes = {"attn_q": (heads * dk, D), "attn_k": (kv * dk, D), "attn_v": (kv * dv, D),
              "attn_output": (D, heads * dv),
              "ffn_gate": (ff, D), "ffn_up": (ff, D), "ffn_down": (D, ff)}
    norms = {"attn_norm": D, "ffn_norm": D}
    if spec["arch"] == "gemma3":
        norms |= {"attn_q_norm": spec["dk"], "attn_k_norm": spec["dk"],
                  "post_attention_norm": D, "post_ffw_norm": D}
    w = {"token_embd.weight": rng.normal(0, 0.3, (spec["vocab"], D)), "output_norm.weight":
         rng.uniform(0.5, 1.5, D)}
    if not spec["tied"]:
        w["output.weight"] = rng.normal(0, 0.3, (spec["vocab"], D))
    if spec["divisors"]:
        w["rope_freqs.weight"] = rng.uniform(1, 8, (spec["rot"] or spec["dk"]) // 2)
    for layer in range(spec["layers"]):
        for name, shape in shapes.items():
            w[f"blk.{layer}.{name}.weight"] = rng.normal(0, 1 / math.sqrt(shape[1]), shape)
            if spec["bias"]:
                w[f"blk.{layer}.{name}.bias"] = rng.normal(0, 0.2, shape[0])
        for name, n in norms.items():
            w[f"blk.{layer}.{name}.weight"] = rng.uniform(0.5, 1.5, n)
    return {k: v.astype(np.float32) for k, v in w.items()}


def write(path, spec, weights):
    """Write the file; returns the weights as the file holds them."""
    out, stored = gguf.GGUFWriter(path, spec["arch"]), {}
    qtype = gguf.GGMLQuantizationType[spec["qtype"]]
    out.add_block_count(spec["layers"])
    out.add_embedding_length(D)
    out.add_feed_forward_length(spec["ff"])
    out.add_context_length(256)
    out.add_head_count(spec["heads"])
    out.add_head_count_kv(spec["kv"])
    out.add_key_length(spec["dk"])
    out.add_value_length(spec["dv"])
    out.add_layer_norm_rms_eps(EPS)
    if spec["rot"]:
        out.add_rope_dimension_count(spec["rot"])
    if spec["window"]:
        out.add_sliding_window(spec["window"])
    if spec["rope"]:
        out.add_rope_scaling_type(gguf.RopeScalingType(spec["rope"]["type"]))
        out.add_rope_scaling_factor(spec["rope"]["factor"])
        out.add_rope_freq_base(spec["rope"].get("base", 10000.0))
    if "orig" in spec["rope"]:
        out.add_rope_scaling_orig_ctx_len(spec["rope"]["orig"])
    for name, value in weights.items():
        if value.ndim == 2 and qtype != gguf.GGMLQuantizationType.F32:
            blocks = gguf.quants.quantize(value, qtype)
            out.add_tensor(name, blocks, raw_dtype=qtype)
            stored[name] = gguf.quants.dequantize(blocks, qtype).astype(np.float64)
        else:
            out.add_tensor(name, value)
            stored[name] = value.astype(np.float64)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()
    return stored


def frequencies(spec, w, local):
    n, rope = spec["rot"] or spec["dk"], {} if local else spec["rope"]
    base = 10000.0 if local else rope.get("base", 10000.0)
    f = base ** (-np.arange(0, n, 2) / n)
    if rope.get("type") == "linear":
        return f / rope["factor"], 1.0
    if rope.get("type") == "yarn":
        def pair(turns):
            return n * math.log(rope["orig"] / (turns * 2 * math.pi)) / (2 * math.log(base))
        low, high = max(math.floor(pair(32)), 0), min(math.ceil(pair(1)), n - 1)
        ramp = np.clip((np.arange(n // 2) - low) / (high - low), 0, 1)
        return f / rope["factor"] * ramp + f * (1 - ramp), 0.1 * math.log(rope["factor"]) + 1
    return f / w.get("rope_freqs.weight", 1.0), 1.0


def norm(x, weight):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + EPS) * weight


def rotate(x, freq, scale, neox):
    """x [T, heads, d]; the first 2 * len(freq) of d turn."""
    x, rest = np.split(x, [2 * len(freq)], -1)
    angle = np.arange(len(x))[:, None, None] * freq
    c, s = np.cos(angle) * scale, np.sin(angle) * scale
    half = x.shape[-1] // 2
    a, b = (x[..., :half], x[..., half:]) if neox else (x[..., 0::2], x[..., 1::2])
    turned = (a * c - b * s, a * s + b * c)
    y = np.concatenate(turned, -1) if neox else np.stack(turned, -1).reshape(x.shape)
    return np.concatenate((y, rest), -1)


def attention(q, k, v, window):
    t = np.arange(len(q))
    hidden = (t[None, :] > t[:, None]) | ((t[:, None] - t[None, :] >= window) & (window > 0))
    group = q.shape[1] // k.shape[1]
    out = np.empty((len(q), q.shape[1], v.shape[2]))
    for h in range(q.shape[1]):
        score = q[:, h] @ k[:, h // group].T / math.sqrt(q.shape[2])
        score[hidden] = -np.inf
        p = np.exp(score - score.max(-1, keepdims=True))
        out[:, h] = p / p.sum(-1, keepdims=True) @ v[:, h // group]
    return out.reshape(len(q), -1)


def silu(x):
    return x / (1 + np.exp(-x))


def gelu(x):
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def forward(spec, w, ids):
    gemma = spec["arch"] == "gemma3"
    x = w["token_embd.weight"][ids] * (math.sqrt(D) if gemma else 1)

    def project(layer, name, h):
        y = h @ w[f"blk.{layer}.{name}.weight"].T
        return y + w.get(f"blk.{layer}.{name}.bias", 0)

    for layer in range(spec["layers"]):
        local = gemma and (layer + 1) % 6 != 0
        window = spec["window"] if local or not gemma else 0
        freq, scale = frequencies(spec, w, local)
        h = norm(x, w[f"blk.{layer}.attn_norm.weight"])
        q, k, v = (project(layer, f"attn_{n}", h).reshape(len(ids), -1, spec[width])
                   for n, width in (("q", "dk"), ("k", "dk"), ("v", "dv")))
        if gemma:
            q = norm(q, w[f"blk.{layer}.attn_q_norm.weight"])
            k = norm(k, w[f"blk.{layer}.attn_k_norm.weight"])
        q, k = rotate(q, freq, scale, gemma), rotate(k, freq, scale, gemma)
        y = project(layer, "attn_output", attention(q, k, v, window))
        x = x + (norm(y, w[f"blk.{layer}.post_attention_norm.weight"]) if gemma else y)
        h = norm(x, w[f"blk.{layer}.ffn_norm.weight"])
        act = gelu if gemma else silu
        h = act(project(layer, "ffn_gate", h)) * project(layer, "ffn_up", h)
        y = project(layer, "ffn_down", h)
        x = x + (norm(y, w[f"blk.{layer}.post_ffw_norm.weight"]) if gemma else y)
    head = w.get("output.weight", w["token_embd.weight"])
    return norm(x, w["output_norm.weight"]) @ head.T


def run(brrr, path, request, *options):
    out = brrr(["logits", "-m", path, "--jsonl", *options], input=request)
    assert out.returncode == 0, out.stderr.decode()
    return np.array(json.loads(out.stdout)["top"])


@pytest.mark.parametrize("case", CASES)
def test_against_numpy(brrr, tmp_path, case):
    spec = BASE | CASES[case]
    rng = np.random.default_rng(zlib.crc32(case.encode()))
    path = tmp_path / "tiny.gguf"
    weights = write(path, spec, make_weights(spec, rng))
    ids = rng.integers(0, spec["vocab"], 90)
    want = forward(spec, weights, ids)
    request = json.dumps({"ids": ids.tolist(), "top": 0, "all_positions": True})
    exact, quick = (run(brrr, path, request, *o) for o in (("--precision", "f32"), ()))
    assert np.abs(exact - want).max() <= 2e-4
    # Rounded activations: the error is noise, so its size is what counts.
    def noise(got):
        return np.sqrt(((got - want) ** 2).mean() / (want**2).mean())

    assert noise(quick) <= 0.05
    if spec["qtype"] in ("F32", "F16", "BF16"):
        bf16 = run(brrr, path, request, "--precision", "bf16")
        assert 1e-5 < noise(bf16) <= 0.02


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    path = tmp_path_factory.mktemp("tiny") / "tiny.gguf"
    write(path, BASE, make_weights(BASE, np.random.default_rng(1)))
    return path


@pytest.mark.parametrize("qtype", ["F32", "BF16"])
def test_bf16_has_the_same_bits_everywhere(brrr, tmp_path, qtype):
    spec = BASE | {"qtype": qtype, "heads": 3, "kv": 1, "ff": 131, "vocab": 131}
    path = tmp_path / "tiny.gguf"
    write(path, spec, make_weights(spec, np.random.default_rng(3)))
    ids = np.random.default_rng(4).integers(0, 131, 90).tolist()
    want = None
    for cpu, threads, chunk in (("c", 1, 90), ("avx2", 2, 7), ("avx512", 3, 40), ("", 2, 1)):
        out = brrr(["logits", "-m", path, "--jsonl", "--precision", "bf16", "-t", threads,
                    "--chunk", chunk], env={"BRRR_CPU": cpu},
                   input=json.dumps({"ids": ids, "top": 0, "all_positions": True}))
        assert out.returncode == 0, out.stderr.decode()
        want = want or out.stdout
        assert out.stdout == want, cpu


def test_bench_holds_bf16_against_its_own_peak(brrr, tiny, tmp_path):
    args = ["bench", "-m", tiny, "-p", "8", "-n", "2", "-r", "1", "-q", "--precision", "bf16"]
    out = json.loads(brrr([*args, "-o", "json", "--svg", tmp_path]).stdout)
    assert out["profile"] == "bf16/f16" and out["limits"]["bf16_gmac_s"] > 0
    assert all("int8_share" not in c and c["bf16_share"] > 0 for c in out["cases"])
    assert "bf16 peak" in (tmp_path / "roofline.svg").read_text()
    text = brrr(args).stdout.decode()
    assert "profile bf16/f16" in text and "% of bf16 peak" in text


def answers(brrr, path, *lines, options=()):
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    out = brrr(["run", "-m", path, "--jsonl", "--parallel", "2", *options], input=text,
               timeout=60)
    assert out.returncode == 0, out.stderr.decode()
    return [json.loads(line) for line in out.stdout.splitlines()]


def test_an_error_in_any_alphabet_does_not_stop_the_stream(brrr, tiny):
    """An unknown name is shown cut; half a character at its end once hung the stream."""
    names = ["a" * n + "\u00e9\u20ac" for n in range(58, 66)]
    *bad, good = answers(brrr, tiny, *({"ids": [1], n: 1} for n in names), {"ids": [1, 2]})
    assert all("unknown parameter" in a["error"] for a in bad)
    assert len(good["ids"]) == 128


def test_options_hold_for_lines_that_do_not_say_otherwise(brrr, tiny):
    line = {"ids": [1, 2, 3], "seed": 5}
    hot = line | {"temperature": 1.5, "n_predict": 9}
    want, greedy = answers(brrr, tiny, hot, line | {"n_predict": 4})
    got, own = answers(brrr, tiny, line, line | {"temperature": 0, "n_predict": 4},
                       options=["-n", "9", "--temp", "1.5"])
    assert got["ids"] == want["ids"] and own["ids"] == greedy["ids"] != want["ids"][:4]
    once, = answers(brrr, tiny, line | {"n_predict": 60}, options=["--no-repeat-ngram-size", "1"])
    assert len(set(once["ids"]) | {1, 2, 3}) == 63


def test_a_task_needs_a_template(brrr, tiny):
    for option in (["--task", "summarize"], ["--system", "Be brief."]):
        p = brrr(["run", "-m", tiny, *option, "text"])
        assert p.returncode == 2 and b"no chat template" in p.stderr and not p.stdout


@pytest.mark.parametrize("sent, code", [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_chat_ended_while_it_waits(brrr, tiny, sent, code):
    with subprocess.Popen([brrr.path, "chat", "-q", "-m", tiny], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as p:
        assert b"ChatML" in p.stderr.readline()
        time.sleep(0.3)
        p.send_signal(sent)
        assert p.wait(timeout=20) == code


def test_no_answer_ends_before_min_tokens(brrr, tiny):
    line = {"ids": [1, 2, 3], "temperature": 1.5, "n_predict": 40, "seed": 3,
            "stop_token_ids": list(range(0, 128, 2))}
    short, long, bad = answers(brrr, tiny, line, line | {"min_tokens": 20},
                               line | {"min_new_tokens": 41})
    assert len(short["ids"]) < 20 and short["ids"][-1] % 2 == 0
    assert len(long["ids"]) > 20 and all(i % 2 for i in long["ids"][:20])
    assert "min_tokens is 41, n_predict is 40" in bad["error"]


def test_no_token_is_made_where_none_is_asked_for(brrr, tiny):
    none, one = answers(brrr, tiny, {"ids": [1, 2], "n_predict": 0}, {"ids": [1, 2], "n_predict": 1})
    assert none["ids"] == [] and none["finish_reason"] == "length"
    assert len(one["ids"]) == 1
