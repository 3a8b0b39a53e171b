# SPDX-License-Identifier: MIT
"""The server over real sockets: OpenAI's and TGI's routes, keys, strictness, clients that leave,
draining. One server serves the module; those that need options of their own start another."""
import concurrent.futures
import http.client
import json
import re
import signal
import socket
import subprocess
import time

import pytest

from conftest import binary, clean_env

KEY = "sk-test-0123456789abcdef"


class Server:
    """`brrr serve` on a free port; ends it when left."""

    def __init__(self, model, *args):
        self.p = subprocess.Popen([str(binary()), "serve", "-m", str(model), "--port", "0", "-q",
                                   "--alias", "tiny", *args], stderr=subprocess.PIPE,
                                  stdin=subprocess.DEVNULL, env=clean_env(), text=True)
        line = ""
        while "listening on" not in line:
            line = self.p.stderr.readline()
            assert line, f"the server ended with {self.p.wait()}"
        self.port = int(re.search(r":(\d+)$", line.strip()).group(1))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.p.kill()
        self.p.wait()
        self.p.stderr.close()

    def ask(self, method, path, body=None, headers=None, timeout=300):
        """(status, headers, body as JSON where it is)"""
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        c.request(method, path, body, headers or {})
        r = c.getresponse()
        data = r.read()
        c.close()
        try:
            return r.status, r.headers, json.loads(data)
        except ValueError:
            return r.status, r.headers, data

    def raw(self, data, wait=1.0):
        """What comes back until the server closes, or for `wait` seconds."""
        with socket.create_connection(("127.0.0.1", self.port)) as s:
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


@pytest.fixture(scope="module")
def server(default_model):
    with Server(default_model, "-c", "512") as s:
        yield s


def chat(text="Say hi", **more):
    return {"messages": [{"role": "user", "content": text}], "temperature": 0, "max_tokens": 8,
            **more}


def test_chat(server):
    status, _, whole = server.ask("POST", "/v1/chat/completions", chat())
    assert status == 200 and whole["object"] == "chat.completion"
    assert whole["choices"][0]["finish_reason"] == "length"
    assert whole["usage"]["completion_tokens"] == 8
    status, headers, body = server.ask("POST", "/v1/chat/completions", chat(
        stream=True, stream_options={"include_usage": True}))
    assert status == 200 and headers["Content-Type"].startswith("text/event-stream")
    data = events(body)
    assert data[-1] == "[DONE]"
    chunks = [json.loads(d) for d in data[:-1]]
    text = "".join(c["choices"][0]["delta"]["content"] for c in chunks[:-1])
    assert text == whole["choices"][0]["message"]["content"]
    assert chunks[-1]["choices"] == [] and chunks[-1]["usage"]["total_tokens"] == \
        whole["usage"]["total_tokens"]
    # The client of TGI reads the mark as JSON.
    assert b"[DONE]" not in server.ask("POST", "/v1/chat/completions",
                                       chat(stream=True, model="tgi"))[2]


def test_completions(server):
    ask = {"prompt": ["1 2 3", [1, 2, 3]], "max_tokens": 4, "temperature": 0, "logprobs": 2, "n": 2}
    status, _, out = server.ask("POST", "/v1/completions", ask)
    assert status == 200 and [c["index"] for c in out["choices"]] == [0, 1, 2, 3]
    assert out["choices"][0]["text"] == out["choices"][1]["text"]
    lp = out["choices"][0]["logprobs"]
    for chosen, top in zip(lp["token_logprobs"], lp["top_logprobs"]):
        assert chosen == max(top.values())


def test_tgi(server):
    ask = {"inputs": "The capital of France is", "parameters": {"max_new_tokens": 4,
                                                                "details": True}}
    status, headers, out = server.ask("POST", "/generate", ask)
    assert status == 200 and len(out["details"]["tokens"]) == 4
    assert int(headers["x-generated-tokens"]) == 4
    stream = [json.loads(e) for e in events(server.ask("POST", "/generate_stream", ask)[2])]
    assert [e["index"] for e in stream] == [1, 2, 3, 4]
    assert stream[-1]["generated_text"] == out["generated_text"]
    assert server.ask("POST", "/", ask)[2][0]["generated_text"] == out["generated_text"]
    stops = {"inputs": ask["inputs"], "parameters": {"max_new_tokens": 4, "stop": ["Paris"]}}
    assert server.ask("POST", "/generate", stops)[2]["generated_text"].endswith("Paris")


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
def test_problems_name_their_field(server, path, body, word):
    status, _, out = server.ask("POST", path, body)
    assert status == 400 and word in out["error"]["message"]


