# SPDX-License-Identifier: MIT
"""Routes that probes, scripts and tools of other servers ask for; src/server/habits.h, tokenize.h."""
import pytest

HELLO = 262  # "hello" in the tiny model's vocabulary; its other tokens are bytes


@pytest.mark.parametrize("path", ["/health", "/v1/health", "/ping", "/livez", "/readyz"])
def test_probes(server, path):
    r = server.get(path)
    assert (r.status, r.json()) == (200, {"status": "ok"})
    assert server.request("HEAD", path).status == 200
    assert server.post(path, {}).status == 405


def test_info_has_the_fields_of_tgi_and_our_own(server):
    v = server.get("/info").json()
    tgi = ["model_id", "model_sha", "model_pipeline_tag", "max_concurrent_requests", "max_best_of",
           "max_stop_sequences", "max_input_tokens", "max_total_tokens", "validation_workers",
           "max_client_batch_size", "router", "version", "sha", "docker_label"]
    assert set(tgi) <= set(v)
    assert (v["max_total_tokens"], v["max_input_tokens"], v["context"]) == (64, 63, 64)
    assert v["version"] == server.get("/version").json()["version"]
    assert v["numerics"].startswith("q8") and v["parallel"] == 4
    assert v["model_id"] == server.get("/v1/models").json()["data"][0]["id"]


def test_props_and_slots(server):
    v = server.get("/props").json()
    assert v["total_slots"] == 4 and v["default_generation_settings"]["n_ctx"] == 64
    assert "<|im_start|>" in v["chat_template"] and v["bos_token"] == "<s>"
    assert "/" not in v["model_path"], "no paths"
    slots = server.get("/slots").json()
    assert [s["id"] for s in slots] == [0, 1, 2, 3]
    assert not any(s["is_processing"] for s in slots)
    assert set(slots[0]) == {"id", "n_ctx", "speculative", "is_processing"}, "no prompt, no text"


def test_tokenizer_info(server):
    v = server.get("/tokenizer_info").json()
    assert (v["bos_token"], v["eos_token"], v["pad_token"]) == ("<s>", "</s>", None)
    assert v["chat_template"] == server.get("/props").json()["chat_template"]


# --- /tokenize ---

def test_tokenize_as_tgi(server):
    text = "hello hello <s>é"
    got = server.post("/tokenize", {"inputs": text}).json()
    raw = text.encode()
    assert [t["id"] for t in got[:3:2]] == [HELLO, HELLO]
    assert [(t["start"], t["stop"]) for t in got[:3]] == [(0, 5), (5, 6), (6, 11)]
    for t in got:
        assert t["text"] == raw[t["start"]:t["stop"]].decode(errors="replace")
    assert got[-1]["stop"] == len(raw)
    assert [t["text"] for t in got[4:7]] == ["<", "s", ">"], "special tokens in a text are text"
    last = server.post("/tokenize", {"inputs": text, "parameters": {"truncate": 2}}).json()
    assert [t["id"] for t in last] == [t["id"] for t in got[-2:]]


def test_tokenize_as_vllm(server):
    got = server.post("/tokenize", {"prompt": "hello "}).json()
    assert got == {"count": 2, "max_model_len": 64, "tokens": [HELLO, 35], "token_strs": None}
    got = server.post("/tokenize", {"prompt": "hello ", "return_token_strs": True}).json()
    assert got["token_strs"] == ["hello", " "]
    chat = {"messages": [{"role": "user", "content": "hello"}]}
    ids = server.post("/tokenize", chat).json()["tokens"]
    assert HELLO in ids
    places = server.post("/chat_tokenize", chat).json()
    assert [t["id"] for t in places["tokenize_response"]] == ids
    assert places["templated_text"].startswith("<|im_start|>user\nhello<|im_end|>\n")
    assert "".join(t["text"] for t in places["tokenize_response"]) == places["templated_text"]
    assert server.request("GET", "/chat_tokenize", chat).json() == places


def test_tokenize_as_llama_cpp(server):
    assert server.post("/tokenize", {"content": "hello "}).json() == {"tokens": [HELLO, 35]}
    got = server.post("/tokenize", {"content": "hello", "with_pieces": True}).json()
    assert got == {"tokens": [{"id": HELLO, "piece": "hello"}]}
    marked = {"content": "<s>", "parse_special": True}
    assert len(server.post("/tokenize", marked).json()["tokens"]) == 1
    assert len(server.post("/tokenize", {"content": "<s>"}).json()["tokens"]) == 3


