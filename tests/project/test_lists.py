"""Lists of the admin: filters kept in the address, a bar that says what it does and asks first."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib import admin
from django.core.cache import cache
from django.db import connection
from django.test import Client, RequestFactory, override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from feedback.models import FeedbackChange
from feedback.models.records import FeedbackRecord
from matching.models import EventBatch, EventChange, MatchEvent, RejectedEvent, SeedUser
from project.jobs.models import Job
from project.jobs.services import enqueue
from project.mappings.refused import RefusedRow
from project.pages.admins import LargeTable
from project.pages.navigation import Entry, add_entries, all_entries, count_all
from tests.factories import make_group, make_seed_user, make_staff

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("valkey")]
PEOPLE = "/admin/matching/seeduser/"


def listed(client: Client, query: str = "") -> set[str]:
    html = client.get(f"{PEOPLE}?{query}").content.decode()
    return set(re.findall(r'<span class="sb-two sb-mono">([^<]+)</span>', html))


@pytest.fixture
def people(db: None) -> list[SeedUser]:
    return [make_seed_user(f"user{age}", age=age, religion="") for age in (20, 30, 40)]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("age__from=30", {"user30", "user40"}),
        ("age__to=30", {"user20", "user30"}),
        ("age__from=25&age__to=35", {"user30"}),
        ("age__from=&age__to=", {"user20", "user30", "user40"}),
        ("age__from=NaN", set()),
        ("age__from=1e400", set()),
        ("age__to=many", set()),
        ("age__from=35&q=user4", {"user40"}),
    ],
)
def test_a_range_has_both_ends(
    admin_client: Client, people: list[SeedUser], query: str, expected: set[str]
) -> None:
    assert listed(admin_client, query) == expected


def test_what_is_asked_stands_above_the_list_and_can_be_taken_back(
    admin_client: Client, people: list[SeedUser]
) -> None:
    html = admin_client.get(f"{PEOPLE}?age__from=25&q=user").content.decode()
    (chip,) = re.findall(r'<a class="sb-chip sb-on" href="([^"]*)">Age: <b>from 25</b>', html)
    assert chip == "?q=user"  # without the filter, with the search
    # The form of a range keeps what else is asked.
    assert '<input type="hidden" name="q" value="user">' in html
    assert "2 of 3" in html
    none = admin_client.get(f"{PEOPLE}?age__from=99").content.decode()
    assert "Nothing matches" in none
    assert "There are no seed users yet" not in none


def test_a_range_of_dates_has_whole_days_of_the_installations_zone(
    admin_client: Client, settings: Any
) -> None:
    settings.TIME_ZONE = "Europe/Berlin"
    jobs = {}
    for hour in (21, 22, 23):  # Berlin's 27th of November begins at 23:00 UTC
        job = enqueue("matching.seed_users", count=0, seed=hour, ring_bell=False)
        at = datetime(2026, 11, 26, hour, tzinfo=UTC)
        # An active one would stand in the strip of every page.
        Job.objects.filter(pk=job.pk).update(created_at=at, state=Job.State.SUCCEEDED)
        jobs[hour] = job.short_id
    there = reverse("admin:jobs_job_changelist")

    def shown(query: str) -> set[int]:
        html = admin_client.get(f"{there}?{query}").content.decode()
        return {hour for hour, name in jobs.items() if name in html}

    assert shown("created_at__to=2026-11-26") == {21, 22}
    assert shown("created_at__from=2026-11-27") == {23}
    assert shown("created_at__from=2026-11-26&created_at__to=2026-11-27") == {21, 22, 23}
    assert shown("created_at__from=yesterday") == set()
    assert shown("created_at__to=9999-12-31") == {21, 22, 23}  # there is no day after it
    assert shown("created_at__from=0001-01-01") == {21, 22, 23}


def test_an_action_asks_first_and_says_how_many(
    admin_client: Client, people: list[SeedUser]
) -> None:
    chosen = {"action": "fill_in", "_selected_action": [user.pk for user in people[:2]]}
    page = admin_client.post(PEOPLE, {**chosen, "index": "0"})
    html = page.content.decode()
    assert "Fill in what is missing: 2" in html
    assert "user20" in html
    assert "user40" not in html
    assert not Job.objects.exists()
    fields = re.findall(r'<input type="hidden" name="(\w+)" value="(\w+)">', html)
    data: dict[str, list[str]] = {}
    for name, value in fields:
        data.setdefault(name, []).append(value)
    admin_client.post(PEOPLE, data)
    assert Job.objects.get().arguments["users"] == [user.pk for user in people[:2]]


def test_all_pages_are_meant_only_within_what_is_asked(
    admin_client: Client, people: list[SeedUser]
) -> None:
    chosen = {"action": "fill_in", "_selected_action": [people[2].pk], "select_across": "1"}
    html = admin_client.post(f"{PEOPLE}?age__from=25", chosen).content.decode()
    assert "Fill in what is missing: 2" in html
    admin_client.post(f"{PEOPLE}?age__from=25", {**chosen, "confirmed": "1"})
    assert Job.objects.get().arguments["users"] == [people[1].pk, people[2].pk]


def test_each_button_of_the_bar_runs_its_own_action(
    admin_client: Client, people: list[SeedUser]
) -> None:
    html = admin_client.get(PEOPLE).content.decode()
    names = re.findall(r'<input type="hidden" name="action" value="(\w+)">', html)
    buttons = re.findall(r'name="index" value="(\d+)">([^<]+)</button>', html)
    assert len(names) == len(buttons) == 3
    for index, words in buttons:
        data = {"action": names, "index": index, "_selected_action": [people[0].pk]}
        page = admin_client.post(PEOPLE, data)
        if page.status_code == 302:  # people are removed on a page of its own
            assert page["Location"] == f"{reverse('admin:remove_person')}?number={people[0].pk}"
            assert words == "Remove …"
            continue
        title = page.content.decode()
        assert words.removesuffix(" …").split()[0] in re.search(r"<h1>(.*?)</h1>", title)[1]  # type: ignore[index]


def test_what_is_removed_by_a_plan_is_called_so_everywhere(
    admin_client: Client, people: list[SeedUser]
) -> None:
    """One word in the bar of a list, the menu of a row and on a page; else Django's own."""
    group = make_group("club", people[:1])
    for name, record, word in (("seeduser", people[0], "Remove …"),
                               ("travelgroup", group, "Delete …")):  # fmt: skip
        listed = admin_client.get(reverse(f"admin:matching_{name}_changelist")).content.decode()
        page = reverse(f"admin:matching_{name}_change", args=[record.pk])
        shown = admin_client.get(page).content.decode()
        other = {"Remove …": "Delete …", "Delete …": "Remove …"}[word]
        assert f">{word}</button>" in listed
        assert f'class="deletelink">{word}</a>' in shown
        assert other not in listed + shown
    assert ">Remove …</a></li>" in admin_client.get(PEOPLE).content.decode()


