"""Nobody of a role meets a link or a button that answers no: every page, each form, each action."""

import html
import logging
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from django.db import transaction
from django.test import Client

from feedback.models import CollectionRun, RejectedRecord, Table
from matching.models import RejectedEvent
from project.jobs.models import Job, Schedule
from project.jobs.services import enqueue, save_schedule
from tests.factories import (
    make_admin,
    make_alarm,
    make_api_key,
    make_group,
    make_mapping,
    make_seed_user,
    make_session,
    make_word,
)
from tests.feedback.collected import answer, judge, rate, real_source
from tests.roles import make_person_of, rights_of_roles
from tests.training.batches import make_dataset, make_good_batch, make_model
from training.services import registry

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("valkey"), pytest.mark.slow]

PAGES_AT_MOST = 500
# `make fuzz` opens more records of a kind (jobs of other states, other batches), and an empty
# installation as each role; else as the one that is shown how to begin.
IN_FULL = os.environ.get("SEEDBED_FUZZ") == "full"
OF_A_SHAPE_AT_MOST = 4 if IN_FULL else 1
CLOSED = (403, 404, 405)


@dataclass
class Form:
    """A form of a page: where it is sent, and with what."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    has_button: bool = False  # what is only shown is a form of Django's without one


class Reader(HTMLParser):
    """Takes links, forms, buttons of other forms and actions of lists out of a page."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self.address = address
        self.links: list[str] = []
        self.posts: list[str] = []
        self.forms: list[Form] = []
        self.actions: list[str] = []
        self.record = ""
        self._is_inside = False
        self._is_choosing = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Read one tag."""
        given = {name: value or "" for name, value in attrs}
        if tag == "a" and "href" in given:
            self.links.append(urljoin(self.address, given["href"]).split("#")[0])
        if tag == "form":
            action = urljoin(self.address, given.get("action") or self.address)
            self.forms.append(Form(action, given.get("method", "get").lower()))
            self._is_inside = True
        sends = tag == "button" or (tag == "input" and given.get("type") == "submit")
        if self._is_inside and sends and given.get("type", "submit") == "submit":
            self.forms[-1].has_button = True
        if "formaction" in given:
            self.posts.append(urljoin(self.address, given["formaction"]))
        if tag == "select":
            self._is_choosing = given.get("name") == "action"
        if tag == "option" and self._is_choosing and given.get("value"):
            self.actions.append(given["value"])
        if tag == "input":
            name, value = given.get("name", ""), given.get("value", "")
            if name == "_selected_action" and not self.record:
                self.record = value
            if self._is_inside and given.get("type") == "hidden":
                self.forms[-1].fields[name] = value

    def handle_endtag(self, tag: str) -> None:
        """Leave a form or a choice."""
        if tag == "form":
            self._is_inside = False
        if tag == "select":
            self._is_choosing = False


@pytest.fixture
def _rows() -> None:
    owner = make_admin()
    user = make_seed_user(age=None)
    make_session(make_group())
    make_session(user)
    make_word()
    make_api_key()
    make_alarm()
    make_mapping()
    make_mapping(is_confirmed=True, table="ab_testing")
    dataset = make_dataset(make_good_batch(400))
    registry.promote(make_model(dataset), by=owner)
    make_model(dataset, seed=1)
    RejectedEvent.objects.create(
        batch=dataset.batches.get(), line=1, reason="x", message="y", text="z"
    )
    source = real_source()
    for land in (rate, judge, answer):
        land(source, [0.2, 0.6] * 10)
    RejectedRecord.objects.create(
        row_uid="00000000-0000-0000-0000-000000000001",
        source=source,
        run=CollectionRun.objects.first(),
        table=Table.QUALITY_FEEDBACK,
        reason="unreadable",
        payload={},
    )
    schedule = Schedule(
        name="s", kind="matching.seed_users", arguments={"count": 1}, cron="0 6 * * *"
    )
    save_schedule(schedule, by=owner)
    for state in Job.State:
        job = enqueue("matching.seed_users", by=owner, count=1)
        Job.objects.filter(pk=job.pk).update(state=state)
    Job.objects.create(kind="overview.rebuild_model", state="failed", user=owner, actor="x")
    Job.objects.create(kind="feedback.collect_feedback", state="refused", user=owner, actor="x")


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def dead_ends(client: Client) -> tuple[list[str], int]:
    """Follow every link, press every button; returns what answers no, and how many pages opened."""
    waiting, seen, shapes, pressed = ["/admin/"], set[str](), dict[str, int](), set[str]()
    found: list[str] = []
    while waiting and len(seen) < PAGES_AT_MOST:
        address = waiting.pop(0)
        shape = re.sub(r"[0-9a-f-]{36}|\d+", "N", urlsplit(address).path)
        if address in seen or shapes.get(shape, 0) >= OF_A_SHAPE_AT_MOST:
            continue
        seen.add(address)
        shapes[shape] = shapes.get(shape, 0) + 1
        page = client.get(address)
        if page.streaming:
            b"".join(page.streaming_content)
            continue
        if page.status_code in CLOSED:
            found.append(f"{address} answers {page.status_code}")

        if page.status_code != 200 or "text/html" not in page["Content-Type"]:
            continue
        reader = Reader(address)
        reader.feed(page.content.decode())
        waiting += [
            html.unescape(link)
            for link in reader.links
            if link.startswith("/admin/") and "/logout/" not in link
        ]
        for what, to, data in buttons(reader):
            if f"{shape} {what}" in pressed:
                continue
            pressed.add(f"{shape} {what}")
            status = press(client, to, data)
            if status in CLOSED:
                found.append(f"{what} of {address} answers {status}")

    return found, len(seen)


def buttons(reader: Reader) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield what can be pressed on a page: its name, where it is sent, and what with."""
    for to in reader.posts:
        yield f"button to {shape_of(to)}", to, {}
    for form in reader.forms:
        if form.method == "post" and form.has_button and "/logout/" not in form.action:
            yield f"form to {shape_of(form.action)}", form.action, form.fields
    for action in reader.actions if reader.record else ():
        chosen = {"action": action, "_selected_action": [reader.record], "index": "0"}
        yield f"action {action}", reader.address, {**chosen, "confirmed": "1"}


