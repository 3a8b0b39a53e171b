# SPDX-License-Identifier: MIT
"""jinja2 as transformers sets it up for chat templates: what brrr template is compared with.

transformers is not needed: its filters, functions and tags are few and are repeated here.
"""
import copy
import datetime
import json

import jinja2
import jinja2.ext
import jinja2.sandbox

NOW = datetime.datetime(2025, 7, 14, 12, 34, 56)


class Generation(jinja2.ext.Extension):
    """{% generation %}: marks what the model wrote; renders as its body."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_body"), [], [], body).set_lineno(line)

    @staticmethod
    def _body(caller):
        return caller()


class Namespace(jinja2.utils.Namespace):
    def __init__(*args, **kwargs):  # pylint: disable=no-method-argument
        attrs = dict(*args[1:], **kwargs)
        for name in attrs:
            Namespace.check(name)
        jinja2.utils.Namespace.__init__(args[0], attrs)

    def __setitem__(self, name, value):
        Namespace.check(name)
        jinja2.utils.Namespace.__setitem__(self, name, value)

    @staticmethod
    def check(name):
        if isinstance(name, str) and name.startswith("_"):
            raise jinja2.exceptions.SecurityError("underscore")


def to_json(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators,
                      sort_keys=sort_keys)


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


ENV = jinja2.sandbox.ImmutableSandboxedEnvironment(
    trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
ENV.filters["tojson"] = to_json
ENV.globals.update(raise_exception=raise_exception, strftime_now=NOW.strftime, dict=dict,
                   namespace=Namespace)


def render(template, extra):
    """{"expected": text} or {"error": "raised", "message": text} or {"error": "syntax"|"runtime"}"""
    try:
        return {"expected": ENV.from_string(template).render(tools=None, **copy.deepcopy(extra))}
    except (jinja2.exceptions.TemplateSyntaxError, SyntaxError):
        return {"error": "syntax"}
    except jinja2.exceptions.TemplateError as e:
        if type(e) is jinja2.exceptions.TemplateError:  # pylint: disable=unidiomatic-typecheck
            return {"error": "raised", "message": str(e)}
        return {"error": "runtime"}
    except Exception:  # pylint: disable=broad-exception-caught
        return {"error": "runtime"}
