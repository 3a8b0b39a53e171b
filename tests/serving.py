# SPDX-License-Identifier: MIT
"""A running `brrr serve` for tests, and what it answers; fixtures of it are in conftest.py."""
import http.client
import json
import re
import signal
import subprocess
import threading

import pytest


class Answer:
    """status, headers (names in lower case), body; json() and events() read the body."""

    def __init__(self, r):
        self.status = r.status
        self.headers = {k.lower(): v for k, v in r.getheaders()}
        self.body = r.read()

    def json(self):
        return json.loads(self.body)

    def events(self):
        """The data of server-sent events: JSON, or "[DONE]"."""
        data = [e[5:].strip() for e in self.body.decode().split("\n\n") if e.startswith("data:")]
        return [d if d == "[DONE]" else json.loads(d) for d in data]


class Server:
    """A running server: url, host, port, process; log() is its standard error so far."""

    def __init__(self, binary, model, options, env):
        self.process = subprocess.Popen(
            [str(binary), "serve", "-m", str(model), "--port", "0", *map(str, options)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            env=env)
        self._lines, self._listens = [], threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._listens.wait(120)
        m = re.search(r"listening on (http://([^\s:]+):(\d+))", self.log())
        if not m:
            self.process.kill()
            pytest.fail(f"the server does not listen: {self.log()}")
        self.url, self.host, self.port = m[1], m[2], int(m[3])

    def _read(self):
        for line in self.process.stderr:
            self._lines.append(line.decode(errors="replace"))
            if "listening on" in self._lines[-1]:
                self._listens.set()
        self._listens.set()

    def log(self):
        return "".join(self._lines)

    def request(self, method, path, body=None, headers=None, timeout=120):
        """One request on a connection of its own. body: bytes, or what becomes JSON."""
        head = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            head.setdefault("Content-Type", "application/json")
        c = http.client.HTTPConnection(self.host, self.port, timeout=timeout)
        try:
            c.request(method, path, body, head)
            return Answer(c.getresponse())
        finally:
            c.close()

    def get(self, path, **more):
        return self.request("GET", path, **more)

    def post(self, path, body, **more):
        return self.request("POST", path, body, **more)

    def stop(self):
        """Ends it as an operator would; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            pytest.fail(f"the server does not end: {self.log()}")
        self._reader.join(10)
        return code


def launcher(binary, default_model, make_env):
    """A fixture's generator: yields start(model=None, *options, env=None) -> Server; at the end all
    are stopped, and must end with 0."""
    running = []

    def start(model=None, *options, env=None):
        running.append(Server(binary, model or default_model, options, make_env(env)))
        return running[-1]

    yield start
    codes = [s.stop() for s in running]
    assert codes == [0] * len(codes), "".join(s.log() for s in running)
