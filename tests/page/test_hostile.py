# SPDX-License-Identifier: MIT
"""What a model says and what is in the storage is text: nothing of it runs, loads or links away."""
import pytest
from playwright.sync_api import expect

from tests_dir import answer, done, plant, send, sse, user

ATTACKS = [
    "<script>window.hacked = 1</script>",
    "<img src=x onerror=\"window.hacked = 1\">",
    "<svg/onload=window.hacked=1>",
    "<iframe srcdoc=\"<script>parent.hacked=1</script>\"></iframe>",
    "[click](javascript:window.hacked=1)",
    "[click](JaVaScRiPt:window.hacked=1)",
    "[click]( javascript:window.hacked=1)",
    "[click](java\tscript:window.hacked=1)",
    "[click](data:text/html,<script>window.hacked=1</script>)",
    "[click](vbscript:x) [click](//evil.example) [click](file:///etc/passwd) [click](blob:x)",
    "[a](https://user:pass@evil.example/)",
    "![x](https://evil.example/pixel.png) ![x](x\" onerror=\"window.hacked=1)",
    "[x](https://e.example/\" onmouseover=\"window.hacked=1)",
    "<https://e.example/\"onmouseover=window.hacked=1>",
    "```\"><script>window.hacked=1</script>\n<script>window.hacked=1</script>\n```",
    "`<img src=x onerror=window.hacked=1>`",
    "# <img src=x onerror=window.hacked=1>",
    "| <img src=x onerror=window.hacked=1> | b |\n|---|---|\n| <script>window.hacked=1</script> | </td></table><script>window.hacked=1</script> |",
    "> <form action=https://evil.example><input name=q></form>",
    "- <a href=\"javascript:window.hacked=1\">x</a>",
    "<style>* { display: none }</style><link rel=stylesheet href=https://evil.example/x.css>",
    "<base href=https://evil.example/><meta http-equiv=refresh content=\"0;url=https://evil.example\">",
    "\x00<script\x00>window.hacked=1</script>",
    "<details open ontoggle=window.hacked=1><summary>x</summary></details>",
    "__proto__ constructor [x](https://e.example/__proto__)",
]
# Everything that the renderer may make. The copy button is code's.
ALLOWED = {"ARTICLE", "DIV", "P", "H3", "H4", "H5", "H6", "UL", "OL", "LI", "BLOCKQUOTE", "HR", "BR", "PRE", "CODE",
           "TABLE", "THEAD", "TBODY", "TR", "TH", "TD", "STRONG", "EM", "DEL", "A", "SPAN", "SMALL", "BUTTON", "svg", "path"}


@pytest.fixture
def offline(page, server):
    """A list of requests that went anywhere else."""
    elsewhere = []
    page.on("request", lambda r: r.url.startswith((server.url, "data:", "blob:")) or elsewhere.append(r.url))
    return elsewhere


def harmless(page, box):
    """What is in box is of the allowed kinds, without handlers, and links go to http(s) only."""
    found = box.evaluate("""(box) => [...box.querySelectorAll("*")].map((n) => [n.nodeName,
        [...n.attributes].map((a) => a.name), n.getAttribute("href"), n.getAttribute("rel")])""")
    for name, attributes, href, rel in found:
        assert name in ALLOWED
        assert not [a for a in attributes if a.startswith("on") or a in ("src", "style", "srcdoc", "action")]
        if name == "A":
            assert href.startswith(("http://", "https://")) and "@" not in href
            assert "noopener" in rel and '"' not in href
    assert page.evaluate("() => window.hacked") is None


def test_attacks_in_stored_conversations(page, offline):
    messages = [m for a in ATTACKS for m in (user(a), answer(a, model=a, tokens=[[a, -0.5, [[a, -1]]]]))]
    plant(page, [("<img src=x onerror=window.hacked=1>", messages)], {"system": ATTACKS[0], "model": ATTACKS[1]})
    done(page, len(ATTACKS))
    harmless(page, page.locator("#log"))
    for i, attack in enumerate(ATTACKS):
        if "<script>" in attack and "\x00" not in attack and "](" not in attack:
            assert "script>" in page.locator(".answer .text").nth(i).inner_text()
    page.get_by_role("button", name="Settings", exact=True).click()
    page.locator(".answer").first.get_by_role("button", name="Tokens by probability").click()
    harmless(page, page.locator(".answer .text").first)
    page.locator(".tokens span").first.click()
    harmless(page, page.locator(".answer .text").first)
    assert offline == []


@pytest.mark.parametrize("wrong", ["[]", "null", "7", '"x"', "{", '{"messages": {"0": 1}}',
                                   '{"messages": [null, 1, {"role": "system", "text": "x"}, {"role": "assistant"}]}',
                                   '{"title": {"a": 1}, "settings": [1], "messages": [{"role": "user", "text": [1]}]}',
                                   '{"settings": {"temperature": "x", "top_k": 1e99, "seed": -3}, "messages": '
                                   '[{"role": "assistant", "text": "x", "tokens": [1, [2], ["a", "b", 3]], "stats": '
                                   '{"ttft": {}}, "finish": "__proto__"}]}'])
def test_a_storage_that_somebody_wrote(page, wrong):
    page.evaluate("(w) => { localStorage['brrr.chat.bad'] = w; localStorage['brrr.settings'] = w; }", wrong)
    page.reload()
    expect(page.get_by_label("Message", exact=True)).to_be_visible()
    expect(page.locator("#model")).to_be_visible()


def test_attacks_in_a_stream(page, offline):
    plant(page, [])
    text = "\n\n".join(ATTACKS)
    pieces = [text[i:i + 7] for i in range(0, len(text), 7)]
    page.route("**/v1/chat/completions", lambda r: r.fulfill(content_type="text/event-stream", body=sse(*pieces)))
    send(page, ATTACKS[0])
    done(page, 1)
    harmless(page, page.locator("#log"))
    assert offline == []


