# SPDX-License-Identifier: MIT
"""GET /metrics (src/server/prom.def), and the Grafana board that reads it."""
import http.client
import json
import os
import pathlib
import re
import shutil
import subprocess
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BOARD = ROOT / "packaging/grafana/brrr.json"
PROMTOOL = ROOT / "build/prometheus/usr/bin/promtool"  # put there by test.sh
SAMPLE = re.compile(r'([a-zA-Z_:][\w:]*)(?:\{((?:\w+="(?:[^"\\\n]|\\.)*",?)*)\})? (\S+)')
# What boards made for vLLM and TGI read.
VLLM = """num_requests_running num_requests_waiting kv_cache_usage_perc prefix_cache_queries_total
prefix_cache_hits_total prompt_tokens_total generation_tokens_total time_to_first_token_seconds
inter_token_latency_seconds time_per_output_token_seconds e2e_request_latency_seconds
request_queue_time_seconds request_prefill_time_seconds request_decode_time_seconds
request_inference_time_seconds iteration_tokens_total request_success_total num_preemptions_total
request_prompt_tokens request_generation_tokens request_params_max_tokens
spec_decode_num_drafts_total spec_decode_num_draft_tokens_total
spec_decode_num_accepted_tokens_total spec_decode_num_accepted_tokens_per_pos_total""".split()
TGI = """queue_size batch_current_size batch_current_max_tokens batch_max_total_tokens request_count
request_success request_failure request_duration request_queue_duration request_validation_duration
request_inference_duration request_mean_time_per_token_duration request_input_length
request_generated_tokens request_max_new_tokens batch_inference_count batch_inference_duration
batch_forward_duration batch_next_size""".split()


def scrape(server):
    """{family: type} and {(name, labels): value}; the exposition's own rules are checked."""
    r = server.get("/metrics")
    assert r.status == 200
    assert r.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    types, samples, family = {}, {}, None
    for line in r.body.decode().splitlines():
        if line.startswith("# HELP "):
            family = line.split()[2]
            assert family not in types, f"{family} twice"
        elif line.startswith("# TYPE "):
            assert line.split()[2] == family
            types[family] = line.split()[3]
        else:
            m = SAMPLE.fullmatch(line)
            assert m, line
            stem = re.sub("_(bucket|sum|count)$", "", m[1]) if types[family] == "histogram" else m[1]
            assert stem == family, line
            assert (m[1], m[2] or "") not in samples, line
            samples[m[1], m[2] or ""] = float(m[3])
    return types, samples


def total(samples, name):
    return sum(v for (n, _), v in samples.items() if n == name)


def ends(samples):
    return {k[1].split('"')[1]: v for k, v in samples.items() if k[0] == "brrr_requests_total"}


def leave(server, body):
    """Ask for a stream, read a little, and go."""
    c = http.client.HTTPConnection(server.host, server.port, timeout=60)
    c.request("POST", "/v1/completions", json.dumps(body))
    r = c.getresponse()
    r.read(1)
    r.close()
    c.close()


def test_names_of_vllm_and_tgi(server):
    types, samples = scrape(server)
    assert {f"vllm:{n}" for n in VLLM} | {f"tgi_{n}" for n in TGI} <= set(types)
    for name, labels in samples:
        if name.startswith("vllm:"):
            assert 'model_name="llama",engine="0"' in labels


def test_what_is_counted(start_server):
    server = start_server(None, "--parallel", 2, "--speculate", "ngram")
    before = scrape(server)[1]
    assert total(before, "brrr_requests_received_total") == 0
    text = {"prompt": "hello hello hello", "max_tokens": 10, "ignore_eos": True}
    for _ in range(3):
        assert server.post("/v1/completions", text).status == 200
    assert server.post("/v1/completions", {**text, "stream": True}).events()[-1] == "[DONE]"
    assert server.post("/tokenize", {"prompt": "hello"}).status == 200
    assert server.post("/v1/completions", {"prompt": 5}).status == 400
    assert server.post("/generate", {"inputs": "a", "parameters": {"top_p": 2}}).status == 422
    assert server.get("/nothing").status == 404
    types, now = scrape(server)
    assert total(now, "brrr_requests_received_total") == total(now, "tgi_request_count") == 7
    assert ends(now) == {"ok": 5, "error": 0, "rejected": 2, "cancelled": 0}
    assert total(now, "brrr_requests_active") == 0
    assert now["tgi_request_failure", 'err="validation"'] == 2
    assert now["brrr_request_problems_total", 'kind="INVALID"'] == 2
    assert now["brrr_answers_total", 'finish="length"'] == 4
    for name in ("brrr_generation_tokens_total", "vllm:generation_tokens_total",
                 "brrr_request_generation_tokens_sum", "tgi_request_generated_tokens_sum"):
        assert total(now, name) == 40, name
    assert total(now, "brrr_prompt_tokens_total") == total(now, "brrr_request_prompt_tokens_sum")
    for name in ("time_to_first_token_seconds", "request_seconds", "request_prefill_seconds"):
        assert total(now, f"brrr_{name}_count") == 4, name
    assert total(now, "brrr_inter_token_latency_seconds_count") == 36
    assert now["brrr_http_answers_total", 'class="4xx"'] == 3
    assert now["brrr_http_answers_total", 'class="2xx"'] == 6
    assert total(now, "brrr_spec_draft_tokens_per_pos_total") == \
        total(now, "brrr_spec_draft_tokens_total")
    assert total(now, "brrr_steps_total") == total(now, "brrr_step_seconds_count") > 0
    for name, kind in types.items():
        if kind == "counter":
            for (n, labels), v in before.items():
                assert n != name or now[n, labels] >= v


