"""Draws poisoned requests for every address of the application, every field and every filter."""

from __future__ import annotations

import os
import random
import re
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urljoin, urlsplit

from django.apps import apps
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.signals import got_request_exception
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils.regex_helper import normalize

IN_FULL = os.environ.get("SEEDBED_FUZZ") == "full"
HUGE = "9" * 5_000
DEEP = 5_000  # levels
POISONS = (
    *("\0", "a\0b", "\0" * 50, "\r\n\r\nX: y", "\x1b[31m", "\u202egnp", "\ufffe\uffff"),
    *(str(10**30), str(-(10**30)), HUGE, f"-{HUGE}", f"0.{HUGE}", "1e400", "-1e400", "NaN"),
    *("Infinity", "-Infinity", "infinity", str(2**31), str(2**63), str(-(2**63) - 1)),
    *("-1", "0", "1.5", "1_000", "١٢٣", "²", "0x10", "", " ", "null", "None", "true"),
    *("[" * DEEP, "[" * DEEP + "]" * DEEP, '{"a":' * DEEP + "1" + "}" * DEEP),
    *(f"[{HUGE}]", f'{{"a": {HUGE}}}', '{"a": NaN}', '{"a": -Infinity}', '{"a": 1e400}'),
    *('{"a": "\\u0000"}', '{"\\u0000": 1}', '{"a": "\\ud800"}', '{"\\udfff": 1}', '"\\ud800"'),
    *("[]", "{}", "[1]", '"text"', '{"a": {"b": []}}', '{"quality_feedback": 1}', "1"),
    *('{"quality_feedback": {"columns": {"id": null}}}', '{"count": "many"}', "{1: 2}"),
    *("0001-01-01", "9999-12-31", "10000-01-01", "2026-02-30", "2026-13-45 25:61:61"),
    *("9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "23:59:60", "00:00"),
    *("<script>alert(1)</script>", "'; DROP TABLE x; --", "%", "_", "\\", "%00", "{{7*7}}", "%s"),
    *("../../etc/passwd", "/etc/passwd", "a" * 100_000, "🙂", "[/x]", "a,b,c", "=1+1"),
    *("00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"),
    *("user__password", "id__gt", "pk", "5 5 5 5 5", "* * * * *", "0 0 31 2 *", "99 99 99 99 99"),
)
FILES = (
    b"",
    b"\0" * 100,
    b"\xff\xfe\x00\xd8",
    b"id,quality_rating,created_at\n1,\0,\n",
    b"id,id\n1,2\n",
    b'"',
    b"[" * DEEP,
    b'{"a":' * DEEP,
    b'[{"a": "\\ud800"}]',
    b"[{}]",
    b"[NaN]",
    b"[1e400]",
    f"[{HUGE}]".encode(),
    f'[{{"id": {HUGE}}}]'.encode(),
    b'[{"id": "\\u0000"}]',
    b"\x1f\x8b" + b"\0" * 50,
)
FILE_NAMES = (
    "x.csv",
    "x.json",
    "x.jsonl",
    "x.jsonl.gz",
    "x.csv.gz",
    "x",
    "..",
    "a\0.csv",
    "🙂.csv",
)
# What a list understands whatever its columns are, and what it should refuse.
LIST_PARAMETERS = (
    *("q", "o", "p", "all", "e", "_facets", "_popup", "_to_field", "page", "pk", "id__gt"),
    *("id__in", "id__range", "id__isnull", "user__password__startswith", "created_at__year"),
    *("created_at__month", "created_at__gte", "nothing", "id__nothing", "a\0b", "__", "o__o"),
    *("created_at__date", "history_date__gte", "_changelist_filters", "_saved_filters", "next"),
)
URL_ENCODED = "application/x-www-form-urlencoded"
LEFT_ALONE = ("/logout/", "/static/")  # would end the session that the other requests need


@dataclass
class Form:
    """A form of a page, with what the page has filled in."""

    page: str
    action: str
    method: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    files: set[str] = field(default_factory=set)

    @property
    def names(self) -> set[str]:
        return {name for name, _ in self.fields} | self.files


class _Page(HTMLParser):
    """Finds the forms and the links of a page."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self.address = address
        self.forms: list[Form] = []
        self.links: set[str] = set()
        self._in: Form | None = None
        self._select = self._textarea = ""
        self._text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        name = given.get("name", "")
        if tag == "a" and "href" in given:
            self.links.add(urljoin(self.address, given["href"]).split("#")[0])
        elif tag == "form":
            action = urljoin(self.address, given.get("action") or self.address)
            self._in = Form(self.address, action, given.get("method", "get").lower())
            self.forms.append(self._in)
        elif self._in is None:
            return
        elif tag == "input" and name:
            if given.get("type") == "file":
                self._in.files.add(name)
            elif (
                given.get("type") not in ("checkbox", "radio")
                or "checked" in given
                or name not in self._in.names
            ):
                self._in.fields.append((name, given.get("value", "on")))
        elif tag == "select":
            self._select = name
            self._in.fields.append((name, ""))
        elif tag == "option" and self._select:
            if "selected" in given or dict(self._in.fields)[self._select] == "":
                self._in.fields.append((self._select, given.get("value", "")))
        elif tag == "textarea":
            self._textarea, self._text = name, ""
        elif tag == "button" and name:
            self._in.fields.append((name, given.get("value", "")))

    def handle_data(self, data: str) -> None:
        self._text += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._in = None
        elif tag == "select":
            self._select = ""
        elif tag == "textarea" and self._textarea and self._in is not None:
            self._in.fields.append((self._textarea, self._text.strip()))
            self._textarea = ""


def addresses() -> Iterator[tuple[str, list[str]]]:
    """Yield every address of the resolver as a format, with the names of its places."""

    def walk(resolver: URLResolver, before: list[tuple[str, list[str]]]) -> Iterator[Any]:
        for pattern in resolver.url_patterns:
            here = [
                (f"{head}{tail}", [*places, *more])
                for head, places in before
                for tail, more in normalize(pattern.pattern.regex.pattern)
            ]
            if isinstance(pattern, URLResolver):
                yield from walk(pattern, here)
            else:
                assert isinstance(pattern, URLPattern)
                yield from here

    yield from walk(get_resolver(), [("/", [])])


class Fuzz:
    """Asks a client for pages with poisoned values, and keeps what went wrong."""

    def __init__(self, client: Client, seed: int) -> None:
        self.client, self.random = client, random.Random(seed)  # noqa: S311 - for tests
        self.asked = self.planned = self.learnt = 0
        self.statuses: dict[int, int] = {}
        self.faults: list[str] = []
        self.forms: list[Form] = []
        self.parameters: dict[str, set[str]] = {}
        self._raised: list[str] = []
        self.client.raise_request_exception = False

    def ask(self, method: str, address: str, data: Any = None, **how: Any) -> Any:
        """Send a request, undo what it wrote, and note a fault."""
        self.asked += 1
        self._raised = []
        got_request_exception.connect(self._keep, weak=False, dispatch_uid="fuzz")
        response = None
        try:
            with transaction.atomic():
                response = getattr(self.client, method)(address, data, **how)
                if response.streaming:
                    b"".join(response.streaming_content)
                transaction.set_rollback(True)
        except Exception:  # what escapes even the handler of the client, or comes while streaming
            self._raised.append(traceback.format_exc())
        finally:
            got_request_exception.disconnect(dispatch_uid="fuzz")
        status = 599 if response is None else response.status_code
        self.statuses[status] = self.statuses.get(status, 0) + 1
        if self._raised or status >= 500:
            said = "\n".join(self._raised)[-3_000:]
            self.faults.append(f"{method} {address[:300]!r} {str(data)[:600]}: {status}\n{said}")
        return response

    def _keep(self, **_: Any) -> None:
        self._raised.append(traceback.format_exc())

    def learn(self) -> None:
        """Open every address once with values that fit, and note forms, filters and orderings."""
        known = {
            f"{model._meta.app_label}_{model._meta.model_name}": [
                str(pk) for pk in model._default_manager.values_list("pk", flat=True)[:2]
            ]
            for model in apps.get_models()
            if model._meta.managed
        }
        for form, places in addresses():
            for pk in self._fitting(form, known) if places else [""]:
                address = form % dict.fromkeys(places, pk)
                if not any(part in address for part in LEFT_ALONE):
                    self.read(address)

    def _fitting(self, form: str, known: dict[str, list[str]]) -> list[str]:
        for name, keys in known.items():
            app, _, model = name.partition("_")
            if f"/{app}/{model}/" in form:
                return keys or ["1"]
        return ["1", "csat", "default"]

    def read(self, address: str) -> None:
        """Open a page and remember its forms and the parameters of its own links."""
        response = self.ask("get", address)
        if response is None or response.status_code != 200 or response.streaming:
            return
        if "html" not in response.get("Content-Type", ""):
            return
        page = _Page(address)
        page.feed(response.content.decode())
        self.forms += [form for form in page.forms if not self._is_closed(form.action)]
        names = self.parameters.setdefault(urlsplit(address).path, set())
        for link in page.links:
            parts = urlsplit(link)
            if parts.path == urlsplit(address).path:
                names.update(name for name, _ in parse_qsl(parts.query))

    def _is_closed(self, address: str) -> bool:
        return not address.startswith("/") or any(part in address for part in LEFT_ALONE)

    # --- What is drawn ----------------------------------------------------------------------------

    def poison(self) -> str:
        return self.random.choice(POISONS)

    def go(self, requests: int) -> None:
        """Poison every field, every parameter and every address once, in any order; then go on.

        Stops after that many requests, those that only looked included.
        """
        plan: list[Callable[[], None]] = [
            partial(self.post, form, name)
            for form in {(form.action, *sorted(form.names)): form for form in self.forms}.values()
            for name in sorted(form.names - {"csrfmiddlewaretoken"})
        ]
        for path, names in sorted(self.parameters.items()):
            plan += [partial(self.filter, path, name) for name in sorted(names)]
            plan += [partial(self.filter, path)]
        for form, places in addresses():
            plan += [partial(self.visit, form, places)]
        self.planned, self.learnt = len(plan), self.asked
        while self.asked < requests:
            for step in self.random.sample(plan, len(plan)):
                if self.asked >= requests:
                    return
                step()

    def post(self, form: Form, poisoned: str) -> None:
        """Send a form with one to three of its fields poisoned, or one of one's choice."""
        names = sorted(form.names - {"csrfmiddlewaretoken"})
        chosen = {poisoned} if poisoned else set(
            self.random.sample(names, min(len(names), self.random.randint(1, 3)))
        )  # fmt: skip
        data: dict[str, Any] = {}
        for name, value in form.fields:
            data.setdefault(name, [])
            if value or not data[name]:
                data[name] = [value]
        for name in chosen - form.files:
            data[name] = [self.poison() for _ in range(self.random.choice([1, 1, 2]))]
        if self.random.random() < 0.1:
            data[self.poison()[:100]] = [self.poison()]
        if form.method == "get":
            self._get(form.action, [(name, each) for name, all_ in data.items() for each in all_])
            return
        for name in form.files:
            named = self.random.choice(FILE_NAMES)
            data[name] = SimpleUploadedFile("x", self.random.choice(FILES))
            data[name]._name = named
        if form.files or self.random.random() < 0.5:
            self.ask("post", form.action, data)
        else:  # as a browser sends what has no files
            body = urlencode([(name, value) for name, all_ in data.items() for value in all_])
            self.ask("post", form.action, body, content_type=URL_ENCODED)

    def filter(self, path: str, name: str = "") -> None:
        """Ask for a page with a parameter poisoned, or those that a list may have."""
        names = [*sorted(self.parameters[path]), *LIST_PARAMETERS]
        names += [f"{name}__in" for name in self.parameters[path] if not name.endswith("__in")]
        count = self.random.choice([1, 1, 1, 2, 3])
        chosen = [name] if name else [self.random.choice(names) for _ in range(count)]
        self._get(path, [(each, self.poison()) for each in chosen])

    def _get(self, address: str, pairs: list[tuple[str, str]]) -> None:
        parts = urlsplit(address)
        query = "&".join(filter(None, [parts.query, urlencode(pairs)]))
        self.ask("get", f"{parts.path}?{query}"[:200_000])

    def visit(self, form: str, places: list[str]) -> None:
        """Ask for an address with poison, or what nobody has, in its places."""
        values = {name: quote(self.poison(), safe="") for name in places}
        address = form % values
        if self._is_closed(address):
            return
        self.ask(self.random.choice(["get", "get", "post"]), address)


def summary(faults: list[str]) -> str:
    """Return the faults by the last line of what was raised, one of each in full."""
    by_kind: dict[str, list[str]] = {}
    for fault in faults:
        lines = [line for line in fault.splitlines() if line.strip()]
        where = [line for line in lines if re.match(r'  File "', line)]
        by_kind.setdefault(f"{lines[-1][:120]} {where[-1] if where else ''}", []).append(fault)
    return "\n\n".join(f"{len(all_)} x {kind}\n{all_[0]}" for kind, all_ in by_kind.items())
