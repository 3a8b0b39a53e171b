# SPDX-License-Identifier: MIT
"""tests/conftest.py as a module, and what the page's tests have in common."""
import importlib.util
import json
import pathlib

from playwright.sync_api import expect

ROOT = pathlib.Path(__file__).resolve().parents[2]
_spec = importlib.util.spec_from_file_location("base_conftest", ROOT / "tests/conftest.py")
base = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(base)

SETTINGS = {"system": "", "logprobs": False, "temperature": 0.7, "top_p": 0.95, "top_k": 0, "min_p": 0.05,
            "max_tokens": 24, "seed": 7}


def plant(page, chats, settings=None):
    """Conversations (title, messages) in the storage, the last one newest; then a reload."""
    store = {"brrr.settings": {**SETTINGS, **(settings or {})}}
    for i, (title, messages) in enumerate(chats):
        store[f"brrr.chat.planted-{i}"] = {
            "title": title, "named": True, "made": 1000 + i, "changed": 1000 + i,
            "settings": {**SETTINGS, **(settings or {})}, "messages": messages}
    page.evaluate("(s) => { for (const k in s) localStorage.setItem(k, JSON.stringify(s[k])); }", store)
    page.reload()


def stored(page):
    """All conversations of the storage, newest first."""
    chats = page.evaluate("""() => Object.keys(localStorage).filter((k) => k.startsWith("brrr.chat."))
        .map((k) => JSON.parse(localStorage.getItem(k)))""")
    return sorted(chats, key=lambda c: -c["changed"])


def user(text):
    return {"role": "user", "text": text}


def answer(text, **more):
    return {"role": "assistant", "text": text, "model": "m", "finish": "stop", **more}


def done(page, n):
    """Wait until there are n answers and none is being written."""
    expect(page.locator(".answer")).to_have_count(n)
    expect(page.locator(".answer.live")).to_have_count(0)


def send(page, text):
    page.get_by_label("Message", exact=True).fill(text)
    page.keyboard.press("Enter")


def long_answers(page):
    """No limit, and what stops a model early is unlikely."""
    plant(page, [("Long", [user("Hello"), answer("Hi.")])], {"max_tokens": None, "temperature": 1.5, "min_p": 0})


def sse(*texts, finish="stop"):
    """A stream as the server would write it, for answers that no model can be made to give."""
    def chunk(delta, finish=None):
        return "data: " + json.dumps({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}) + "\n\n"
    return "".join(chunk({"content": t}) for t in texts) + chunk({}, finish) + "data: [DONE]\n\n"
