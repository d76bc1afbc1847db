"""Every page that the admin links to opens, with rows and without, for whom it should."""

import re
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from matching.models import EventChange
from project.jobs.services import enqueue
from tests.factories import (
    make_admin,
    make_alarm,
    make_api_key,
    make_group,
    make_session,
    make_staff,
    make_word,
)
from tests.feedback.collected import real_source
from tests.training.batches import make_dataset, make_good_batch, make_model
from training.services import registry

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("valkey")]

LINK = re.compile(r"""<a\b[^>]*?\bhref=["']([^"']*)["']""")
NESTED = re.compile(r"<a\s(?:(?!</a>).)*<a\s", re.DOTALL)  # no browser takes it as it is meant
PAGES_AT_MOST = 400  # orderings and filters multiply; a crawl that goes further is no smoke test
OF_A_SHAPE_AT_MOST = 3  # pages that differ only in a number, and query strings of one page


@pytest.fixture(autouse=True)
def artifact_root(settings, tmp_path: Path) -> None:
    settings.ARTIFACT_ROOT = tmp_path / "artifacts"


def crawl(client: Client) -> dict[str, int]:
    """Follow the links from the front page; returns path to status."""
    waiting, statuses, shapes = [reverse("admin:index")], {}, {}
    while waiting and len(statuses) < PAGES_AT_MOST:
        address = waiting.pop(0)
        path = urlsplit(address).path
        shape = re.sub(r"[0-9a-f-]{36}|\d+", "N", path)
        if address in statuses or shapes.get(shape, 0) >= OF_A_SHAPE_AT_MOST:
            continue
        shapes[shape] = shapes.get(shape, 0) + 1
        response = client.get(address)
        statuses[address] = response.status_code
        if response.streaming:
            b"".join(response.streaming_content)  # a download is closed when it was read
        elif response.status_code == 200 and "text/html" in response["Content-Type"]:
            html = response.content.decode()
            assert not NESTED.search(html), f"{address} has a link inside of a link"
            for link in LINK.findall(html):
                found = urljoin(address, link.replace("&amp;", "&")).split("#")[0]
                if found.startswith("/admin/") and "/logout/" not in found:
                    waiting.append(found)
    return statuses


def failures(statuses: dict[str, int]) -> dict[str, int]:
    return {address: status for address, status in statuses.items() if status not in (200, 302)}


@pytest.fixture
def _rows():
    user = make_admin()
    make_session(make_group())
    make_word()
    make_api_key()
    make_alarm()
    batch = make_good_batch(400)
    registry.promote(make_model(make_dataset(batch)))
    EventChange.objects.create(
        event_id=batch.first_event_id, batch=batch, line=1, state="replaced", by="somebody",
        before={"outcome": 1}, after={"outcome": 3},
    )  # fmt: skip
    real_source()
    enqueue("matching.seed_users", by=user, count=1, seed=1)


def test_every_page_opens_with_no_rows(client: Client) -> None:
    client.force_login(make_admin())
    statuses = crawl(client)
    assert len(statuses) > 40
    assert failures(statuses) == {}


@pytest.mark.usefixtures("_rows")
def test_every_page_opens_with_rows(client: Client) -> None:
    client.force_login(make_admin())
    statuses = crawl(client)
    assert len(statuses) > 80
    assert failures(statuses) == {}


@pytest.mark.usefixtures("_rows")
def test_who_may_only_look_meets_no_link_that_is_closed_to_him(client: Client) -> None:
    views = Permission.objects.filter(codename__startswith="view_").exclude(
        content_type__app_label__in=["auth", "admin", "contenttypes", "sessions"]
    )
    names = views.values_list("content_type__app_label", "codename")
    client.force_login(make_staff(*(f"{app}.{codename}" for app, codename in names)))
    statuses = crawl(client)
    assert len(statuses) > 40
    assert failures(statuses) == {}


@pytest.mark.usefixtures("_rows")
def test_staff_without_permissions_open_nothing_but_the_front_page(client: Client) -> None:
    every = Client()
    every.force_login(make_admin())
    client.force_login(make_staff(name="newcomer"))
    shown = crawl(client)
    assert failures(shown) == {}
    own = {urlsplit(address).path for address in shown}
    open_pages = {
        address
        for address in crawl(every)
        if urlsplit(address).path not in own and client.get(address).status_code == 200
    }
    assert open_pages == set()