def test_an_error_message_is_text(page):
    page.errors_expected = True
    plant(page, [])
    page.route("**/v1/chat/completions", lambda r: r.fulfill(status=400, json={"error": {"message": ATTACKS[1]}}))
    send(page, "Hello")
    expect(page.get_by_role("alert")).to_contain_text("onerror")
    harmless(page, page.locator("#log"))


def render(page, text):
    """The renderer alone -> its HTML, as the browser writes it out."""
    return page.evaluate("""async (text) => {
        const { markdown } = await import("/page/markdown.js");
        const box = document.createElement("div");
        box.append(markdown(text));
        for (const b of box.querySelectorAll("button")) b.remove();
        for (const n of box.querySelectorAll("*")) for (const a of ["dir", "rel", "target", "tabindex", "role", "aria-label"]) n.removeAttribute(a);
        return box.innerHTML;
    }""", text)


@pytest.mark.parametrize("text, html", [
    ("Plain *it* _it_ **bo ld** __b__ ~~s~~ `a*b*`", "<p>Plain <em>it</em> <em>it</em> <strong>bo ld</strong> <strong>b</strong> <del>s</del> <code>a*b*</code></p>"),
    ("**a *b* c** snake_case_name 2 * 3 * 4", "<p><strong>a <em>b</em> c</strong> snake_case_name 2 * 3 * 4</p>"),
    ("\\*not\\* **open", "<p>*not* **open</p>"),
    ("one\ntwo\n\nthree", "<p>one<br>two</p><p>three</p>"),
    ("# A\n### C #\n####### x", "<h3>A</h3><h5>C</h5><p>####### x</p>"),
    ("- a\n- b\n  - c\n  - d\n- e", "<ul><li>a</li><li>b<ul><li>c</li><li>d</li></ul></li><li>e</li></ul>"),
    ("3. a\n4. b\n\nafter", '<ol start="3"><li>a</li><li>b</li></ol><p>after</p>'),
    ("1. a\n\n   more\n\n2. b", '<ol start="1"><li><p>a</p><p>more</p></li><li><p>b</p></li></ol>'),
    ("> q\n> r\n\nx", "<blockquote><p>q<br>r</p></blockquote><p>x</p>"),
    ("a\n\n---\n\nb", "<p>a</p><hr><p>b</p>"),
    ("```py\nx = 1 < 2\n\n# y\n```\nafter", '<div class="code"><div class="code-head"><span>py</span></div><pre><code>x = 1 &lt; 2\n\n# y</code></pre></div><p>after</p>'),
    ("```\nopen", '<div class="code"><div class="code-head"><span>text</span></div><pre><code>open</code></pre></div>'),
    ("| a | b |\n|:--|--:|\n| 1 | `x\\|y` |\n| 2 |", '<div class="table"><table><thead><tr><th scope="col">a</th><th class="end" scope="col">b</th></tr></thead>'
     '<tbody><tr><td>1</td><td class="end"><code>x|y</code></td></tr><tr><td>2</td><td class="end"></td></tr></tbody></table></div>'),
    ("[t](https://a.example/x_y_z) https://b.example/q?a=1.", '<p><a href="https://a.example/x_y_z">t</a> <a href="https://b.example/q?a=1">https://b.example/q?a=1</a>.</p>'),
    ("![alt](https://a.example/i.png)", '<p><a href="https://a.example/i.png">alt</a></p>'),
    ("<b>x</b> &amp;", "<p>&lt;b&gt;x&lt;/b&gt; &amp;amp;</p>"),
])
def test_the_renderer(page, text, html):
    assert render(page, text) == html


HARD = {"stars": "*" * 50000, "pairs": "**a " * 12000, "open links": "[" * 40000, "half links": "[a](" * 12000,
        "backticks": "`a``b" * 9000, "quotes": ">" * 3000 + " x", "lists": "\n".join(" " * i + "- x" for i in range(600)),
        "underscores": "_a" * 25000, "table": "|" * 20000 + "\n" + "|-" * 20000, "addresses": "https://" * 6000,
        "nested": "*_**__~~" * 5000, "fences": "```\n" * 9999, "items": "- a\n\n" * 9999}


@pytest.mark.parametrize("name", HARD)
def test_no_text_takes_the_renderer_longer_than_its_length(page, name):
    """Counted in characters that are searched and copied, not in seconds."""
    work = page.evaluate("""async (text) => {
        const { markdown } = await import("/page/markdown.js");
        const { indexOf, slice } = String.prototype;
        let work = 0;
        String.prototype.indexOf = function (what, from = 0) {
            const at = indexOf.call(this, what, from);
            work += (at < 0 ? this.length : at + 1) - from;
            return at;
        };
        String.prototype.slice = function (...args) { const s = slice.apply(this, args); work += s.length; return s; };
        document.createElement("div").append(markdown(text));
        Object.assign(String.prototype, { indexOf, slice });
        return work;
    }""", HARD[name])
    assert work < 40 * len(HARD[name])


def test_a_growing_text_keeps_the_nodes_that_do_not_change(page):
    same = page.evaluate("""async () => {
        const { grow } = await import("/page/markdown.js");
        const box = document.createElement("div"), show = grow(box);
        show("# Title\\n\\nfirst\\n\\nsec");
        const kept = [box.childNodes[0], box.childNodes[1]];
        show("# Title\\n\\nfirst\\n\\nsecond **x**");
        return kept.every((n, i) => box.childNodes[i] === n) && box.lastChild.textContent === "second x";
    }""")
    assert same
