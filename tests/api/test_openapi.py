# SPDX-License-Identifier: MIT
"""GET /openapi.json is made of the tables that check requests: it is well formed, and requests that
it allows, or nearly allows, never make the server fail."""
import itertools
import json
import os
import re

import hypothesis
import jsonschema
import openapi_spec_validator
import pytest
import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (content_type_conformance,
                                               response_schema_conformance,
                                               status_code_conformance)

EXAMPLES = int(os.environ.get("API_EXAMPLES", "25"))
# How each body is asked for, and kept short.
VALID = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "a"}], "max_tokens": 1},
    "/v1/completions": {"prompt": "a", "max_tokens": 1},
    "/generate": {"inputs": "a", "parameters": {"max_new_tokens": 1}},
    "/generate_stream": {"inputs": "a", "parameters": {"max_new_tokens": 1}},
    "/": {"inputs": "a", "parameters": {"max_new_tokens": 1}},
    "/chat_tokenize": {"messages": [{"role": "user", "content": "a"}]},
    "/detokenize": {"tokens": [1]},
    "/tokenize": {"prompt": "a"},
    "/invocations": {"inputs": "a", "parameters": {"max_new_tokens": 1}},
}
NESTED = "[" * 100 + "]" * 100


@pytest.fixture(scope="module")
def description(server):
    r = server.get("/openapi.json")
    assert r.status == 200 and r.headers["content-type"] == "application/json"
    return r.json()


def test_it_is_openapi(description):
    openapi_spec_validator.validate(description)
    posts = {p for p, ops in description["paths"].items() if "post" in ops}
    assert posts == set(VALID), "each has a valid body here"


def test_it_says_who_needs_a_key(description):
    is_open = {p for p, ops in description["paths"].items()
               if any(op.get("security") == [] for op in ops.values())}
    assert {"/livez", "/readyz", "/health", "/ping"} <= is_open
    assert not {"/metrics", "/props", "/v1/models", "/tokenize"} & is_open


# --- answers ---

def test_answers_are_as_described(server, description):
    for path, ops in description["paths"].items():
        for method, op in ops.items():
            if "{" in path or path == "/" and method == "get":
                continue
            body = VALID.get(path)
            for more in ({}, {"stream": False, "logprobs": None}) if body else ({},):
                r = server.request(method.upper(), path, body and {**body, **more})
                assert r.status == 200, (path, r.body)
                kind = r.headers["content-type"].split(";")[0]
                content = op["responses"]["200"].get("content")
                if path == "/" or kind != "application/json":
                    assert not content or kind in content, path
                    continue
                jsonschema.validate(r.json(), {**content[kind]["schema"],
                                               "components": description["components"]})
    detailed = {"inputs": "a", "parameters": {"max_new_tokens": 2, "details": True,
                                              "top_n_tokens": 2, "best_of": 2, "do_sample": True}}
    content = description["paths"]["/generate"]["post"]["responses"]["200"]["content"]
    jsonschema.validate(server.post("/generate", detailed).json(),
                        content["application/json"]["schema"])


def test_defaults_are_as_described(server):
    """A field that is not sent is the same as one that is sent with its default."""
    body = {"prompt": "hello", "max_tokens": 40, "ignore_eos": True, "seed": 5}
    chat = server.get("/openapi.json").json()["components"]["schemas"]["openai-completion"]
    defaults = {k: v["default"] for k, v in chat["properties"].items() if "default" in v}
    defaults.pop("ignore_eos")
    assert len(defaults) > 10

    def text(more):
        return server.post("/v1/completions", {**body, **more}).json()["choices"][0]["text"]

    assert text({}) == text(defaults) != text({"temperature": 0})


# --- bodies ---

def tables(schema, schemas):
    """The alternatives of a body."""
    if "$ref" in schema:
        return tables(schemas[schema["$ref"].split("/")[-1]], schemas)
    if "anyOf" in schema:
        return [t for s in schema["anyOf"] for t in tables(s, schemas)]
    return [schema]


def rows(table, path=()):
    for name, schema in table["properties"].items():
        if schema.get("properties") and name != "response_format":
            yield from rows(schema, (*path, name))
        yield (*path, name), schema, name in table.get("required", [])


def wrong_types(schema):
    kinds = schema.get("type", [])
    kinds = set([kinds] if isinstance(kinds, str) else kinds)
    if not kinds:
        return []
    values = {"string": "x", "integer": 5, "boolean": True, "array": [1], "object": {"a": 1},
              "number": 0.5}
    if "number" in kinds:
        del values["integer"]
    return [v for k, v in values.items() if k not in kinds]


