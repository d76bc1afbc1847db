"""Values of a database on another scale wait for a person, and are then read by what was said."""

import pytest
from django.urls import reverse

from feedback.jobs.collection import collect
from feedback.jobs.source_mapping import HowAsked
from feedback.models import CollectionRun, Explanation, QualityFeedback, RejectedRecord
from feedback.services.refused import retry_rejected
from project.mappings.models import ImportMapping
from tests.factories import make_staff
from tests.feedback.conftest import EXPLANATIONS, QUALITY
from tests.feedback.test_commands import run

PROPOSED = HowAsked(mapping="proposed")


def ratings(customer, kind, values, *, column="quality_rating"):
    """Make the table of ratings anew, with ratings of a type, sixty in turn."""
    customer.execute(f"DROP TABLE {QUALITY}")
    customer.execute(
        f"CREATE TABLE {QUALITY} (id text PRIMARY KEY, {column} {kind}, created_at timestamptz)"
    )
    customer.execute(f"GRANT SELECT ON {QUALITY} TO PUBLIC")
    for number in range(60):
        customer.execute(
            f"INSERT INTO {QUALITY} VALUES (%s, %s, now() - interval '1 hour' * {number + 1})",
            [f"r{number}", values[number % len(values)]],
        )


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        ("smallint", [1, -1], {0.0, 1.0}),
        ("integer", [1, 2, 3, 4, 5], {0.0, 0.25, 0.5, 0.75, 1.0}),
        ("boolean", [True, False], {0.0, 1.0}),
        ("text", ["thumbs_up", "thumbs_down"], {0.0, 1.0}),
        ("text", ["80 %", "20 %"], {0.2, 0.8}),
        ("numeric", [0, 10, 7], {0.0, 0.7, 1.0}),
        ("double precision", [100, 40, 0], {0.0, 0.4, 1.0}),
    ],
)
def test_another_scale_waits_and_then_lands_whole(customer, source, kind, values, expected):
    ratings(customer, kind, values)
    (waiting,) = collect(source, tables=["quality_feedback"])
    assert waiting.state == CollectionRun.State.REFUSED
    assert "--mapping proposed" in waiting.error
    assert not QualityFeedback.objects.exists()
    assert not RejectedRecord.objects.exists()
    (landed,) = collect(source, tables=["quality_feedback"], how=PROPOSED)
    assert (landed.state, landed.new, landed.rejected) == (CollectionRun.State.COMPLETE, 60, 0)
    found = QualityFeedback.objects.values_list("csat", flat=True)
    assert {round(one, 6) for one in found} == expected


def test_what_was_confirmed_is_taken_from_then_on(customer, source):
    ratings(customer, "integer", [1, 2, 3, 4, 5])
    collect(source, tables=["quality_feedback"], how=PROPOSED)
    customer.execute(f"INSERT INTO {QUALITY} VALUES ('new', 1, now())")
    (again,) = collect(source, tables=["quality_feedback"])
    assert (again.state, again.new, again.changed) == (CollectionRun.State.COMPLETE, 1, 0)
    assert QualityFeedback.objects.get(external_id="new").csat == 0.0
    assert ImportMapping.objects.get().is_confirmed


def test_values_that_stop_fitting_refuse_their_window(customer, source):
    ratings(customer, "integer", [1, 2, 3, 4, 5])
    collect(source, tables=["quality_feedback"], how=PROPOSED)
    for number in range(20):
        customer.execute(f"INSERT INTO {QUALITY} VALUES ('x{number}', 90, now())")
    (refused,) = collect(source, tables=["quality_feedback"])
    assert refused.state == CollectionRun.State.REFUSED
    assert "20 of" in refused.error
    assert QualityFeedback.objects.count() == 60
    part = HowAsked(accept_partial=True)
    (partial,) = collect(source, tables=["quality_feedback"], how=part)
    assert partial.is_partial
    assert QualityFeedback.objects.count() == 60


def test_the_command_ends_with_2_and_says_what_to_do(customer, source):
    ratings(customer, "integer", [1, 5])
    customer.execute(f"DROP TABLE {EXPLANATIONS}")
    code, result = run("collect_feedback", "--now")
    assert code == 2
    assert "1 to 5 becomes 0 to 1" in result["refused"]["message"]
    assert not QualityFeedback.objects.exists()
    code, _ = run("collect_feedback", "--now", "--mapping", "proposed")
    assert set(QualityFeedback.objects.values_list("csat", flat=True)) == {0.0, 1.0}


def test_as_is_is_kept_too_and_judged(customer, source):
    ratings(customer, "integer", [0, 1])
    (landed,) = collect(source, tables=["quality_feedback"])
    assert (landed.new, landed.rejected) == (60, 0)
    ratings(customer, "integer", [1, 2, 3, 4, 5])
    (refused,) = collect(source, tables=["quality_feedback"], how=HowAsked(mapping="as-is"))
    assert refused.state == CollectionRun.State.REFUSED
    assert "cannot be quality_rating" in refused.error


def test_a_required_column_is_found_by_the_name_that_others_give_it(customer, source):
    ratings(customer, "real", [0.5, 0.25], column="rating")
    (landed,) = collect(source, tables=["quality_feedback"])
    assert (landed.new, landed.columns["quality_rating"]) == (60, "rating")