def shape_of(address: str) -> str:
    return re.sub(r"[0-9a-f-]{36}|\d+", "N", urlsplit(address).path)


def press(client: Client, to: str, data: dict[str, Any]) -> int:
    """Send a form and undo it; returns the answer's status."""
    with transaction.atomic():
        response = client.post(to, {k: v for k, v in data.items() if k != "csrfmiddlewaretoken"})
        if response.streaming:
            b"".join(response.streaming_content)
        transaction.set_rollback(True)
    client.cookies.pop("messages", None)  # they lead to what was undone
    return response.status_code


@pytest.mark.usefixtures("_rows")
@pytest.mark.parametrize("role", rights_of_roles())
def test_no_role_meets_a_dead_end(role: str, client: Client) -> None:
    client.force_login(make_person_of(role))
    found, opened = dead_ends(client)
    assert not found, "\n".join(found)
    assert opened > 60


@pytest.mark.parametrize("role", rights_of_roles() if IN_FULL else ["Operator"])
def test_no_role_meets_a_dead_end_while_there_is_nothing(role: str, client: Client) -> None:
    client.force_login(make_person_of(role))
    found, opened = dead_ends(client)
    assert not found, "\n".join(found)
    assert opened > 25


def test_the_crawl_sees_what_is_closed(client: Client) -> None:
    """A page that offers a link and a button to who may use neither."""
    reader = Reader("/admin/x/")
    reader.feed(
        '<a href="/admin/auth/user/">a</a><form method="post" action="y/"><input type="hidden" '
        'name="n" value="v"><button>y</button></form>'
        '<button formaction="/admin/home/begin/people/"></button>'
    )
    assert reader.links == ["/admin/auth/user/"]
    assert [what for what, *_ in buttons(reader)] == [
        "button to /admin/home/begin/people/", "form to /admin/x/y/"
    ]  # fmt: skip
    client.force_login(make_person_of("Viewer"))
    assert client.get(reader.links[0]).status_code == 403
    assert press(client, reader.posts[0], {}) == 403