def test_nothing_chosen_is_said(admin_client: Client, people: list[SeedUser]) -> None:
    there = admin_client.post(PEOPLE, {"action": "fill_in", "index": "0"}, follow=True)
    assert "must be selected" in there.content.decode()
    assert admin_client.post(PEOPLE, {"action": "fill_in", "index": "²"}).status_code in (200, 302)


# --- Navigation and palette -----------------------------------------------------------------------


def test_the_navigation_counts_everything_in_one_query(people: list[SeedUser]) -> None:
    with CaptureQueriesContext(
        connection,
    ) as asked:
        numbers = count_all()
    assert len(asked) == 1
    assert numbers["matching_seeduser_changelist"] == 3


def test_the_navigation_asks_once_for_many_pages(admin_client: Client) -> None:
    local = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    with override_settings(CACHES=local):
        cache.clear()

        def unions() -> int:
            with CaptureQueriesContext(connection) as asked:
                admin_client.get("/admin/auth/group/")
            return sum("UNION ALL" in query["sql"] for query in asked)

        assert [unions(), unions()] == [1, 0]
        cache.clear()


def test_a_person_sees_what_may_be_opened_and_nothing_else(client: Client) -> None:
    client.force_login(make_staff("matching.view_seeduser"))
    html = client.get(PEOPLE).content.decode()
    start = html.index('id="nav-sidebar"')
    nav = html[start : html.index("</nav>", start)]
    assert re.findall(r'<a href="([^"]+)"', nav) == ["/admin/", PEOPLE]
    assert f'href="{PEOPLE}" aria-current="page"' in nav


def test_every_list_stands_in_the_navigation() -> None:
    lists = {
        f"{model._meta.app_label}_{model._meta.model_name}_changelist"
        for model in admin.site._registry
    }
    assert lists <= {entry.url_name for entry in all_entries()}


def test_no_address_stands_twice_and_no_section_is_made_up() -> None:
    entry = next(entry for entry in all_entries() if entry.section == "Matching")
    with pytest.raises(ValueError, match="Two entries"):
        add_entries(entry)
    with pytest.raises(ValueError, match="section"):
        add_entries(Entry("Nowhere", "x", "y", 1, ()))