def test_metrics_of_0_to_1_in_objects_wait(customer, source):
    customer.fill(12)
    customer.execute(f'UPDATE {EXPLANATIONS} SET metadata = \'{{"codeQuality": 0.8, "note": 1}}\'')
    (waiting,) = collect(source, tables=["explanations"])
    assert "metadata.codeQuality: 0 to 1 becomes 0 to 100" in waiting.error
    (landed,) = collect(source, tables=["explanations"], how=PROPOSED)
    assert (landed.new, landed.rejected) == (12, 0)
    row = Explanation.objects.first()
    assert (row.code_quality, row.metadata["note"]) == (80.0, 1)


def test_a_refused_row_is_tried_again_by_the_mapping(customer, source):
    ratings(customer, "integer", [1, 2, 3, 4, 5])
    customer.execute(f"INSERT INTO {QUALITY} VALUES ('odd', 70, now())")
    collect(source, tables=["quality_feedback"], how=PROPOSED)
    record = RejectedRecord.objects.get()
    assert record.payload["quality_rating"] == 70
    customer.execute(f"UPDATE {QUALITY} SET quality_rating = 4 WHERE id = 'odd'")
    assert retry_rejected([record]).landed == 1
    assert QualityFeedback.objects.get(external_id="odd").csat == 0.75


def test_what_is_proposed_is_confirmed_only_where_its_columns_fit(customer, source):
    ratings(customer, "text", ["good", "bad", "purple", "good"])
    (refused,) = collect(source, tables=["quality_feedback"], how=PROPOSED)
    assert refused.state == CollectionRun.State.REFUSED
    assert "15 of 60" in refused.error
    assert not ImportMapping.objects.confirmed().exists()
    assert not QualityFeedback.objects.exists()


def test_a_mapping_that_there_is_none_of_is_no_silence(customer, source):
    ratings(customer, "real", [0.5])
    (refused,) = collect(source, tables=["quality_feedback"], how=HowAsked(mapping="nobody"))
    assert refused.state == CollectionRun.State.REFUSED
    assert "no mapping 'nobody'" in refused.error
    assert not QualityFeedback.objects.exists()


def test_metrics_deep_in_objects_are_read(customer, source):
    customer.fill(12)
    deep = "json_build_object('metrics', json_build_object('codeQuality', 80, 'odd', 2))"
    customer.execute(f"UPDATE {EXPLANATIONS} SET metadata = {deep}")
    (landed,) = collect(source, tables=["explanations"])
    assert landed.state == CollectionRun.State.COMPLETE
    assert set(Explanation.objects.values_list("code_quality", flat=True)) == {80.0}


def look(client, record, **said):
    """Press "Show its rows so", with the form as it stands but for what is said."""
    url = reverse("admin:mappings_importmapping_confirm", args=[record.pk])
    form = client.get(url).context["form"]
    asked = {field.html_name: field.value() or "" for field in form}
    return client.post(url, {**asked, **said, "look": "1"})


def test_rows_of_a_source_stand_beside_its_mapping_when_asked_for(customer, source, admin_client):
    ratings(customer, "integer", [1, 2, 3, 4, 5])
    collect(source, tables=["quality_feedback"])
    record = ImportMapping.objects.get()
    url = reverse("admin:mappings_importmapping_confirm", args=[record.pk])
    opened = admin_client.get(url)
    assert opened.context["preview"] == []  # a link fetches nothing
    shown = look(admin_client, record).context["preview"]
    assert len(shown) == 10
    ratings_shown = [row["cells"][0] for row in shown]
    assert {one["field"] for one in ratings_shown} == {"quality_rating"}
    assert {one["before"]: one["after"] for one in ratings_shown} == {
        1: 0.0, 2: 0.25, 3: 0.5, 4: 0.75, 5: 1.0
    }  # fmt: skip
    changed = look(admin_client, record, **{"quality_rating:scale": "0 to 10"})
    assert {row["cells"][0]["after"] for row in changed.context["preview"]} == {
        0.1, 0.2, 0.3, 0.4, 0.5
    }  # fmt: skip
    record.refresh_from_db()
    assert (record.preview, record.is_confirmed) == ([], False)
    assert not QualityFeedback.objects.exists()


def test_rows_of_a_source_are_for_who_may_see_such_rows(customer, source, client):
    ratings(customer, "integer", [1, 2, 3, 4, 5])
    collect(source, tables=["quality_feedback"])
    record = ImportMapping.objects.get()
    asked = ["mappings.change_importmapping", "feedback.collect_feedback"]
    client.force_login(make_staff(*asked, name="mapper"))
    response = look(client, record)
    assert response.context["preview"] == []
    assert not response.context["can_look"]
    client.force_login(make_staff(*asked, "feedback.view_qualityfeedback", name="seer"))
    assert len(look(client, record).context["preview"]) == 10


def test_rows_that_cannot_be_had_are_a_message(customer, source, admin_client):
    ratings(customer, "integer", [1, 2, 3, 4, 5])
    collect(source, tables=["quality_feedback"])
    record = ImportMapping.objects.get()
    customer.execute(f"DROP TABLE {QUALITY}")
    response = look(admin_client, record)
    assert "cannot be shown" in response.content.decode()
    source.delete()
    assert "There is no source" in look(admin_client, record).content.decode()
