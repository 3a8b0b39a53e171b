# SPDX-License-Identifier: MIT
"""The server over real sockets: OpenAI's and TGI's routes, keys, strictness, clients that leave,
draining."""
import concurrent.futures
import http.client
import json
import signal
import socket
import time

import pytest

KEY = "sk-test-0123456789abcdef"


def ask(server, method, path, body=None, headers=None):
    """(status, headers, body as JSON where it is)"""
    if isinstance(body, str):
        body = body.encode()
    r = server.request(method, path, body, headers, timeout=300)
    try:
        return r.status, r.headers, r.json()
    except ValueError:
        return r.status, r.headers, r.body


def raw(server, data, wait=1.0):
    """What comes back until the server closes, or for `wait` seconds; did it close?"""
    with socket.create_connection((server.host, server.port)) as s:
        s.sendall(data)
        s.settimeout(wait)
        out = b""
        try:
            while chunk := s.recv(65536):
                out += chunk
        except (socket.timeout, ConnectionError):
            return out, False
        return out, True


def events(body):
    return [line[6:] for line in body.decode().split("\n") if line.startswith("data: ")]


def chat(text="Say hi", **more):
    return {"messages": [{"role": "user", "content": text}], "temperature": 0, "max_tokens": 8,
            **more}


def test_chat(smart_server):
    status, _, whole = ask(smart_server, "POST", "/v1/chat/completions", chat())
    assert status == 200 and whole["object"] == "chat.completion"
    assert whole["choices"][0]["finish_reason"] == "length"
    assert whole["usage"]["completion_tokens"] == 8
    status, headers, body = ask(smart_server, "POST", "/v1/chat/completions", chat(
        stream=True, stream_options={"include_usage": True}))
    assert status == 200 and headers["content-type"].startswith("text/event-stream")
    data = events(body)
    assert data[-1] == "[DONE]"
    chunks = [json.loads(d) for d in data[:-1]]
    text = "".join(c["choices"][0]["delta"]["content"] for c in chunks[:-1])
    assert text == whole["choices"][0]["message"]["content"]
    assert chunks[-1]["choices"] == [] and chunks[-1]["usage"]["total_tokens"] == \
        whole["usage"]["total_tokens"]
    # The client of TGI reads the mark as JSON.
    assert b"[DONE]" not in ask(smart_server, "POST", "/v1/chat/completions",
                                       chat(stream=True, model="tgi"))[2]


def test_completions(smart_server):
    body = {"prompt": ["1 2 3", [1, 2, 3]], "max_tokens": 4, "temperature": 0, "logprobs": 2, "n": 2}
    status, _, out = ask(smart_server, "POST", "/v1/completions", body)
    assert status == 200 and [c["index"] for c in out["choices"]] == [0, 1, 2, 3]
    assert out["choices"][0]["text"] == out["choices"][1]["text"]
    lp = out["choices"][0]["logprobs"]
    for chosen, top in zip(lp["token_logprobs"], lp["top_logprobs"]):
        assert chosen == max(top.values())


def test_tgi(smart_server):
    body = {"inputs": "The capital of France is", "parameters": {"max_new_tokens": 4,
                                                                 "details": True}}
    status, headers, out = ask(smart_server, "POST", "/generate", body)
    assert status == 200 and len(out["details"]["tokens"]) == 4
    assert int(headers["x-generated-tokens"]) == 4
    stream = [json.loads(e) for e in events(ask(smart_server, "POST", "/generate_stream", body)[2])]
    assert [e["index"] for e in stream] == [1, 2, 3, 4]
    assert stream[-1]["generated_text"] == out["generated_text"]
    assert ask(smart_server, "POST", "/", body)[2][0]["generated_text"] == out["generated_text"]
    stops = {"inputs": body["inputs"], "parameters": {"max_new_tokens": 4, "stop": ["Paris"]}}
    assert ask(smart_server, "POST", "/generate", stops)[2]["generated_text"].endswith("Paris")


@pytest.mark.parametrize("path, body, word", [
    ("/v1/chat/completions", chat(temperature=3), "temperature"),
    ("/v1/chat/completions", chat(max_tokens=100000), "100000"),
    ("/v1/chat/completions", chat(tools=[{"type": "function"}]), "tools"),
    ("/v1/chat/completions", chat(response_format={"type": "json_object"}), "response_format"),
    ("/v1/chat/completions", {"messages": [{"role": "<|im_end|>", "content": "x"}]}, "role"),
    ("/v1/completions", {}, "prompt"),
    ("/v1/completions", {"prompt": "x", "n": "two"}, "n"),
    ("/v1/completions", {"prompt": [10 ** 9]}, "token id"),
    ("/v1/completions", "{", "JSON"),
    ("/v1/completions", "[" * 5000, "nested"),
])
def test_problems_name_their_field(smart_server, path, body, word):
    status, _, out = ask(smart_server, "POST", path, body)
    assert status == 400 and word in out["error"]["message"]


def test_tgi_problems(smart_server):
    status, _, out = ask(smart_server, "POST", "/generate", {"inputs": "x", "parameters": {"top_p": 1.0}})
    assert status == 422 and out["error_type"] == "validation"
    assert out["error"].startswith("Input validation error: `top_p` must be > 0.0 and < 1.0")


HOST = b"Host: localhost\r\n"
POST = b"POST /v1/completions HTTP/1.1\r\n" + HOST