def test_the_palette_finds_records_for_who_may_see_them(
    client: Client, people: list[SeedUser]
) -> None:
    def found(text: str) -> list[str]:
        answer = client.get("/admin/find/", {"q": text}, headers={"Accept": "application/json"})
        return [each["title"] for each in answer.json()["found"]]

    client.force_login(make_staff("matching.view_seeduser"))
    assert any("user30" in title for title in found("user3"))
    assert found("u") == []  # one letter names nobody
    page = client.get("/admin/find/", {"q": "user3"}).content.decode()
    assert "user30" in page
    assert "user20" not in page
    client.force_login(make_staff(name="other"))
    assert found("user3") == []


@pytest.mark.parametrize(
    "text", ["%", "\\", "'; DROP TABLE x", "a" * 5_000, "batch ²", "batch 9" * 9]
)
def test_the_palette_takes_any_text(admin_client: Client, text: str) -> None:
    answer = admin_client.get("/admin/find/", {"q": text}, headers={"Accept": "application/json"})
    assert answer.status_code == 200


# --- Lists of many rows --------------------------------------------------------------------------


MANY = (MatchEvent, EventChange, FeedbackRecord, FeedbackChange, RefusedRow, Job)


def are_many(model: Any) -> bool:
    return issubclass(model, MANY)


def test_lists_of_many_rows_count_sort_and_search_by_indexes_alone() -> None:
    large = {m: a for m, a in admin.site._registry.items() if are_many(m)}
    assert len(large) == 10
    for model, shown in admin.site._registry.items():
        assert isinstance(shown, LargeTable) or model not in large, model
        if not isinstance(shown, LargeTable):
            continue
        assert not shown.search_fields, f"{model}: a search of a part of a text reads all rows"
        indexed = {index.fields[0] for index in model._meta.indexes if index.fields}
        indexed |= {f.name for f in model._meta.fields if f.db_index or f.unique}
        indexed |= {e.name for i in model._meta.indexes for e in i.expressions}
        if type(shown).exactly is LargeTable.exactly:
            assert set(shown.exact_fields) <= indexed, model


def test_no_filter_lists_the_values_that_rows_have() -> None:
    """Django finds them by reading all rows, each time the list is opened."""
    request = RequestFactory().get("/")
    for model, shown in admin.site._registry.items():
        for each in shown.get_list_filter(request):
            if isinstance(each, tuple):
                assert each[1] is not admin.RelatedOnlyFieldListFilter, (model, each)
                assert each[1] is not admin.AllValuesFieldListFilter, (model, each)
            elif isinstance(each, str) and are_many(model):
                field: Any = model._meta.get_field(each)
                is_known = field.choices or field.is_relation
                assert is_known or field.get_internal_type() == "BooleanField", (model, each)


def test_an_old_row_is_found_by_its_id_and_a_new_one_by_words(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("project.pages.admins.READ_FOR_WORDS", 2)
    jobs = [
        Job.objects.create(kind="jobs.ring", state="failed", error=f"no space left on disk {n}")
        for n in range(4)
    ]
    there = reverse("admin:jobs_job_changelist")

    def found(term: str) -> list[Job]:
        return list(admin_client.get(there, {"q": term}).context["cl"].result_list)

    assert found("SPACE left") == [jobs[3], jobs[2]]
    assert jobs[0] in found(jobs[0].short_id)
    assert found(str(jobs[0].pk).upper()) == [jobs[0]]
    assert jobs[0] in found(str(jobs[0].pk)[:4])
    assert found(str(jobs[0].pk)[:3]) == []  # of which many ids may be
    assert found("disk 0") == []  # only among the newest, as the page says
    assert found("0" * 33) == found("%") == []


def test_the_reasons_offered_are_those_there_are(admin_client: Client) -> None:
    batch = EventBatch.objects.create(
        uid="00000000-0000-0000-0000-000000000001", method="imported", origin=1
    )
    for line, reason in enumerate(("bad", "absurd", "bad", "worse"), start=1):
        RejectedEvent.objects.create(batch=batch, line=line, reason=reason, text="z")
    assert RejectedEvent.objects.reasons() == ["absurd", "bad", "worse"]
    html = admin_client.get(reverse("admin:matching_rejectedevent_changelist")).content.decode()
    assert "reason=worse" in html


def test_no_column_of_a_large_list_claims_an_order_that_it_does_not_offer() -> None:
    admin.autodiscover()
    claimed = [
        f"{type(each).__name__}.{name}"
        for each in admin.site._registry.values()
        if isinstance(each, LargeTable)
        for name in each.list_display
        if getattr(getattr(each, str(name), None), "admin_order_field", None)
    ]
    assert claimed == []
