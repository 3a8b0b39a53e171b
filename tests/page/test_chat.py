# SPDX-License-Identifier: MIT
"""Chatting: send, stream, stop, regenerate, edit, keep, export; a server that is gone."""
import json
import re
import time

from playwright.sync_api import expect

from tests_dir import SETTINGS, answer, done, long_answers, plant, send, sse, stored, user


def bounded(page):
    plant(page, [])


def test_an_answer_grows_before_it_ends(page, default_model):
    """With a model whose answers are long enough to be seen growing."""
    plant(page, [], {"max_tokens": 120})
    page.evaluate("""() => {
        window.lengths = [];
        new MutationObserver(() => {
            const n = document.querySelector(".answer.live .text")?.textContent.length;
            if (n && n !== lengths.at(-1)) lengths.push(n);
        }).observe(document.getElementById("log"), { childList: true, subtree: true, characterData: true });
    }""")
    send(page, "Tell me a story.")
    done(page, 1)
    lengths = page.evaluate("() => lengths")
    assert len(lengths) > 1 and lengths == sorted(lengths)


def test_an_answer_has_its_figures_and_is_stored(page):
    bounded(page)
    send(page, "Tell me a story.")
    expect(page.locator(".user .text")).to_have_text("Tell me a story.")
    done(page, 1)
    expect(page.locator(".answer .text")).not_to_be_empty()
    figures = page.locator(".figures").inner_text()
    assert re.search(r"TTFT [\d.]+ m?s", figures) and re.search(r"ITL [\d.]+ m?s", figures)
    assert re.search(r"[\d.]+ tok/s", figures) and re.search(r"\d+ tokens", figures)
    assert re.search(r"prompt \d+", figures)
    kept = stored(page)[0]
    assert [m["role"] for m in kept["messages"]] == ["user", "assistant"]
    assert kept["messages"][1]["stats"]["tokens"] <= SETTINGS["max_tokens"]
    assert kept["title"] == "Tell me a story."


def test_stop_keeps_what_came(page, server):
    long_answers(page)
    send(page, "Write a very long story about the sea, with many chapters.")
    expect(page.locator(".answer.live .text")).not_to_be_empty()
    page.get_by_role("button", name="Stop").click()
    done(page, 2)
    expect(page.locator(".finish")).to_have_text("stopped")
    assert stored(page)[0]["messages"][-1]["finish"] == "stopped"
    # The server is not at it any more.
    for _ in range(100):
        if page.evaluate("() => fetch('stats').then((r) => r.json())")["requests"]["running"] == 0:
            break
        time.sleep(0.1)
    else:
        raise AssertionError("the server still answers")


def test_escape_stops_and_the_answer_goes_on_in_the_background(page):
    long_answers(page)
    send(page, "Write a very long story about the sea, with many chapters.")
    expect(page.locator(".answer.live .text")).not_to_be_empty()
    page.get_by_role("button", name="New conversation").click()
    expect(page.locator(".answer")).to_have_count(0)
    page.get_by_role("button", name="Long").click()
    expect(page.locator(".answer.live .text")).not_to_be_empty()
    page.keyboard.press("Escape")
    done(page, 2)
    expect(page.locator(".finish")).to_have_text("stopped")


def test_the_same_seed_answers_the_same_and_regenerating_replaces(page):
    bounded(page)
    send(page, "Name three colours.")
    done(page, 1)
    first = stored(page)[0]["messages"][-1]
    page.get_by_role("button", name="Regenerate").click()
    done(page, 1)
    again = stored(page)[0]["messages"]
    assert len(again) == 2 and again[-1]["text"] == first["text"]
    page.get_by_role("button", name="Settings", exact=True).click()
    page.get_by_label("Seed").fill("8")
    page.get_by_label("Seed").press("Tab")
    page.get_by_role("button", name="Regenerate").click()
    done(page, 1)
    assert stored(page)[0]["messages"][-1]["asked"]["seed"] == 8


def test_editing_a_message_goes_on_from_there(page):
    plant(page, [("Edit", [user("One"), answer("1"), user("Two"), answer("2")])])
    page.locator(".user").first.hover()
    page.locator(".user").first.get_by_role("button", name="Edit").click()
    page.get_by_label("Edit your message").fill("Three")
    page.get_by_role("button", name="Send again").click()
    done(page, 1)
    assert [m["text"] for m in stored(page)[0]["messages"]][0] == "Three"
    assert len(stored(page)[0]["messages"]) == 2
    page.get_by_role("button", name="Undo").click()
    assert [m["text"] for m in stored(page)[0]["messages"]] == ["One", "1", "Two", "2"]


