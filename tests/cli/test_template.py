# SPDX-License-Identifier: MIT
"""brrr template: where the template comes from, the forms of the input, the answers to bad lines."""
import json

OK, RUN, USAGE, MODEL = 0, 1, 2, 3
CHAT = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}" \
       "{% if add_generation_prompt %}<go>{% endif %}"
HELLO = [{"role": "user", "content": "hé\x00llo"}]


def lines(brrr, items, *options):
    text = "".join((i if isinstance(i, str) else json.dumps(i)) + "\n" for i in items)
    p = brrr(["template", "--jsonl", *options], input=text)
    assert p.returncode == OK and p.stderr == b"", p.stderr
    return [json.loads(line) for line in p.stdout.decode().split("\n") if line]


def one(brrr, item, *options):
    return lines(brrr, [item], *options)[0]


def test_template_file(brrr, tmp_path):
    path = tmp_path / "t.jinja"
    path.write_text(CHAT)
    ask = {"messages": HELLO, "add_generation_prompt": True}
    assert one(brrr, ask, "--template-file", path) == {"text": "<user>hé\x00llo<go>"}
    # a line's own template comes first
    assert one(brrr, {**ask, "template": "{{ messages|length }}"},
               "--template-file", path) == {"text": "1"}
    assert one(brrr, {**ask, "template": None}, "--template-file", path)["text"].endswith("<go>")


def test_one_object_without_jsonl(brrr, tmp_path):
    path = tmp_path / "t.jinja"
    path.write_text(CHAT)
    p = brrr(["template", "--template-file", path], input=json.dumps({"messages": HELLO}))
    assert (p.returncode, p.stdout) == (OK, "<user>hé\x00llo".encode())
    p = brrr(["template", "--template-file", path], input="[]")
    assert p.returncode == RUN and p.stdout == b"" and p.stderr.count(b"\n") == 1


def test_bad_template_file(brrr, tmp_path):
    path = tmp_path / "t.jinja"
    path.write_text("{% if %}")
    p = brrr(["template", "--jsonl", "--template-file", path], input="{}\n")
    assert p.returncode == MODEL and b"t.jinja: Expected an expression" in p.stderr
    p = brrr(["template", "--jsonl", "--template-file", tmp_path / "gone"], input="{}\n")
    assert p.returncode == RUN and b"gone: No such file" in p.stderr


def test_variables(brrr):
    say = "{{ tools is none }} {{ documents is defined }} {{ a|default('-') }} {{ bos_token }}"
    assert one(brrr, {"template": say, "extra": {"a": 1, "bos_token": "B"}}) == {
        "text": "True False 1 B"}
    assert one(brrr, {"template": say, "messages": [], "tools": [1], "extra": None}) == {
        "text": "False True - "}
    assert one(brrr, {"template": "{{ add_generation_prompt }}", "messages": []}) == {
        "text": "False"}


def test_now(brrr):
    def at(now):
        return one(brrr, {"template": "{{ strftime_now('%d.%m.%Y %H:%M:%S') }}", "now": now})

    assert at("2025-07-14T12:34:56") == {"text": "14.07.2025 12:34:56"}
    assert at("2025-07-14 12:34:56.789") == {"text": "14.07.2025 12:34:56"}
    assert at("2024-02-29") == {"text": "29.02.2024 00:00:00"}
    assert at(86400) == {"text": "02.01.1970 00:00:00"}
    assert "now" in at("yesterday")["error"]
    assert int(one(brrr, {"template": "{{ strftime_now('%Y') }}"})["text"]) >= 2024


def test_errors_say_their_kind(brrr):
    def kind(template):
        return one(brrr, {"template": template, "extra": {}})

    assert kind("{{ raise_exception('No \"x\"\\n!') }}") == {"error": 'No "x"\n!', "kind": "raised"}
    assert kind("{% nope %}")["kind"] == "syntax"
    assert kind("{{ x.y.z }}")["kind"] == "runtime"
    assert kind("{% for i in range(10**12) %}{% endfor %}")["kind"] == "limit"


def test_stream_goes_on_after_bad_lines(brrr):
    good = {"template": "{{ 1 + 1 }}"}
    bad = ["nonsense", "[1]", {"template": 5}, {"messages": 5, "template": ""},
           {"extra": [], "template": ""}, {"add_generation_prompt": 1, "template": ""}]
    answers = lines(brrr, [x for b in bad for x in (b, good)])
    assert all(a == {"text": "2"} for a in answers[1::2])
    assert all(list(a) == ["error"] for a in answers[::2])


def test_template_of_the_model(brrr, default_model):
    ask = {"messages": HELLO, "add_generation_prompt": True}
    text = one(brrr, ask, "-m", default_model)["text"]
    assert text.endswith("<|im_start|>user\nhé\x00llo<|im_end|>\n<|im_start|>assistant\n")
    assert one(brrr, {"template": "{{ bos_token }}{{ eos_token }}"}, "-m", default_model) == {
        "text": "<|im_start|><|im_end|>"}


def test_model_without_a_template(brrr, gemma_model):
    text = one(brrr, {"messages": [{"role": "user", "content": "x"}]}, "-m", gemma_model)["text"]
    assert text == "<|im_start|>user\nx<|im_end|>\n"
