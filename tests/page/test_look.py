# SPDX-License-Identifier: MIT
"""How it looks and is used: widths, colours and contrast, labels, keys, what screen readers hear."""
import pytest
from playwright.sync_api import expect

from tests_dir import answer, done, plant, send, user

TEXT = ("# Title\n\nText with `code`, **bold** and [a link](https://a.example/).\n\n- one\n- two\n\n> quote\n\n"
        "```python\nprint('a very long line that does not fit into the width of a telephone, not at all')\n```\n\n"
        "| a | b | c | d | e | f |\n|---|---|---|---|---|---|\n| aaaaaaaaaaaa | bbbbbbbbbbbbb | cccccccccc | dddddddddd | eeeeee | ffffff |\n\n"
        + "w" * 300)
STATS = {"ttft": 35.2, "itl": 2.9, "rate": 344.8, "tokens": 60, "prompt": 36, "cached": 32}
TOKENS = [["word ", -0.01 * 4 ** i, [["other", -3]]] for i in range(7)]


def full(page):
    plant(page, [("A conversation with a rather long title, that goes on and on", [
        user("Please " * 30), answer(TEXT, stats=STATS, tokens=TOKENS), user("x" * 200),
        answer("Short.", stats=STATS, tokens=TOKENS, finish="stopped"), user("Not answered")])])


def open_states(page):
    """Every state of the page that looks different, one after the other."""
    yield "empty"
    full(page)
    yield "chat"
    page.get_by_role("button", name="Tokens by probability").last.click()
    yield "tokens"
    page.get_by_role("button", name="Settings", exact=True).click()
    yield "settings"
    page.get_by_role("button", name="Close settings").click()
    page.locator("summary").click()
    yield "export"
    page.keyboard.press("Escape")
    page.locator(".user").first.hover()
    page.locator(".user").first.get_by_role("button", name="Edit").click()
    yield "edit"
    page.goto(page.url.split("#")[0] + "#dashboard")
    expect(page.locator("#dash-state")).to_have_text("Live")
    yield "dashboard"


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_nothing_scrolls_sideways(tab, server, width):
    page = tab(viewport={"width": width, "height": 740})
    page.goto(server.url)
    for name in open_states(page):
        over = page.evaluate("""() => [document.documentElement, document.body, ...document.querySelectorAll("#log, #dash, .panel-body, #side")]
            .filter((n) => n.clientWidth && n.scrollWidth > n.clientWidth + 1).map((n) => n.id || n.nodeName)""")
        assert over == [], name
        out = page.evaluate("""() => [...document.querySelectorAll("button, input, textarea, .tile, .card, .figures")].filter((n) => {
            const r = n.getBoundingClientRect();
            return n.checkVisibility({ visibilityProperty: true }) && r.width && !n.closest("#side, .skip, .tokens") && (r.right > innerWidth + 1 || r.left < -1);
        }).map((n) => n.outerHTML.slice(0, 80))""")
        assert out == [], name


def test_a_phone_has_a_drawer(tab, server):
    page = tab(viewport={"width": 360, "height": 740}, has_touch=True)
    page.goto(server.url)
    plant(page, [("First", [user("a"), answer("A")]), ("Second", [user("b"), answer("B")])])
    expect(page.get_by_role("button", name="First")).not_to_be_visible()
    page.locator("#chat-menu button").click()
    page.get_by_role("button", name="First").click()
    expect(page.locator(".user .text")).to_have_text("a")
    expect(page.get_by_role("button", name="First")).not_to_be_visible()
    page.locator("#chat-menu button").click()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="First")).not_to_be_visible()


