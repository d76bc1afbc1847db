"""The pages of the reports and the panel: who sees them, what they say, what they cost."""

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django.live_server_helper import LiveServer
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from feedback.admin.reports import TITLES
from feedback.queries.sources import SYNTHETIC_LABEL
from tests.feedback.collected import answer, judge, rate, real_source, synthetic

pytestmark = pytest.mark.django_db


def _login(client: Client, *codenames: str) -> None:
    user = User.objects.create_user("reader", password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client.force_login(user)


def _url(kind: str, query: str = "") -> str:
    return reverse("admin:feedback_report", args=[kind]) + query


@pytest.mark.parametrize("kind", TITLES)
def test_reports_are_for_people_with_the_permission(client: Client, kind: str) -> None:
    assert client.get(_url(kind)).status_code == 302
    _login(client, "view_feedbacksource")
    assert client.get(_url(kind)).status_code == 403


@pytest.mark.parametrize("kind", TITLES)
def test_every_page_says_whose_rows_it_shows(client: Client, kind: str) -> None:
    _login(client, "report_feedback")
    synthetic()
    page = client.get(_url(kind)).content.decode()
    assert "sb-synthetic" in page
    if kind != "status":
        assert SYNTHETIC_LABEL in page
        assert "<svg" in page
    real_source()
    if kind != "status":
        assert SYNTHETIC_LABEL not in client.get(_url(kind)).content.decode()


@pytest.mark.parametrize("kind", TITLES)
def test_empty_pages_name_the_next_step(client: Client, kind: str) -> None:
    _login(client, "report_feedback")
    page = client.get(_url(kind)).content.decode()
    assert "sb-empty" in page


@pytest.mark.parametrize("kind", TITLES)
def test_pages_take_as_many_queries_for_many_rows_as_for_few(client: Client, kind: str) -> None:
    _login(client, "report_feedback")
    people = real_source()
    counts = []
    for rows in (1, 60):
        names = [f"m{number % 7}" for number in range(rows)]
        rate(people, [0.5] * rows, model=names, response_id=names)
        judge(people, [0.6] * rows, model=names, response_id=names)
        answer(people, [0.4] * rows, experiment_name=names, variant=names)
        client.get(_url(kind))
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert client.get(_url(kind)).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_the_filters_choose_source_period_and_ranges(client: Client) -> None:
    _login(client, "report_feedback")
    people = real_source()
    rate(people, [0.5] * 3, provider="old-one", days_ago=50)
    rate(people, [0.5] * 3, provider="new-one")
    page = client.get(_url("csat", "?days=30&edges=0,.2,1&source=people")).content.decode()
    assert "new-one" in page
    assert "old-one" not in page
    assert "0 to 0.2" in page
    assert "?days=30&amp;edges=0%2C.2%2C1&amp;source=people" in page


@pytest.mark.parametrize("query", ["?edges=5", "?edges=a", "?source=nobody", "?days=abc"])
def test_unusable_filters_are_said_and_break_nothing(client: Client, query: str) -> None:
    _login(client, "report_feedback")
    answer_page = client.get(_url("csat", query))
    assert answer_page.status_code == 200
    assert "errorlist" in answer_page.content.decode()


def test_a_baseline_expects_the_chosen_combination(client: Client) -> None:
    _login(client, "report_feedback")
    synthetic()
    page = client.get(_url("baselines", "?provider=openai&model=unheard-of")).content.decode()
    assert "Expected of openai, unheard-of" in page
    assert "not known: model, action_type" in page


def test_the_page_of_experiments_names_both_intervals_and_takes_the_plan(client: Client) -> None:
    _login(client, "report_feedback")
    people = real_source()
    for variant, rows in (("A", 60), ("B", 60), ("C", 14)):
        answer(people, [0.4, 0.6] * (rows // 2), experiment_name="e", variant=variant)
    page = client.get(_url("experiments", "?planned=90")).content.decode()
    assert "95 %, at every look" in page
    assert "if looked at once, at the planned end" in page
    assert "from 60 sessions of each" in page
    assert "A verdict needs 15 sessions of each; C has 14." in page
    assert "at 90 sessions of the smaller arm" in page
    assert "errorlist" in client.get(_url("experiments", "?planned=3")).content.decode()


def test_names_from_outside_are_escaped(client: Client) -> None:
    _login(client, "report_feedback")
    rate(real_source(), [0.1, 0.9], provider="<script>alert(1)</script>")
    page = client.get(_url("csat")).content.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def test_there_is_no_other_page(client: Client) -> None:
    _login(client, "report_feedback")
    assert client.get("/admin/feedback/says/nothing/").status_code == 404


def test_the_front_page_shows_the_state_of_feedback_to_those_who_may(client: Client) -> None:
    _login(client, "report_feedback")
    assert "no source yet" in client.get(reverse("admin:index")).content.decode()
    synthetic(120)
    page = client.get(reverse("admin:index")).content.decode()
    assert " ratings" in page
    assert "Feedback, synthetic" in page
    assert "Rows for a model of CSAT" in page
    User.objects.get().user_permissions.clear()
    assert "CSAT" not in client.get(reverse("admin:index")).content.decode()


def test_the_form_of_the_schedule_does_not_end_the_form_of_the_list(client: Client) -> None:
    client.force_login(User.objects.create_superuser("root"))
    real_source()
    page = client.get(reverse("admin:feedback_feedbacksource_changelist")).content.decode()
    schedule = page.index(reverse("admin:feedback_schedule"))
    assert page.index("</form>", schedule) < page.index('id="changelist-form"')


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_a_browser_has_nothing_to_complain_about(
    browser: Chrome, live_server: LiveServer, client: Client
) -> None:
    _login(client, "report_feedback")
    synthetic()
    browser.get(f"{live_server.url}/admin/login/")
    browser.add_cookie({"name": "sessionid", "value": client.cookies["sessionid"].value})
    browser.get_log("browser")
    for kind in TITLES:
        browser.get(live_server.url + _url(kind))
        assert (
            browser.find_element(By.CSS_SELECTOR, ".sb-tabs [aria-current=page]").text
            == TITLES[kind]
        )
        assert [entry["message"] for entry in browser.get_log("browser")] == []