@pytest.mark.parametrize("status, data", [
    (400, POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x"),
    (400, POST + b"Content-Length: +2\r\n\r\n{}"),
    (400, POST + b"Content-Length : 2\r\n\r\n{}"),
    (400, POST + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n"),
    (501, POST + b"Transfer-Encoding: xchunked\r\n\r\nGET /health HTTP/1.1\r\n\r\n"),
    (400, b"GET /health HTTP/1.1\r\n\r\n"),
    (400, b"GET /health HTTP/1.1\r\n" + HOST + HOST + b"\r\n"),
    (400, b"GET /health HTTP/1.1\r\n" + HOST + b"X: a\x01b\r\n\r\n"),
    (413, POST + b"Content-Length: 99999999\r\n\r\n"),
    (400, b"GET /health HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 40000 + b"\r\n\r\n"),
])
def test_what_could_be_read_in_two_ways_is_refused(smart_server, status, data):
    out, closed = raw(smart_server, data, 5)
    assert closed and out.split()[1] == b"%d" % status and out.count(b"HTTP/1.") == 1


def test_names_from_elsewhere(smart_server):
    assert ask(smart_server, "GET", "/health", headers={"Host": "evil.example"})[0] == 421
    assert ask(smart_server, "POST", "/v1/completions", {"prompt": "x"},
                      {"Origin": "http://evil.example"})[0] == 403
    assert ask(smart_server, "PUT", "/health")[0] == 405
    assert ask(smart_server, "GET", "/%ff")[0] == 404


def idle(smart_server):
    return ask(smart_server, "GET", "/stats")[2]["requests"]["running"] == 0


def test_clients_that_leave(smart_server):
    """Queued, reading the prompt, in the middle of an answer: what was asked is not computed on."""
    body = json.dumps({"prompt": "1 2 3", "max_tokens": 400, "ignore_eos": True,
                       "stream": True}).encode()
    for i in range(20):
        with socket.create_connection((smart_server.host, smart_server.port)) as s:
            s.sendall(POST + b"Content-Length: %d\r\n\r\n" % len(body) + body)
            time.sleep(0.01 * (i % 7))
            s.sendall(b"GET /he")  # the beginning of a next request must not matter
    end = time.time() + 60
    while not idle(smart_server):
        assert time.time() < end, "requests of clients that left still run"
        time.sleep(0.05)
    assert ask(smart_server, "POST", "/v1/completions", {"prompt": "x", "max_tokens": 1})[0] == 200


def test_many_at_once(smart_server):
    body = chat(max_tokens=4)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        out = list(pool.map(lambda _: ask(smart_server, "POST", "/v1/chat/completions", body), range(16)))
    assert {o[0] for o in out} == {200}
    assert len({o[2]["choices"][0]["message"]["content"] for o in out}) == 1


def test_keys(start_server, default_model, tmp_path):
    keys = tmp_path / "keys"
    keys.write_text(f"# who may ask\n{KEY} name=alice requests=2\n")
    mine = {"Authorization": f"Bearer {KEY}"}
    s = start_server(default_model, "-c", 256, "--api-key-file", keys)
    body = {"prompt": "x", "max_tokens": 1}
    assert ask(s, "GET", "/health")[0] == 200
    assert ask(s, "POST", "/v1/completions", body)[0] == 401
    assert ask(s, "POST", "/v1/completions", body, {"Authorization": "Bearer no"})[0] == 401
    assert [ask(s, "POST", "/v1/completions", body, mine)[0] for _ in range(3)] == [200, 200, 429]
    keys.write_text("sk-other-0123456789abcdef\n")
    s.process.send_signal(signal.SIGHUP)
    while "read again" not in s.log():
        time.sleep(0.01)
    assert ask(s, "GET", "/v1/models", headers=mine)[0] == 401


def test_drain(start_server, default_model):
    """What runs ends, nothing new begins, exit code 0."""
    body = chat("Count", max_tokens=60, ignore_eos=True, stream=True)
    s = start_server(default_model, "-c", 256, "--drain-timeout", 600)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        running = [pool.submit(ask, s, "POST", "/v1/chat/completions", body) for _ in range(4)]
        while ask(s, "GET", "/stats")[2]["requests"]["running"] < 4:
            time.sleep(0.005)
        s.process.send_signal(signal.SIGTERM)
        assert all(events(r.result()[2])[-1] == "[DONE]" for r in running)
    assert s.process.wait(60) == 0


def test_clients_that_leave_at_once(start_server):
    """While the request is prepared too: its jobs are not the engine's yet."""
    s = start_server()
    body = json.dumps({"prompt": "hello", "max_tokens": 40, "ignore_eos": True, "n": 3,
                       "stream": True}).encode()
    for i in range(60):
        with socket.create_connection((s.host, s.port)) as c:
            c.sendall(POST + b"Content-Length: %d\r\n\r\n" % len(body) + body)
            time.sleep(0.0002 * (i % 5))
    end = time.time() + 60
    while b"brrr_requests_active 0" not in s.get("/metrics").body:
        assert time.time() < end
        time.sleep(0.05)
    assert s.stop() == 0


def test_reachable_without_keys_is_refused(brrr, default_model):
    p = brrr(["serve", "-m", default_model, "--host", "0.0.0.0", "--port", "0"])
    assert p.returncode == 2 and b"--api-key-file" in p.stderr
