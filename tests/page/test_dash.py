# SPDX-License-Identifier: MIT
"""The dashboard and what it is drawn from; the page's files over HTTP."""
import concurrent.futures
import json
import re
import urllib.error
import urllib.request

import pytest
from playwright.sync_api import expect

from tests_dir import ROOT

FILES = sorted(p.name for p in (ROOT / "src/server/page").iterdir())
POLICY = {"default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "img-src 'self' data:",
          "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"}


def get(server, path, **headers):
    try:
        return urllib.request.urlopen(urllib.request.Request(server.url + path, headers=headers))
    except urllib.error.HTTPError as e:
        return e


def ask(server, prompt, n=40):
    body = {"prompt": prompt, "max_tokens": n, "ignore_eos": True}
    request = urllib.request.Request(server.url + "v1/completions", json.dumps(body).encode(),
                                     {"Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(request))


def stats(server):
    return json.load(get(server, "stats"))


def test_browsers_get_the_page_and_others_health(server):
    page = get(server, "", Accept="text/html,application/xhtml+xml,*/*;q=0.8")
    assert page.status == 200 and page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert page.read() == (ROOT / "src/server/page/index.html").read_bytes()
    assert page.headers["Vary"] == "Accept"
    for accept in ({}, {"Accept": "*/*"}, {"Accept": "application/json"}):
        health = get(server, "", **accept)
        assert health.status == 200 and health.read() == b"" and health.headers["Vary"] == "Accept"


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_in_the_binary_as_it_is(server, name):
    r = get(server, f"page/{name}")
    assert r.read() == (ROOT / "src/server/page" / name).read_bytes()
    kinds = {"html": "text/html", "css": "text/css", "js": "text/javascript"}
    assert r.headers["Content-Type"] == f"{kinds[name.rsplit('.', 1)[1]]}; charset=utf-8"
    assert set(r.headers["Content-Security-Policy"].split("; ")) == POLICY
    assert r.headers["X-Content-Type-Options"] == "nosniff" and r.headers["Referrer-Policy"] == "no-referrer"
    again = get(server, f"page/{name}", **{"If-None-Match": f'"x", W/{r.headers["ETag"]}'})
    assert again.status == 304 and again.read() == b"" and again.headers["ETag"] == r.headers["ETag"]


@pytest.mark.parametrize("path", ["page/", "page/x.js", "page/../stats.c", "page/%2e%2e/stats.c", "page/app.js/x"])
def test_there_is_nothing_else(server, path):
    assert get(server, path).status == 404


def test_the_files_ask_nobody_else():
    for name in FILES:
        text = (ROOT / "src/server/page" / name).read_text()
        for url in re.findall(r"https?://[^\s'\"`)]+", text):
            assert url.startswith(("http://www.w3.org/", "http://...")), f"{name}: {url}"
        for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "DOMParser"):
            assert word not in text, f"{name}: {word}"


def test_stats_count_and_say_no_text(server):
    before = stats(server)
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda i: ask(server, f"XYZZY{i} the quick brown fox " * 10), range(3)))
    text = get(server, "stats").read().decode()
    after = json.loads(text)
    assert "XYZZY" not in text and "fox" not in text
    assert after["tokens"]["made"] - before["tokens"]["made"] == 120
    assert after["requests"]["done"] - before["requests"]["done"] == 3
    assert after["ttft"]["n"] - before["ttft"]["n"] == 3
    assert sum(after["itl"]["bucket"]) == after["itl"]["n"]
    assert after["requests"]["running"] == 0 and after["requests"]["waiting"] == 0
    assert sum(r[0] + r[1] for r in after["steps"]["rows"]) > 0
    assert after["kv"]["used"] == 0 and after["kv"]["cached"] > 0
    for m in after["kv"]["maps"]:
        cells = [c or [0, 0, 0] for c in m["cells"]]
        assert [sum(c[k] for c in cells) for k in range(3)] == [m["used"], m["shared"], m["cached"]]
        assert len(cells) <= m["n_cells"] and max(map(sum, cells)) <= m["per_cell"]
    assert get(server, "stats").headers["Cache-Control"] == "no-store"


def test_a_map_that_is_asked_for_while_the_engine_works(server):
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        work = [pool.submit(ask, server, "the same long beginning of a prompt " * 12, 400) for _ in range(2)]
        seen = []
        while not all(w.done() for w in work):
            seen.append(stats(server))
    busy = [s for s in seen if s["requests"]["running"] == 2 and s["kv"]["maps"][0]["used"] > 0]
    assert busy, "it was never seen at work"
    assert any(s["kv"]["maps"][0]["shared"] > 0 for s in busy), "the beginning was not seen to be shared"


def test_the_dashboard_shows_what_happens(page, server):
    page.get_by_role("link", name="Dashboard").click()
    expect(page.locator("#dash-state")).to_have_text("Live")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for i in range(2):
            pool.submit(ask, server, f"Number {i}", 300)
    tile = page.locator(".tile", has_text="Output").locator("dd").nth(1)
    made = stats(server)["tokens"]["made"]
    expect(tile).to_have_text(f"{made:,} tokens")
    expect(page.get_by_role("row", name="TTFT").locator("td").first).to_contain_text(re.compile(r"[\d.]+ m?s"))
    expect(page.get_by_role("img", name=re.compile(r"The last step had \d+ rows of prompts, \d+ decoding"))).to_be_visible()
    expect(page.get_by_role("img", name=re.compile(r"\d+ blocks of 32 tokens: 0 used, 0 shared, [1-9]\d* cached"))).to_be_visible()
    # Something is drawn on each.
    for canvas in page.locator("#dash canvas").all():
        assert canvas.evaluate("""(c) => new Set(new Uint32Array(c.getContext("2d").getImageData(0, 0, c.width, c.height).data.buffer)).size""") > 2


def test_the_dashboard_rests_when_nobody_looks(page):
    asked = []
    page.on("request", lambda r: r.url.endswith("/stats") and asked.append(1))
    page.get_by_role("link", name="Dashboard").click()
    expect(page.locator("#dash-state")).to_have_text("Live")
    page.get_by_role("link", name="Chat").click()
    n = len(asked)
    page.wait_for_timeout(1500)
    assert len(asked) == n


def test_the_dashboard_says_when_the_server_is_gone(page, server):
    page.errors_expected = True
    page.get_by_role("link", name="Dashboard").click()
    expect(page.locator("#dash-state")).to_have_text("Live")
    server.stop()
    try:
        expect(page.locator("#dash-state")).to_have_text("No answer; trying again")
    finally:
        server.start()
    expect(page.locator("#dash-state")).to_have_text("Live")


def test_quantiles(page):
    got = page.evaluate("""async () => {
        const { quantile } = await import("/page/dash.js");
        const none = Array(24).fill(0), one = none.with(3, 10);
        return [quantile(none, 1, 0.5), quantile(one, 1, 0.5), quantile(one, 1, 1), quantile(none.with(0, 1).with(23, 1), 1, 0.99) > 2 ** 22];
    }""")
    assert got == [None, 6, 8, True]