def test_what_is_asked_is_what_was_set(page):
    bounded(page)
    page.get_by_role("button", name="Settings", exact=True).click()
    page.get_by_label("System prompt").fill("Be brief.")
    for label, value in (("Temperature", "0.4"), ("Top p", "0.8"), ("Top k", "30"), ("Min p", "0.1"),
                         ("Max tokens", "9"), ("Seed", "5")):
        page.get_by_label(label, exact=True).fill(value)
        page.get_by_label(label, exact=True).press("Tab")
    with page.expect_request("**/v1/chat/completions") as asked:
        send(page, "Hello")
    body = json.loads(asked.value.post_data)
    assert body["messages"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]
    assert {k: body[k] for k in ("temperature", "top_p", "top_k", "min_p", "max_tokens", "seed")} == {
        "temperature": 0.4, "top_p": 0.8, "top_k": 30, "min_p": 0.1, "max_tokens": 9, "seed": 5}
    assert body["stream"] is True and body["stream_options"] == {"include_usage": True}
    done(page, 1)
    assert stored(page)[0]["messages"][-1]["stats"]["tokens"] <= 9


def test_tokens_are_coloured_on_demand(page):
    bounded(page)
    send(page, "Name three colours.")
    done(page, 1)
    text = stored(page)[0]["messages"][-1]["text"]
    assert stored(page)[0]["messages"][-1]["tokens"] is None
    page.get_by_role("button", name="Tokens by probability").click()
    box = page.locator(".tokens")
    expect(box).to_be_visible()
    tokens = stored(page)[0]["messages"][-1]["tokens"]
    assert "".join(t[0] for t in tokens).startswith(text[:10])
    assert all(t[1] <= 0 for t in tokens)
    box.focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".token-line")).to_contain_text("%")
    page.get_by_role("button", name="Tokens by probability").click()
    expect(box).to_have_count(0)


def test_a_reload_keeps_everything(page):
    bounded(page)
    send(page, "Keep this.")
    done(page, 1)
    text = page.locator(".answer .text").inner_text()
    page.get_by_label("Message", exact=True).fill("not sent yet")
    page.reload()
    expect(page.locator(".user .text")).to_have_text("Keep this.")
    assert page.locator(".answer .text").inner_text() == text
    expect(page.get_by_label("Message", exact=True)).to_have_value("not sent yet")


def test_conversations_are_renamed_opened_and_deleted(page):
    plant(page, [("First", [user("a"), answer("A")]), ("Second", [user("b"), answer("B")])])
    listed = page.locator("#chats button")
    expect(listed).to_have_text(["Second", "First"])
    page.get_by_role("button", name="First").click()
    expect(page.locator(".user .text")).to_have_text("a")
    page.get_by_label("Title of this conversation").fill("Renamed")
    page.keyboard.press("Enter")
    expect(listed).to_have_text(["Renamed", "Second"])
    page.reload()
    expect(listed).to_have_text(["Renamed", "Second"])
    page.get_by_role("button", name="Delete conversation").click()
    expect(listed).to_have_text(["Second"])
    page.get_by_role("button", name="Undo").click()
    expect(listed).to_have_text(["Renamed", "Second"])


def test_export(page):
    plant(page, [("My chat", [user("Hi"), answer("**Hello**")])], {"system": "Be kind."})
    for kind in ("Markdown", "JSON"):
        page.locator("summary").click()
        with page.expect_download() as got:
            page.get_by_role("button", name=kind).click()
        text = open(got.value.path(), encoding="utf-8").read()
        if kind == "JSON":
            assert got.value.suggested_filename == "My-chat.json"
            assert [m["content"] for m in json.loads(text)["messages"]] == ["Be kind.", "Hi", "**Hello**"]
        else:
            assert got.value.suggested_filename == "My-chat.md"
            assert text == "# My chat\n\n> Be kind.\n\n## You\n\nHi\n\n## m\n\n**Hello**\n"