def test_histograms_add_up(server):
    server.post("/v1/completions", {"prompt": "hello", "max_tokens": 3})
    types, samples = scrape(server)
    buckets = {}
    for (name, labels), v in samples.items():
        if name.endswith("_bucket"):
            rest, bound = re.fullmatch(r'(.*?),?le="([^"]*)".*', labels).groups()
            buckets.setdefault((name[:-7], rest), []).append((float(bound), v))
    assert {name for name, _ in buckets} == {n for n, t in types.items() if t == "histogram"}
    for (name, rest), rows in buckets.items():
        assert rows == sorted(rows), name
        assert [v for _, v in rows] == sorted(v for _, v in rows), name
        assert rows[-1][0] == float("inf")
        counts = [v for (n, labels), v in samples.items()
                  if n == f"{name}_count" and labels.startswith(rest)]
        assert rows[-1][1] in counts


def test_the_share_of_the_roofline_needs_a_plan(start_server, brrr, tmp_path):
    model, env = ROOT / "tests/fuzz/corpus/model/llama.gguf", {"XDG_CACHE_HOME": tmp_path}
    text = {"prompt": "hello", "max_tokens": 3}
    server = start_server(model, env=env)
    server.post("/v1/completions", text)
    assert not [n for n, _ in scrape(server)[1] if n.startswith(("brrr_roofline", "brrr_machine"))]
    assert brrr(["tune", "-m", model], env=env).returncode == 0
    server = start_server(model, env=env)
    server.post("/v1/completions", text)
    now = scrape(server)[1]
    assert 0 < now["brrr_roofline_ratio", 'kind="decode"'] < 10
    assert total(now, "brrr_machine_multiply_adds_per_second") > 1e6


def test_a_client_that_leaves_is_counted_once(start_server):
    server = start_server(None, "--parallel", 1)
    body = {"prompt": "hello", "max_tokens": 60, "ignore_eos": True, "stream": True}
    for _ in range(5):
        leave(server, body)
    for _ in range(100):
        _, now = scrape(server)
        if total(now, "brrr_requests_active") == 0:
            break
        time.sleep(0.05)
    got = ends(now)
    assert sum(got.values()) == total(now, "brrr_requests_received_total") == 5
    assert got["error"] == got["rejected"] == 0
    assert got["cancelled"] == now["brrr_http_dropped_total", 'why="gone"']


def promtool():
    path = shutil.which("promtool") or (PROMTOOL if PROMTOOL.exists() else None)
    if not path:
        pytest.skip("promtool of Debian's package prometheus is not here: ./test.sh promtool")
    return path


def test_promtool_reads_it(server):
    text = server.get("/metrics").body
    p = subprocess.run([promtool(), "check", "metrics"], input=text, capture_output=True,
                       check=False)
    # 3: it was read, and a name is not as Prometheus would have it: theirs, never ours.
    assert p.returncode in (0, 3), p.stderr
    said = (p.stdout + p.stderr).decode().splitlines()
    assert not [line for line in said if not line.startswith(("vllm:", "tgi_"))], said


def test_names_are_escaped(start_server, tmp_path):
    odd = tmp_path / 'od"d\\ name.gguf'
    os.symlink(ROOT / "tests/fuzz/corpus/model/llama.gguf", odd)
    _, samples = scrape(start_server(odd))
    info = [labels for name, labels in samples if name == "brrr_info"][0]
    assert r'model="od\"d\\ name"' in info


# --- the board ---

def expressions(panels):
    for p in panels:
        yield from (t["expr"] for t in p.get("targets", []))
        yield from expressions(p.get("panels", []))


def test_the_board_reads_what_is_there(start_server):
    types, samples = scrape(start_server(None, "--speculate", "ngram"))
    board = json.loads(BOARD.read_text())
    exprs = list(expressions(board["panels"]))
    assert len(exprs) > 30
    names = {n for e in exprs for n in re.findall(r"\bbrrr_\w+|\bprocess_\w+", e)}
    have = {n for n, _ in samples} | {n for n, t in types.items() if t != "histogram"}
    assert names <= have
    labels = {n for e in exprs for n in re.findall(r"by \(([\w, ]+)\)", e)}
    known = set(re.findall(r'(\w+)="', " ".join(labels for _, labels in samples)))
    assert {w.strip() for group in labels for w in group.split(",")} <= known
    ids = [p["id"] for p in board["panels"]]
    assert len(ids) == len(set(ids))
    assert board["uid"] == "brrr" and board["id"] is None


def test_the_board_is_promql(tmp_path):
    rules = [{"record": f"x{i}", "expr": e.replace("$__rate_interval", "1m")}
             for i, e in enumerate(expressions(json.loads(BOARD.read_text())["panels"]))]
    file = tmp_path / "rules.json"  # JSON is YAML
    file.write_text(json.dumps({"groups": [{"name": "board", "rules": rules}]}))
    p = subprocess.run([promtool(), "check", "rules", file], capture_output=True, check=False)
    assert p.returncode == 0, p.stdout + p.stderr
