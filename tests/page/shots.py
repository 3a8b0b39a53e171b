#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""shots.py [FOLDER]: the pictures of docs/serving.md, from a real server (default docs/img).

As the tests run: Debian's chromium, BRRR for another binary, the default model in ~/.cache/brrr.
"""
import contextlib
import json
import pathlib
import sys
import tempfile
import threading
import urllib.request

from playwright.sync_api import expect, sync_playwright

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from conftest import Server  # noqa: E402
from tests_dir import ROOT, base, done, plant, send  # noqa: E402

ASKED = ["Give me a short Python function that adds two numbers, and explain it in a list."]
SHOTS = [("chat-light", "light", 1200, 760, 1), ("chat-dark", "dark", 1200, 760, 1),
         ("dashboard", "light", 1200, 1500, 1), ("phone", "light", 360, 720, 1.5)]


def busy(url, n):
    """Requests that begin alike, so that there is something to share."""
    def ask(i):
        body = {"messages": [{"role": "user", "content": f"{'You know many stories. ' * 40}Tell story {i}."}],
                "max_tokens": 300 + 50 * i, "temperature": 1.2, "ignore_eos": True}
        request = urllib.request.Request(url + "v1/chat/completions", json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        with contextlib.suppress(OSError):  # the server goes before its last answer
            urllib.request.urlopen(request).read()
    for i in range(n):
        threading.Thread(target=ask, args=(i,), daemon=True).start()


def shoot(page, server, name, folder):
    page.goto(server.url)
    plant(page, [("Names for a cat", []), ("A haiku about cold mornings", [])], {"max_tokens": 220})
    if name == "dashboard":
        page.goto(server.url + "#dashboard")
        expect(page.locator("#dash-state")).to_have_text("Live")
        for n in (2, 5, 7):
            busy(server.url, n)
            page.wait_for_timeout(5000)
    else:
        page.evaluate("() => document.querySelector('.new').click()")
        for i, text in enumerate(ASKED):
            send(page, text)
            done(page, i + 1)
        if name == "chat-dark":
            page.get_by_role("button", name="Settings", exact=True).click()
            page.get_by_role("button", name="Tokens by probability").click()
            page.locator(".tokens span").nth(12).hover()
        page.locator("#log").evaluate("(n) => { n.scrollTop = 0; }")
    page.screenshot(path=folder / f"{name}.png")


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "docs/img")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work, sync_playwright() as p:
        server = Server(base.model(base.DEFAULT_MODEL), pathlib.Path(work))
        server.start()
        browser = p.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        for name, scheme, width, height, scale in SHOTS:
            context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": height},
                                          device_scale_factor=scale)
            context.set_default_timeout(90000)
            shoot(context.new_page(), server, name, folder)
            context.close()
        browser.close()
        server.stop()


main()
