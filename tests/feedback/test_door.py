"""Files of other people's feedback, through the command: whole on 0 to 1, or not at all."""

import io
import json
import shlex
from dataclasses import replace

import pytest

from feedback.models import (
    CollectionRun,
    Explanation,
    QualityFeedback,
    RejectedRecord,
)
from feedback.services.refused import retry_rejected
from project.mappings.models import ImportMapping
from project.mappings.services import confirm_mapping
from tests.feedback.test_commands import run

pytestmark = pytest.mark.django_db
HEADER = "id,response_id,quality_rating,provider,model,created_at"
TIME = "2025-03-04T10:00:00+02:00"


@pytest.fixture(autouse=True)
def _uploads(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path / "uploads"


def lines(ratings, *, header=HEADER, first=0, time=TIME):
    rows = (f"{n},r{n},{rating},openai,gpt,{time}" for n, rating in enumerate(ratings, first))
    return "\n".join([header, *rows]) + "\n"


def import_(tmp_path, content, *arguments, name="theirs.csv", table="quality_feedback"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return run("import_feedback", str(path), "--table", table, "--now", *arguments)


def landed():
    return dict(QualityFeedback.objects.values_list("external_id", "csat"))


def nothing_landed():
    rows = (QualityFeedback, Explanation, RejectedRecord, CollectionRun)
    return not any(model.objects.exists() for model in rows)


# --- Ratings on other scales ---------------------------------------------------------------------

SCALES = [
    pytest.param([1, 1, -1], [1.0, 1.0, 0.0], id="thumbs of -1 and 1"),
    pytest.param([2, 3, 4, 5, 1], [0.25, 0.5, 0.75, 1.0, 0.0], id="1 to 5 stars"),
    pytest.param(["true", "true", "false"], [1.0, 1.0, 0.0], id="booleans"),
    pytest.param(["good", "bad", "good"], [1.0, 0.0, 1.0], id="two words"),
    pytest.param(["poor", "fair", "excellent"], [0.25, 0.5, 1.0], id="words of five"),
    pytest.param(["85 %", "40 %", "100 %"], [0.85, 0.4, 1.0], id="percent"),
    pytest.param([0, 7, 10], [0.0, 0.7, 1.0], id="0 to 10"),
    pytest.param(["👍", "👎", "👍"], [1.0, 0.0, 1.0], id="thumbs"),
]


@pytest.mark.parametrize(("ratings", "meant"), SCALES)
def test_ratings_on_another_scale_wait_and_then_land_whole(tmp_path, ratings, meant):
    times = 20
    text = lines(ratings * times)
    code, result = import_(tmp_path, text)
    refused = result["refused"]
    assert code == 2
    assert "Nothing has landed" in refused["message"]
    assert [one["field"] for one in refused["proposal"]["changes"]] == ["quality_rating"]
    after = [row["after"]["quality_rating"] for row in refused["proposal"]["preview"]]
    assert after == pytest.approx((meant * times)[:10])
    assert nothing_landed()

    command = shlex.split(refused["command"])
    assert command[:2] == ["manage.py", "import_feedback"]
    code, result = run(*command[1:], "--now")
    assert (code, result["new"], result["rejected"]) == (0, len(ratings) * times, 0)
    assert [landed()[str(n)] for n in range(len(ratings))] == pytest.approx(meant)

    # The next file of these columns is read as the first one was, without a word.
    code, result = import_(tmp_path, lines(ratings * times, first=1_000), name="second.csv")
    assert (code, result["new"]) == (0, len(ratings) * times)
    assert result["mapping"] == refused["mapping"]
    assert [landed()[str(1_000 + n)] for n in range(len(ratings))] == pytest.approx(meant)


def test_the_same_columns_on_another_scale_ask_again(tmp_path):
    import_(tmp_path, lines([1, 2, 3, 4, 5] * 5), "--mapping", "proposed")
    before = landed()
    for other in ([-1, 1], range(0, 101, 10), ["good", "bad"], [1, 1]):
        code, result = import_(tmp_path, lines(list(other) * 10, first=500))
        assert code == 2
        assert "Nothing has landed" in result["refused"]["message"]
    assert landed() == before
    code, result = import_(tmp_path, lines([1, 1], first=500), "--mapping", "as-is")
    assert (code, result["new"]) == (0, 2)
    # What cannot be of that scale, and needs none, is asked about by nobody.
    assert import_(tmp_path, lines([0.5, 0.25], first=600))[0] == 0
    assert (landed()["500"], landed()["600"], landed()["601"]) == (1.0, 0.5, 0.25)


def test_what_was_confirmed_reads_other_spellings_of_the_same_columns(tmp_path):
    assert import_(tmp_path, lines([1, 5, 3] * 9), "--mapping", "proposed")[0] == 0
    spelt = HEADER.replace("_", " ").title()
    again = lines(["1.5", "5", "3", "2"], header=spelt, first=500)
    again = again.replace(",", ";").replace(".", ",").replace("\n", "\r\n")
    assert import_(tmp_path, again, name="again.csv")[0] == 0
    assert [landed()[str(500 + n)] for n in range(4)] == [0.125, 1.0, 0.5, 0.25]


def test_a_saved_mapping_is_named_and_one_that_is_not_there_is_refused(tmp_path):
    name = import_(tmp_path, lines([-1, 1] * 5))[1]["refused"]["mapping"]
    assert not ImportMapping.objects.get().is_confirmed
    code, result = import_(tmp_path, lines([-1, 1] * 5), "--mapping", name)
    assert (code, result["new"], result["mapping"]) == (0, 10, name)
    code, result = import_(tmp_path, lines([-1, 1] * 5), "--mapping", "nobody")
    assert code == 2
    assert name in result["refused"]["message"]


def test_stars_as_they_are_refuse_the_column_and_land_in_part_only_by_that_word(tmp_path):
    text = lines([1, 2, 3, 4, 5] * 20)
    code, result = import_(tmp_path, text, "--mapping", "as-is")
    assert code == 2
    (seen,) = result["refused"]["unusable"]
    assert (seen["count"], seen["filled"]) == (80, 100)
    assert "numbers from 1 to 5" in seen["seen"]
    assert nothing_landed()
    code, result = import_(tmp_path, text, "--mapping", "as-is", "--accept-partial")
    assert (code, result["new"], result["rejected"], result["partial"]) == (0, 20, 80, True)
    report = run("feedback_report", "--kind", "csat")[1]
    assert "80 of 100 ratings of theirs.csv are not in this" in json.dumps(report)


def test_rows_that_are_none_are_judged_as_a_column_is(tmp_path):
    text = lines([0.1, 0.5] * 30) + "torn,line\n" * 7
    code, result = import_(tmp_path, text)
    assert code == 2
    assert "7 of 67 rows cannot be read, the first on line 62" in result["refused"]["message"]
    assert nothing_landed()
    code, result = import_(tmp_path, text, "--accept-partial")
    assert (code, result["new"], result["rejected"], result["partial"]) == (0, 60, 7, True)
    few = lines([0.1, 0.5] * 30, first=100) + "torn,line\n" * 5
    assert import_(tmp_path, few)[1]["new"] == 60


def test_a_column_of_words_that_nobody_knows_is_refused(tmp_path):
    code, result = import_(tmp_path, lines(["alpha", "beta"] * 10))
    assert code == 2
    assert "alpha 10 times" in result["refused"]["message"]
    assert nothing_landed()


def test_shares_and_flags_land_without_a_question(tmp_path):
    for first, ratings in ((0, [0, 1, 1]), (10, [0.5, 0.25, 1]), (20, [1, 1, 1])):
        code, result = import_(tmp_path, lines(ratings, first=first))
        assert (code, result["new"]) == (0, 3)
    assert landed()["11"] == 0.25


# --- Metrics -------------------------------------------------------------------------------------


def test_metrics_from_0_to_1_in_an_object_become_0_to_100(tmp_path):
    metadata = json.dumps({"codeQuality": 0.8, "security": 0.9}).replace('"', '""')
    rows = [f'{n},0.5,m,2025-03-04 10:00:00+00,"{metadata}"' for n in range(10)]
    text = "\n".join(["id,quality_score,model,created_at,metadata", *rows])
    code, result = import_(tmp_path, text, table="explanations")
    assert code == 2
    assert "0 to 1 becomes 0 to 100" in result["refused"]["message"]
    assert nothing_landed()
    code, result = import_(tmp_path, text, "--mapping", "proposed", table="explanations")
    assert (code, result["new"]) == (0, 10)
    assert set(Explanation.objects.values_list("code_quality", "security")) == {(80.0, 90.0)}


def test_metrics_deep_in_an_object_are_found(tmp_path):
    rows = [
        {"id": n, "quality_score": 0.5, "created_at": TIME,
         "metadata": {"metrics": {"codeQuality": 80 + n}, "by": "x"}}
        for n in range(5)
    ]  # fmt: skip
    code, result = import_(tmp_path, json.dumps({"data": rows}), table="explanations")
    assert (code, result["new"]) == (0, 5)
    assert set(Explanation.objects.values_list("code_quality", flat=True)) == set(range(80, 85))


# --- Files of spreadsheets -----------------------------------------------------------------------

PLAIN = lines([0.1, 0.25, 1])
DIALECTS = {
    "semicolons": PLAIN.replace(",", ";").encode(),
    "semicolons, decimal commas": PLAIN.replace(",", ";").replace(".", ",").encode(),
    "tabs": PLAIN.replace(",", "\t").encode(),
    "bars": PLAIN.replace(",", "|").encode(),
    "sep=": b"sep=;\r\n" + PLAIN.replace(",", ";").replace("\n", "\r\n").encode(),
    "names in capitals with spaces": PLAIN.replace(
        HEADER, HEADER.replace("_", " ").title()
    ).encode(),
    "byte order mark": PLAIN.encode("utf-8-sig"),
    "utf-16": PLAIN.encode("utf-16"),
    "cp1252": PLAIN.replace("openai", "Zürich Künstlich").encode("cp1252"),
    "31/12/2024": lines([0.1, 0.25, 1], time="31/12/2024 10:00:00 +02:00").encode(),
    "milliseconds": lines([0.1, 0.25, 1], time="1741082400001").encode(),
    "seconds": lines([0.1, 0.25, 1], time="1741082400").encode(),
    "other columns": PLAIN.replace("\n", ",x\n").replace(",x\n", ",email,Würde\n", 1)
    .replace(",x\n", ",a@b.org,x\n").encode(),
}  # fmt: skip


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_file_of_a_spreadsheet_lands_without_a_question(tmp_path, dialect):
    code, result = import_(tmp_path, DIALECTS[dialect])
    assert (code, result.get("new"), result.get("rejected")) == (0, 3, 0)
    assert landed() == {"0": 0.1, "1": 0.25, "2": 1.0}
    assert result["notes"] or dialect in ("bars",)


def test_words_for_nothing_refuse_their_row_alone(tmp_path):
    ratings = [0.5] * 96 + ["NULL", "N/A", "", "-"]
    code, result = import_(tmp_path, lines(ratings))
    assert (code, result["new"], result["reasons"]) == (0, 96, {"target_missing": 4})
    assert [one["line"] for one in result["errors"]] == [98, 99, 100, 101]


def test_times_without_a_zone_wait_and_land_in_the_zone_that_is_said(tmp_path):
    text = lines([0.5, 0.25], time="04/03/2025 10:00")
    code, result = import_(tmp_path, text)
    assert code == 2
    assert "it could be month/day/year too" in result["refused"]["message"]
    assert nothing_landed()
    said = ("--date-format", "dmy", "--time-zone", "Europe/Zurich")
    assert import_(tmp_path, text, *said)[0] == 0
    moments = QualityFeedback.objects.values_list("created_at", flat=True)
    assert {one.isoformat() for one in moments} == {"2025-03-04T09:00:00+00:00"}


# --- Refused rows --------------------------------------------------------------------------------


def test_a_refused_row_keeps_its_line_and_its_mapping_through_every_retry(tmp_path):
    ratings = [1, 2, 3, 4, 5] * 60
    ratings[7] = "lost"
    code, result = import_(tmp_path, lines(ratings), "--mapping", "proposed")
    assert (code, result["new"], result["rejected"]) == (0, 299, 1)
    record = RejectedRecord.objects.get()
    assert (record.line_number, record.payload["quality_rating"]) == (9, "lost")
    for wrong in ("gone", "9"):
        record.correction = {"quality_rating": wrong}
        record.save()
        assert retry_rejected([record]).landed == 0
        record = RejectedRecord.objects.open().get()
        assert record.line_number == 9
    record.correction = {"quality_rating": "2"}
    record.save()
    assert retry_rejected([record]).landed == 1
    assert landed()["7"] == 0.25
    assert not RejectedRecord.objects.open().exists()


@pytest.mark.parametrize("count", [1, 5, 6, 20])
def test_a_file_of_which_no_row_lands_ends_with_2(tmp_path, count):
    code, result = import_(tmp_path, lines([0.5] * count, time="soon"))
    assert code == 2
    assert "created_at" in result["refused"]["message"]
    assert result["refused"]["remedy"]
    assert not QualityFeedback.objects.exists()
    if count > 5:
        assert nothing_landed()


def test_a_dry_run_finds_the_same_and_writes_nothing(tmp_path):
    text = lines([1, 2, 3, 4, 5] * 4)
    assert import_(tmp_path, text, "--dry-run")[0] == 2
    code, result = import_(tmp_path, text, "--dry-run", "--mapping", "proposed")
    assert (code, result["accepted"], result["rejected"]) == (0, 20, 0)
    assert nothing_landed()
    assert not ImportMapping.objects.confirmed().exists()


def test_standard_input_is_any_table(tmp_path, monkeypatch):
    class Stdin:
        buffer = io.BytesIO(lines([0.5, 1]).replace(",", ";").encode())

    monkeypatch.setattr("sys.stdin", Stdin)
    code, result = run("import_feedback", "-", "--table", "quality_feedback", "--now")
    assert (code, result["new"]) == (0, 2)


def test_what_is_proposed_is_not_confirmed_while_too_much_of_a_column_does_not_fit(tmp_path, db):
    words = ["good", "bad", "good", "purple", "good", "bad", "green", "bad"]
    rows = "".join(f"r{n},{words[n % 8]},2026-05-01T10:00:00Z\n" for n in range(80))
    path = tmp_path / "odd.csv"
    path.write_text(f"id,quality_rating,created_at\n{rows}")
    named = ("import_feedback", str(path), "--table", "quality_feedback", "--now")
    code, result = run(*named, "--mapping", "proposed")
    assert code == 2
    assert "20 of 80" in result["refused"]["message"]
    record = ImportMapping.objects.get()
    assert not record.is_confirmed
    assert record.name in result["refused"]["remedy"]


# --- What was confirmed, and what waits ----------------------------------------------------------


def test_as_is_takes_nothing_that_waits(tmp_path, db):
    dates = lines([0.5, 0.25], time="01/02/2025 10:00")
    code, result = import_(tmp_path, dates, "--mapping", "as-is", "--time-zone", "UTC")
    assert (code, landed()) == (2, {})
    slip = lines([0.5] * 10).replace("quality_rating", "qualty_rating")
    code, result = import_(tmp_path, slip, "--mapping", "as-is")
    assert (code, landed()) == (2, {})
    assert "--column quality_rating=qualty_rating" in result["refused"]["remedy"]


def test_as_is_keeps_what_only_names(tmp_path, db):
    text = lines([0.5, 0.25], time="31/12/2024 10:00")
    code, _ = import_(tmp_path, text, "--mapping", "as-is", "--time-zone", "UTC")
    assert (code, landed()) == (0, {"0": 0.5, "1": 0.25})


def test_who_takes_a_mapping_by_its_name_confirms_it(tmp_path, db):
    import_(tmp_path, lines([1, 2, 3, 4, 5]))
    record = ImportMapping.objects.get()
    code, _ = import_(tmp_path, lines([1, 2, 3, 4, 5]), "--mapping", record.name)
    assert (code, len(landed())) == (0, 5)
    assert ImportMapping.objects.get().is_confirmed


def test_what_a_person_changed_is_taken_again_without_being_asked(tmp_path, db):
    import_(tmp_path, lines([1, 2, 3, 4, 5]))
    record = ImportMapping.objects.get()
    columns = tuple(
        replace(one, scale=(1.0, 9.0)) if one.field == "quality_rating" else one
        for one in record.table.columns
    )
    confirm_mapping(record, mapping=replace(record.table, columns=columns))
    for first in (0, 10):
        assert import_(tmp_path, lines([1, 2, 3, 4, 5], first=first))[0] == 0
    assert landed()["14"] == 0.5
    assert ImportMapping.objects.count() == 1


def test_both_kinds_of_files_with_one_header_are_known_once_confirmed(tmp_path, db):
    for values, first in (([1, 2, 3, 4, 5], 0), ([0, 7, 10, 8], 100)):
        assert import_(tmp_path, lines(values, first=first), "--mapping", "proposed")[0] == 0
    for values, first in (([1, 2, 3, 4, 5], 200), ([0, 7, 10, 8], 300)):
        assert import_(tmp_path, lines(values, first=first))[0] == 0
    assert (landed()["204"], landed()["302"]) == (1.0, 1.0)


@pytest.mark.parametrize("values", [[1, 2, 3, 4, 5], [0, 1, 1]], ids=["stars", "0 and 1"])
def test_what_was_confirmed_does_not_stand_for_values_that_fit_it_by_accident(tmp_path, values):
    assert import_(tmp_path, lines([0, 7, 10, 8]), "--mapping", "proposed")[0] == 0
    before = landed()
    assert import_(tmp_path, lines(values, first=50))[0] == 2
    assert landed() == before


def test_times_without_a_zone_are_asked_for_though_others_had_one(tmp_path, db):
    assert import_(tmp_path, lines([1, 5, 3]), "--mapping", "proposed")[0] == 0
    code, result = import_(tmp_path, lines([1, 5, 3], first=5, time="2025-03-04 10:00:00"))
    assert code == 2
    assert "without a zone" in result["refused"]["message"]


def test_values_that_come_late_in_a_file_are_judged_as_the_others(tmp_path, db):
    row = {"quality_score": 0.5, "created_at": TIME}
    many = [{"id": str(n), **row} for n in range(17_000)]
    late = [{"id": f"l{n}", **row, "metadata": {"security": 0.5}} for n in range(20)]
    text = "\n".join(map(json.dumps, [*many, *late]))
    code, result = import_(tmp_path, text, name="late.jsonl", table="explanations")
    assert code == 2
    assert "metadata.security: 0 to 1 becomes 0 to 100" in result["refused"]["message"]


def test_a_key_that_comes_late_in_objects_is_judged_as_the_others(tmp_path, db):
    row = {"quality_score": 0.5, "created_at": TIME}
    many = [{"id": str(n), **row, "metadata": {"note": "x"}} for n in range(17_000)]
    late = [{"id": f"l{n}", **row, "metadata": {"security": 0.5}} for n in range(20)]
    text = "\n".join(map(json.dumps, [*many, *late]))
    code, result = import_(tmp_path, text, name="late.jsonl", table="explanations")
    assert code == 2
    assert "metadata.security: 0 to 1 becomes 0 to 100" in result["refused"]["message"]