# Text on what lies behind it, by WCAG's formula. Faded and hidden things do not count.
CONTRAST = """() => {
    const rgb = (c) => (c.match(/[\\d.]+/g) ?? []).map(Number);
    const lum = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((s, v, i) => s + v * [0.2126, 0.7152, 0.0722][i], 0);
    const behind = (n) => { for (; n; n = n.parentElement) { const c = rgb(getComputedStyle(n).backgroundColor); if (c.length === 3 || c[3] === 1) return c; } };
    const ratio = (a, b) => { const [x, y] = [lum(a), lum(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05); };
    const bad = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let t; (t = walker.nextNode());) {
        const n = t.parentElement;
        if (!t.textContent.trim() || !n.checkVisibility({ opacityProperty: true, visibilityProperty: true }) || n.closest(".unseen, noscript, option, [aria-hidden]")) continue;
        const r = ratio(rgb(getComputedStyle(n).color), behind(n));
        if (r < 4.5) bad.push([t.textContent.slice(0, 40), n.className, r]);
    }
    for (const n of document.querySelectorAll("::placeholder, textarea, input")) {
        if (!n.checkVisibility()) continue;
        const r = ratio(rgb(getComputedStyle(n, "::placeholder").color), behind(n));
        if (r < 4.5) bad.push(["placeholder", n.id, r]);
    }
    return bad;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(tab, server, scheme):
    page = tab(color_scheme=scheme)
    page.goto(server.url)
    for name in open_states(page):
        assert page.evaluate(CONTRAST.replace('"::placeholder, textarea, input"', '"textarea, input"')) == [], name


def ground(page):
    return sum(page.evaluate("() => getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)"))


def test_dark_and_light(tab, server):
    page = tab(color_scheme="dark")
    page.goto(server.url)
    assert ground(page) < 200
    page.emulate_media(color_scheme="light")
    assert ground(page) > 600
    page.get_by_role("button", name="Dark colours").click()
    assert ground(page) < 200
    page.reload()
    assert ground(page) < 200
    page.get_by_role("button", name="Light colours").click()
    assert ground(page) > 600
    page.emulate_media(color_scheme="dark")
    assert ground(page) > 600, "the choice stays"


# What a check for accessibility would look for first.
LABELS = """() => {
    const bad = [], ids = new Set();
    const name = (n) => (n.getAttribute("aria-label") ?? "").trim() || [...(n.labels ?? [])].map((l) => l.textContent.trim()).join("") ||
        (n.getAttribute("aria-labelledby") ?? "").split(" ").map((i) => document.getElementById(i)?.textContent ?? "").join("").trim() ||
        (/^(BUTTON|A|SUMMARY)$/.test(n.nodeName) && n.textContent.trim());
    for (const n of document.querySelectorAll("button, a, input, textarea, select, summary, nav, main, aside, dialog, canvas, [role=region], [role=log], [role=group]"))
        if (!name(n)) bad.push("no name: " + n.outerHTML.slice(0, 100));
    for (const n of document.querySelectorAll("[id]")) { if (ids.has(n.id)) bad.push("twice: " + n.id); ids.add(n.id); }
    for (const a of ["aria-labelledby", "aria-describedby", "aria-controls", "for"])
        for (const n of document.querySelectorAll(`[${a}]`))
            for (const id of n.getAttribute(a).split(" ")) if (!ids.has(id)) bad.push(`${a}: no ${id}`);
    if ([...document.querySelectorAll("main")].filter((m) => m.checkVisibility()).length !== 1) bad.push("not one main");
    if (!document.documentElement.lang) bad.push("no language");
    for (const n of document.querySelectorAll("svg:not([aria-hidden]), img:not([alt])")) bad.push("picture: " + n.outerHTML.slice(0, 60));
    for (const n of document.querySelectorAll("[tabindex]")) if (n.tabIndex > 0) bad.push("tabindex");
    for (const n of document.querySelectorAll("*")) // what scrolls can be reached with keys
        if (n.checkVisibility() && n.scrollHeight > n.clientHeight + 4 && /auto|scroll/.test(getComputedStyle(n).overflowY) && n.tabIndex < 0 && !n.querySelector("button, input, a, textarea")) bad.push("scrolls: " + n.className);
    return bad;
}"""


def test_everything_has_a_name(page):
    for state in open_states(page):
        assert page.evaluate(LABELS) == [], state


def test_the_keyboard_is_enough(page):
    plant(page, [])
    page.keyboard.press("/")
    field = page.get_by_label("Message", exact=True)
    expect(field).to_be_focused()
    page.keyboard.type("one")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("two/")
    expect(field).to_have_value("one\ntwo/")
    page.keyboard.press("Enter")
    expect(page.locator(".user .text")).to_have_text("one\ntwo/")
    done(page, 1)
    seen = set()
    page.locator("body").click(position={"x": 700, "y": 5})
    for _ in range(30):
        page.keyboard.press("Tab")
        at = page.evaluate("""() => { const n = document.activeElement, s = getComputedStyle(n), f = n.closest(".field");
            const shown = s.outlineStyle !== "none" || n.id === "title" || getComputedStyle(f ?? n).boxShadow !== "none";
            return [n.getAttribute("aria-label") || n.textContent.trim().slice(0, 30), shown || n === document.body]; }""")
        assert at[1], f"focus is not seen on {at[0]}"
        seen.add(at[0])
    assert {"New conversation", "Dashboard", "Message", "Send", "Regenerate", "Settings", "Export"} <= seen


def test_a_screen_reader_hears_the_whole_answer_once(page):
    plant(page, [])
    send(page, "Name three colours.")
    done(page, 1)
    page.wait_for_timeout(200)
    said = page.evaluate("() => said")
    assert len(said) == 1 and said[0].startswith("Answer: ")
    assert page.locator("#log").get_attribute("aria-live") == "off"


def test_copying_code(tab, server):
    page = tab(permissions=["clipboard-read", "clipboard-write"])
    page.goto(server.url)
    plant(page, [("Code", [user("a"), answer("```c\nint x;\n```")])])
    page.get_by_role("button", name="Copy code").click()
    expect(page.locator(".code .done")).to_have_count(1)
    assert page.evaluate("() => navigator.clipboard.readText()") == "int x;"