def edges(schema):
    """(value, whether the row allows it; None: other rows decide)"""
    least, largest = schema.get("minimum"), schema.get("maximum")
    step = 1 if "integer" in schema.get("type", []) else 0.5
    out = [(v, False) for v in wrong_types(schema)]
    if least is not None and abs(least) < 1e15:
        out += [(least, True), (least - step, False)]
    if largest is not None and abs(largest) < 1e15:
        out += [(largest, None), (largest + step, False)]
    if "maxLength" in schema and schema.get("type", [""])[0] == "string":
        n = schema["maxLength"]
        out += [("x" * n, None)] if n < 1 << 20 else []
        out += [("x" * (n + 1), False)] if n < 1 << 20 else []
    for value in ("", [], {}, 0, -1, -0.0, 10 ** 18, -10 ** 18, 1e308, "x" * 100_000, [[]] * 1000, {"x" * 1000: 1}):
        out.append((value, None))
    return out


def raw(body, path, text):
    """The body's JSON with the value at `path` replaced by `text`."""
    copy = json.loads(json.dumps(body))
    place(copy, path, "@@")
    return json.dumps(copy).replace('"@@"', text).encode()


def place(body, path, value):
    for name in path[:-1]:
        body = body.setdefault(name, {})
    body[path[-1]] = value


def keys_of(table):
    return [k for k in ("inputs", "prompt", "messages", "content", "tokens")
            if k in table["properties"]]


def bodies(description):
    """(route, valid body, the row's path, its schema, whether it is required)"""
    schemas = description["components"]["schemas"]
    for path, ops in description["paths"].items():
        if "post" not in ops:
            continue
        for table in tables(ops["post"]["requestBody"]["content"]["application/json"]["schema"],
                            schemas):
            body = dict(VALID[path])
            if not set(body) <= set(table["properties"]):
                key = keys_of(table)[0]
                body = {key: [{"role": "user", "content": "a"}] if key == "messages" else "a"}
                if "max_tokens" in table["properties"]:
                    body["max_tokens"] = 1
            for row in rows(table):
                yield path, body, *row


def message(r):
    v = r.json()
    error = v["error"]
    return error if isinstance(error, str) else error["message"]


def names(field, text):
    """What a problem is about. A prompt that is too long is told by its tokens."""
    return field in text or field in ("prompt", "messages", "inputs", "content") and \
        re.search("prompt|tokens", text)


def check(r, allowed, field, what):
    """allowed: True: the field is not what is wrong; False: it is; None: either."""
    assert r.status < 500, (what, r.status, r.body[:300])
    assert allowed is not True or r.status < 300 or field not in message(r), (what, r.body)
    if allowed is False:
        assert 400 <= r.status < 500, (what, r.body[:300])
    if r.status >= 400 and allowed is False:
        assert names(field, message(r)), (what, r.body)


def test_every_field_of_every_route(server, description):
    """Missing, null, wrong types, bounds and beyond, huge, NaN, deep, long (hardening R15)."""
    n = 0
    for path, body, row, schema, required in bodies(description):
        field = row[-1]
        if required:
            short = {k: v for k, v in body.items() if k != field}
            check(server.post(path, short), False, field, (path, row, "missing"))
        for value, allowed in [(None, False if required else None), *edges(schema)]:
            copy = json.loads(json.dumps(body))
            place(copy, row, value)
            check(server.post(path, copy), allowed, field, (path, row, str(value)[:40]))
            n += 1
        for text in ("NaN", "Infinity", "1e400", "9" * 400, NESTED, '"\\ud800"', '"\x01"'):
            r = server.post(path, raw(body, row, text))
            assert r.status in (400, 422), (path, row, text[:20], r.body)
            assert re.search("not JSON|nested deeper", message(r)), r.body
            n += 1
    assert n > 5000, n
    assert server.get("/readyz").status == 200


def test_pairs_of_flags(server, description):
    """What is allowed alone is allowed together, or said to be not."""
    for path in ("/generate", "/v1/completions"):
        seen = [(row, s) for p, _, row, s, _ in bodies(description) if p == path]
        flags = [row for row, s in seen if "boolean" in s.get("type", [])]
        for pair in itertools.combinations(flags, 2):
            copy = json.loads(json.dumps(VALID[path]))
            for row in pair:
                place(copy, row, True)
            r = server.post(path, copy)
            assert r.status == 200 or any(row[-1] in message(r) for row in pair), (pair, r.body)


# --- schemathesis ---

CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance,
          status_code_conformance]


def test_what_the_description_allows(server):
    schema = schemathesis.openapi.from_url(server.url + "/openapi.json")
    n = 0
    for operation in schema.get_all_operations():
        strategy = operation.ok().as_strategy()

        @hypothesis.given(strategy)
        @hypothesis.settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None,
                             suppress_health_check=list(hypothesis.HealthCheck))
        def call(case):
            nonlocal n
            n += 1
            case.validate_response(case.call(timeout=60), checks=CHECKS)

        call()
    assert n > 10 * EXAMPLES