def test_server_gone_loses_nothing(page, server):
    page.errors_expected = True  # the browser itself says that it could not connect
    plant(page, [("Gone", [user("One"), answer("First answer")])])
    server.stop()
    try:
        page.get_by_role("button", name="Regenerate").click()
        expect(page.get_by_role("alert")).to_contain_text("does not answer")
        expect(page.locator(".answer .text")).to_have_text("First answer")  # the old one stays
        send(page, "Is anybody there?")
        expect(page.get_by_role("alert")).to_contain_text("does not answer")
        expect(page.locator(".user .text")).to_have_text(["One", "Is anybody there?"])
        assert stored(page)[0]["messages"][-1]["text"] == "Is anybody there?"
    finally:
        server.start()
    page.get_by_role("button", name="Try again").click()
    done(page, 2)
    expect(page.get_by_role("alert")).to_have_count(0)


def test_server_gone_in_the_middle_keeps_the_part(page, server):
    page.errors_expected = True
    long_answers(page)
    send(page, "Write a very long story about the sea, with many chapters.")
    expect(page.locator(".answer.live .text")).not_to_be_empty()
    server.stop()
    try:
        done(page, 2)
        expect(page.get_by_role("alert")).to_contain_text("cut off")
        expect(page.locator(".answer .text").last).not_to_be_empty()
        assert stored(page)[0]["messages"][-1]["finish"] == "cut"
    finally:
        server.start()
    page.reload()
    expect(page.locator(".answer .text").last).not_to_be_empty()


def test_what_the_server_refuses_is_said(page):
    page.errors_expected = True
    plant(page, [("Long", [user("word " * 40000), answer("Hi.")])])
    send(page, "More")
    expect(page.get_by_role("alert")).to_contain_text("tokens")
    expect(page.locator(".user .text").last).to_have_text("More")


def test_busy_says_when_to_come_again(page):
    page.errors_expected = True
    bounded(page)
    page.route("**/v1/chat/completions", lambda r: r.fulfill(
        status=429, headers={"Retry-After": "7"}, json={"error": {"message": "all slots are taken"}}))
    send(page, "Hello")
    expect(page.get_by_role("alert")).to_contain_text("try again in 7 s")


def test_a_problem_in_the_stream_is_said(page):
    bounded(page)
    page.route("**/v1/chat/completions", lambda r: r.fulfill(
        content_type="text/event-stream",
        body='data: {"choices":[{"delta":{"content":"Half"}}]}\n\ndata: {"error":{"message":"it broke"}}\n\ndata: [DONE]\n\n'))
    send(page, "Hello")
    expect(page.get_by_role("alert")).to_contain_text("it broke")
    expect(page.locator(".answer .text")).to_have_text("Half")


def test_a_key_is_asked_for_and_sent(page):
    page.errors_expected = True
    bounded(page)
    keys = []

    def serve(route):
        keys.append(route.request.headers.get("authorization"))
        if keys[-1] != "Bearer sesame":
            route.fulfill(status=401, json={"error": {"message": "no key"}})
        else:
            route.fulfill(content_type="text/event-stream", body=sse("Open"))

    page.route("**/v1/chat/completions", serve)
    send(page, "Hello")
    page.get_by_label("API key", exact=True).fill("wrong")
    page.get_by_role("button", name="Continue").click()
    page.get_by_label("API key", exact=True).fill("sesame")
    page.get_by_role("button", name="Continue").click()
    expect(page.locator(".answer .text")).to_have_text("Open")
    assert keys == [None, "Bearer wrong", "Bearer sesame"]
    assert page.evaluate("() => JSON.stringify(localStorage)").find("sesame") < 0
    page.evaluate("() => sessionStorage.clear()")
    send(page, "Again")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("alert")).to_contain_text("API key")


def test_a_server_that_wants_a_key(tab, guarded):
    page = tab()
    page.errors_expected = True
    page.goto(guarded.url)  # the page itself needs none
    plant(page, [])
    for key in ("not-this-one-at-all", "sesame-open-up-1234"):
        page.get_by_label("API key", exact=True).fill(key)
        page.get_by_role("button", name="Continue").click()
    expect(page.locator("#model")).to_be_visible()
    send(page, "Hello")
    done(page, 1)
    expect(page.locator(".answer .text")).not_to_be_empty()
    page.get_by_role("link", name="Dashboard").click()
    expect(page.locator("#dash-state")).to_have_text("Live")


def test_a_full_storage_is_said_and_the_chat_goes_on(page):
    bounded(page)
    page.evaluate("""() => { for (let n = 1 << 20, k = 0; n >= 1; k++) {
        try { localStorage.setItem("x" + k, "x".repeat(n)); } catch { n >>= 1; } } }""")
    send(page, "Hello")
    expect(page.locator("#toast")).to_contain_text("storage is full")
    done(page, 1)
    expect(page.locator(".answer .text")).not_to_be_empty()