def test_tgi_problems(server):
    status, _, out = server.ask("POST", "/generate", {"inputs": "x", "parameters": {"top_p": 1.0}})
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
def test_what_could_be_read_in_two_ways_is_refused(server, status, data):
    out, closed = server.raw(data, 5)
    assert closed and out.split()[1] == b"%d" % status and out.count(b"HTTP/1.") == 1


def test_names_from_elsewhere(server):
    assert server.ask("GET", "/health", headers={"Host": "evil.example"})[0] == 421
    assert server.ask("POST", "/v1/completions", {"prompt": "x"},
                      {"Origin": "http://evil.example"})[0] == 403
    assert server.ask("PUT", "/health")[0] == 405
    assert server.ask("GET", "/%ff")[0] == 404


def idle(server):
    return server.ask("GET", "/stats")[2]["requests"]["running"] == 0


def test_clients_that_leave(server):
    """Queued, reading the prompt, in the middle of an answer: what was asked is not computed on."""
    body = json.dumps({"prompt": "1 2 3", "max_tokens": 400, "ignore_eos": True,
                       "stream": True}).encode()
    for i in range(20):
        with socket.create_connection(("127.0.0.1", server.port)) as s:
            s.sendall(POST + b"Content-Length: %d\r\n\r\n" % len(body) + body)
            time.sleep(0.01 * (i % 7))
            s.sendall(b"GET /he")  # the beginning of a next request must not matter
    end = time.time() + 60
    while not idle(server):
        assert time.time() < end, "requests of clients that left still run"
        time.sleep(0.05)
    assert server.ask("POST", "/v1/completions", {"prompt": "x", "max_tokens": 1})[0] == 200


def test_many_at_once(server):
    ask = chat(max_tokens=4)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        out = list(pool.map(lambda _: server.ask("POST", "/v1/chat/completions", ask), range(16)))
    assert {o[0] for o in out} == {200}
    assert len({o[2]["choices"][0]["message"]["content"] for o in out}) == 1


def test_keys(default_model, tmp_path):
    keys = tmp_path / "keys"
    keys.write_text(f"# who may ask\n{KEY} name=alice requests=2\n")
    mine = {"Authorization": f"Bearer {KEY}"}
    with Server(default_model, "-c", "256", "--api-key-file", str(keys)) as s:
        ask = {"prompt": "x", "max_tokens": 1}
        assert s.ask("GET", "/health")[0] == 200
        assert s.ask("POST", "/v1/completions", ask)[0] == 401
        assert s.ask("POST", "/v1/completions", ask, {"Authorization": "Bearer no"})[0] == 401
        assert [s.ask("POST", "/v1/completions", ask, mine)[0] for _ in range(3)] == [200, 200, 429]
        keys.write_text("sk-other-0123456789abcdef\n")
        s.p.send_signal(signal.SIGHUP)
        assert "read again" in s.p.stderr.readline()
        assert s.ask("GET", "/v1/models", headers=mine)[0] == 401


def test_drain(default_model):
    """What runs ends, nothing new begins, exit code 0."""
    body = chat("Count", max_tokens=60, ignore_eos=True, stream=True)
    with Server(default_model, "-c", "256", "--drain-timeout", "600") as s:
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            running = [pool.submit(s.ask, "POST", "/v1/chat/completions", body) for _ in range(4)]
            while s.ask("GET", "/stats")[2]["requests"]["running"] < 4:
                time.sleep(0.005)
            s.p.send_signal(signal.SIGTERM)
            assert all(events(r.result()[2])[-1] == "[DONE]" for r in running)
        assert s.p.wait(60) == 0


def test_reachable_without_keys_is_refused(brrr, default_model):
    p = brrr(["serve", "-m", default_model, "--host", "0.0.0.0", "--port", "0"])
    assert p.returncode == 2 and b"--api-key-file" in p.stderr
