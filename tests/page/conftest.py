# SPDX-License-Identifier: MIT
"""Fixtures of the page's tests: a real server, and Debian's Chromium driven by Playwright.

server   `brrr serve` with a small model; stop() and start() keep its port
page     a tab on it with an empty storage. At the end of the test nothing may have gone against the
         Content-Security-Policy and nothing stands on the console, unless page.errors_expected

The model is SmolLM2-135M where it was fetched, else the fuzz corpus's with a longer context.
"""
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import sys
import time

import pytest
from playwright.sync_api import expect, sync_playwright

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from tests_dir import ROOT, base  # noqa: E402

WAIT_MS = 90000  # of a machine that is busy with something else
expect.set_options(timeout=WAIT_MS)
# Policy violations, and every change of what a screen reader is told.
WATCH = """
    window.violations = [];
    document.addEventListener("securitypolicyviolation", (e) => violations.push(e.violatedDirective + " " + e.blockedURI));
    window.said = [];
    document.addEventListener("DOMContentLoaded", () => new MutationObserver(() => {
        const text = document.getElementById("live").textContent;
        if (text) said.push(text);
    }).observe(document.getElementById("live"), { childList: true, characterData: true, subtree: true }));
"""


class Server:
    def __init__(self, model, folder, *options):
        self.model, self.log, self.port, self.process = model, folder / "log", 0, None
        self.options = options

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/"

    def start(self):
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [base.binary(), "serve", "-m", self.model, "--port", str(self.port), "--parallel", "4",
                 "-t", "2", "--kv-memory", "256M", *self.options], stdin=subprocess.DEVNULL, stderr=log,
                env=base.clean_env())
        for _ in range(600):
            text = self.log.read_text()
            if "listening on" in text:
                self.port = int(text.split("listening on", 1)[1].split()[0].rsplit(":", 1)[1])
                return
            assert self.process.poll() is None, text
            time.sleep(0.05)
        pytest.fail(f"the server did not start: {text}")

    def stop(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def small_model(folder):
    """The fuzz corpus's model with room for a conversation."""
    data = bytearray((ROOT / "tests/fuzz/corpus/model/llama.gguf").read_bytes())
    at = data.index(b"llama.context_length") + len(b"llama.context_length") + 4
    struct.pack_into("<I", data, at, 4096)
    path = folder / "tiny.gguf"
    path.write_bytes(data)
    return path


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    try:
        model = base.model(base.DEFAULT_MODEL)
    except pytest.skip.Exception:
        model = small_model(folder)
    s = Server(model, folder)
    s.start()
    yield s
    s.stop()


@pytest.fixture
def guarded(server, tmp_path):
    """Another one, which wants a key."""
    s = Server(server.model, tmp_path, "--api-key", "sesame-open-up-1234")
    s.start()
    yield s
    s.stop()


@pytest.fixture(scope="session")
def browser():
    path = shutil.which("chromium")
    if not path:
        pytest.skip("chromium is not installed")
    with sync_playwright() as p:
        # Tests may run as root, where Chromium's own sandbox refuses to.
        yield p.chromium.launch(executable_path=path, args=["--no-sandbox"])


@pytest.fixture
def tab(server, browser):
    """tab(**context options) -> a page that watches itself."""
    contexts = []

    def make(**options):
        context = browser.new_context(**options)
        context.set_default_timeout(WAIT_MS)
        page = context.new_page()
        page.errors, page.errors_expected = [], False
        page.on("console", lambda m: m.type in ("error", "warning") and page.errors.append(m.text))
        page.on("pageerror", lambda e: page.errors.append(str(e)))
        page.add_init_script(WATCH)
        contexts.append((context, page))
        return page

    yield make
    for context, page in contexts:
        violations = page.evaluate("() => window.violations")
        context.close()
        assert violations == []
        assert page.errors_expected or page.errors == []


@pytest.fixture
def page(tab, server):
    p = tab()
    p.goto(server.url)
    return p


def pytest_configure(config):
    os.environ.setdefault("NO_PROXY", "127.0.0.1")