def test_tokens_and_back(server):
    for text in ["", "hello", "é\n\u2028\u0085 \U0001f600", "<s></s>"]:
        ids = server.post("/tokenize", {"prompt": text}).json()["tokens"]
        r = server.post("/detokenize", {"tokens": ids})
        assert r.json() == {"prompt": text, "content": text}
        assert not set("\u2028\u0085") & set(r.body.decode())
    broken = server.post("/tokenize", {"prompt": "é"}).json()["tokens"][:1]
    assert server.post("/detokenize", {"tokens": broken}).json()["content"] == "\ufffd"


def test_bos_where_the_model_asks_for_it(start_server, gemma_model):
    server = start_server(gemma_model, "--ctx", 256)
    with_bos = server.post("/tokenize", {"prompt": "hi there"}).json()["tokens"]
    without = server.post("/tokenize", {"prompt": "hi there", "add_special_tokens": False}).json()
    assert with_bos == [2] + without["tokens"]
    tgi = server.post("/tokenize", {"inputs": "hi there"}).json()
    assert [t["id"] for t in tgi] == with_bos
    assert [(t["text"], t["start"], t["stop"]) for t in tgi] == [("", 0, 0), ("hi", 0, 2),
                                                                  (" there", 2, 8)]
    llama = server.post("/tokenize", {"content": "hi there"}).json()["tokens"]
    assert llama == without["tokens"]


@pytest.mark.parametrize("path, body, status, word", [
    ("/tokenize", {}, 400, "inputs"),
    ("/tokenize", {"inputs": None, "prompt": None}, 400, "`content` is missing"),
    ("/tokenize", {"inputs": 5}, 422, "inputs"),
    ("/tokenize", {"inputs": "a", "parameters": 5}, 422, "parameters"),
    ("/tokenize", {"inputs": "a", "parameters": {"truncate": 0}}, 422, "truncate"),
    ("/tokenize", {"prompt": ["a"]}, 400, "prompt"),
    ("/tokenize", {"prompt": "a", "add_special_tokens": 1}, 400, "add_special_tokens"),
    ("/tokenize", {"prompt": "a", "model": "other"}, 404, "other"),
    ("/tokenize", {"messages": []}, 400, "messages"),
    ("/tokenize", {"messages": [{"role": "king"}]}, 400, "messages[0].role"),
    ("/tokenize", {"content": {}}, 400, "content"),
    ("/chat_tokenize", {}, 422, "messages"),
    ("/chat_tokenize", {"messages": [{"role": "user", "content": 5}]}, 422, "content"),
    ("/detokenize", {}, 400, "tokens"),
    ("/detokenize", {"tokens": "a"}, 400, "tokens"),
    ("/detokenize", {"tokens": [1, 263]}, 400, "entry 1"),
    ("/detokenize", {"tokens": [-1]}, 400, "entry 0"),
    ("/detokenize", {"tokens": [1e300]}, 400, "entry 0"),
    ("/invocations", {"x": 1}, 422, "inputs"),
])
def test_what_is_wrong_is_said(server, path, body, status, word):
    r = server.post(path, body)
    assert r.status == status
    error = r.json()["error"]
    assert word in (error if status == 422 else error["message"])


def test_long_texts_have_a_limit(server):
    r = server.post("/tokenize", {"prompt": "x" * (1 << 20)})
    assert r.json()["count"] == 1 << 20
    r = server.post("/tokenize", {"inputs": "x" * ((1 << 20) + 1)})
    assert r.status == 422 and "1048577 tokens; 1048576 at most" in r.json()["error"]


def test_invocations_choose_a_dialect_by_key(server):
    r = server.post("/invocations", {"inputs": "hello", "parameters": {"max_new_tokens": 2}}).json()
    assert list(r[0]) == ["generated_text"]
    chat = {"messages": [{"role": "user", "content": "a"}], "max_tokens": 2}
    assert server.post("/invocations", chat).json()["object"] == "chat.completion"
    text = {"prompt": "hello", "max_tokens": 2}
    assert server.post("/invocations", text).json()["object"] == "text_completion"
    last = server.post("/invocations", {**text, "stream": True}).events()[-1]
    assert last == "[DONE]"
