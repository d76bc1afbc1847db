"""Files of other people's profiles and logs, through the commands: whole, or not at all."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from matching.domain.features.names import FEATURE_NAMES, LOG_NAMES
from matching.domain.words import Outcome
from matching.models import EventBatch, MatchEvent, SeedUser
from project.mappings.models import ImportMapping
from tests.factories import make_seed_user
from tests.matching.commands import run_command
from training.models import Dataset

pytestmark = pytest.mark.django_db
START = 1_735_689_600_000


@pytest.fixture(autouse=True)
def _uploads(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path / "uploads"


def write(path: Path, content: str | bytes) -> str:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


# --- Logs ----------------------------------------------------------------------------------------


def events(count: int = 20, **changes: Any) -> list[dict[str, Any]]:
    return [
        {
            "matchType": "user_user",
            "features": {
                name: round((n * 7 + k * 13) % 100 / 100, 2) for k, name in enumerate(LOG_NAMES[:9])
            },
            "outcome": "accept" if n % 3 else "ignore",
            "timestamp": START + n * 60_000,
            "source": "real",
            "userId": f"u{n}",
            "targetId": f"t{n % 7}",
            **changes,
        }
        for n in range(count)
    ]


def as_lines(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def import_events(path: Path, content: str | bytes, *arguments: str) -> tuple[int, Any]:
    return run_command("import_events", write(path, content), "--now", *arguments)


def stored() -> list[tuple[Any, ...]]:
    names = ("outcome", "occurred_at", *FEATURE_NAMES[:9])
    return list(MatchEvent.objects.order_by("occurred_at").values_list(*names))


@pytest.fixture
def plain(tmp_path: Path) -> list[tuple[Any, ...]]:
    """What the log says where it is written as ours; it is removed again."""
    assert import_events(tmp_path / "plain.jsonl", as_lines(events()))[1]["new"] == 20
    rows = stored()
    MatchEvent.objects.all().delete()
    EventBatch.objects.all().delete()
    return rows


def snake(name: str) -> str:
    return "".join(f"_{one.lower()}" if one.isupper() else one for one in name)


def flat(row: dict[str, Any]) -> dict[str, Any]:
    return {**{k: v for k, v in row.items() if k != "features"}, **row["features"]}


def as_csv(rows: list[dict[str, Any]], delimiter: str = ",", decimal: str = ".") -> str:
    lines = [delimiter.join(rows[0])]
    lines += [
        delimiter.join(
            str(v).replace(".", decimal) if isinstance(v, float) else str(v) for v in r.values()
        )
        for r in rows
    ]
    return "\n".join(lines) + "\n"


SHAPES: dict[str, str] = {
    "features by the names of columns": as_lines(
        [{**e, "features": {snake(k): v for k, v in e["features"].items()}} for e in events()]
    ),
    "features as text": as_lines(
        [{**e, "features": {k: str(v) for k, v in e["features"].items()}} for e in events()]
    ),
    "snake case": as_lines([{snake(k): v for k, v in e.items()} for e in events()]),
    "outcomes in capitals": as_lines([{**e, "outcome": e["outcome"].upper()} for e in events()]),
    "labels as flags": as_lines([{**e, "label": e["outcome"] == "accept"} for e in events()]),
    "ISO times": as_lines(
        [{**e, "timestamp": f"2025-01-01T05:{30 + n:02}:00+05:30"} for n, e in enumerate(events())]
    ),
    "seconds": as_lines([{**e, "timestamp": e["timestamp"] / 1000} for e in events()]),
    "milliseconds as fractions": as_lines(
        [{**e, "timestamp": e["timestamp"] + 0.0} for e in events()]
    ),
    "integer ids": as_lines(
        [{**e, "userId": n, "targetId": n % 7} for n, e in enumerate(events())]
    ),
    "behind a logger": "".join(f"12:00 INFO {json.dumps(e)}\n" for e in events()),
    "in the log of docker": as_lines(
        [{"log": json.dumps(e) + "\n", "stream": "stdout"} for e in events()]
    ),
    "CSV": as_csv([flat(e) for e in events()]),
    "CSV of a spreadsheet": as_csv([flat(e) for e in events()], ";", ","),
    "JSON": json.dumps({"events": events()}),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_log_of_another_shape_says_the_same(
    tmp_path: Path, plain: list[tuple[Any, ...]], shape: str
) -> None:
    code, result = import_events(tmp_path / "theirs.txt", SHAPES[shape])
    assert isinstance(result, dict), result
    assert (code, result.get("new"), result.get("rejected")) == (0, 20, 0), result
    assert stored() == plain


def test_a_log_of_swipes_waits_and_lands_with_outcomes_of_ours(tmp_path: Path) -> None:
    people = [make_seed_user(f"p{n}") for n in range(4)]
    words = ("like", "pass", "superlike", "block")
    rows = [
        {"swiper": f"p{n % 4}", "swiped": f"p{(n + 1) % 4}", "action": words[n % 4],
         "at": f"2025-03-04T10:{n:02}:00Z"}
        for n in range(40)
    ]  # fmt: skip
    content = as_csv(rows)
    code, result = import_events(tmp_path / "swipes.csv", content, "--origin", "real")
    assert code == 2
    assert "like is accept" in result["refused"]["message"]
    assert not EventBatch.objects.exists()
    asked = ("--origin", "real", "--mapping", "proposed")
    code, result = import_events(tmp_path / "swipes.csv", content, *asked)
    assert (code, result["new"], result["rejected"]) == (0, 40, 0)
    summary = EventBatch.objects.get().summary["outcomes"]
    assert summary == {"accept": 20, "chat": 0, "ignore": 10, "unmatch": 10}
    assert set(MatchEvent.objects.values_list("user_id", flat=True)) == {one.pk for one in people}


def test_thumbs_of_minus_one_and_one_are_outcomes_too(tmp_path: Path) -> None:
    rows = [{**e, "outcome": 1 if e["outcome"] == "accept" else -1} for e in events()]
    content = as_csv([flat(row) for row in rows])
    code, result = import_events(tmp_path / "thumbs.csv", content)
    assert code == 2
    assert "-1 is ignore, 1 is accept" in result["refused"]["message"]
    code, result = import_events(tmp_path / "thumbs.csv", content, "--mapping", "proposed")
    assert (code, result["new"], result["rejected"]) == (0, 20, 0)
    assert sum(outcome == Outcome.ACCEPT.code for outcome, *_ in stored()) == 13


def test_a_column_that_stands_twice_with_equal_values_is_read_once_and_said_so(
    tmp_path: Path, plain: list[tuple[Any, ...]]
) -> None:
    header, *lines = as_csv([flat(row) for row in events()]).splitlines()
    again = [f"{header},outcome,colour", *(f"{line},{line.split(',')[1]},red" for line in lines)]
    assert header.split(",")[1] == "outcome"
    code, result = import_events(tmp_path / "twice.csv", "\n".join(again))
    assert (code, result["new"]) == (0, 20)
    assert stored() == plain
    notes = result["files"][0]["notes"] if "files" in result else result["notes"]
    assert "columns that stand twice with equal values, read once: outcome" in notes
    assert "columns that are no field, ignored: colour" in notes


def test_a_log_that_does_not_say_what_it_is_asks_for_its_origin(tmp_path: Path) -> None:
    rows = [{k: v for k, v in e.items() if k != "source"} for e in events()]
    for content in (as_lines(rows), as_csv([flat(row) for row in rows])):
        code, result = import_events(tmp_path / "log", content)
        assert code == 2
        assert "--origin" in result["refused"]["remedy"]
    assert not EventBatch.objects.exists()


def test_features_that_are_all_unknown_refuse_the_log(tmp_path: Path) -> None:
    rows = [{**e, "features": {"closeness": 0.5, "charm": 0.1}} for e in events()]
    code, result = import_events(tmp_path / "log", as_lines(rows))
    assert code == 2
    assert "closeness, charm" in result["refused"]["message"]
    assert not EventBatch.objects.exists()


def test_outcomes_that_nobody_knows_refuse_the_log_with_what_was_seen(tmp_path: Path) -> None:
    rows = [{**e, "outcome": "shrug"} for e in events()]
    code, result = import_events(tmp_path / "log", as_lines(rows))
    assert code == 2
    assert "shrug 20 times" in result["refused"]["message"]
    assert not EventBatch.objects.exists()


@pytest.mark.parametrize(
    "content", [b"", b"\n\n", b"\x89PNG\r\n\x1a\n" + bytes(50), b"broken\n", b"[]", b"a,b\n"]
)
def test_what_is_no_log_is_refused_and_leaves_nothing(tmp_path: Path, content: bytes) -> None:
    code, result = import_events(tmp_path / "log", content)
    assert code == 2
    assert result["refused"]["remedy"]
    assert not EventBatch.objects.exists()


# --- Profiles ------------------------------------------------------------------------------------

NAMES = "external_id,name,age,gender,interests,languages,home_city,home_lat,home_lon,smoking"
PEOPLE = [
    ("00001", "Zoë", "29", "female", "hiking; food", "english|french", "Zürich", "47.37", "8.54"),
    ("00002", "José", "41", "male", "art", "spanish", "Málaga", "36.72", "-4.42"),
]


def people(delimiter: str = ",", names: str = NAMES, decimal: str = ".") -> str:
    rows = [
        delimiter.join(
            f'"{cell}"' if delimiter in cell else cell.replace(".", decimal)
            for cell in (*one, "no")
        )
        for one in PEOPLE
    ]
    return "\n".join([names.replace(",", delimiter), *rows]) + "\n"


FORMS: dict[str, str | bytes] = {
    "commas": people(),
    "semicolons, decimal commas": people(";", decimal=","),
    "tabs": people("\t"),
    "cp1252": people().encode("cp1252"),
    "utf-16": people().encode("utf-16"),
    "id": people(names=NAMES.replace("external_id", "id")),
    "other names": people(
        names="User ID,Full Name,Age,Sex,Hobbies,Speaks,City,Latitude,Longitude,Smokes"
    ),
    "other columns": people()
    .replace("\n", ",a@b.org,31/12/2024\n")
    .replace("a@b.org,31/12/2024", "email,created_at", 1),
    "lines": as_lines([dict(zip(NAMES.split(","), (*one, "no"), strict=True)) for one in PEOPLE]),
}


@pytest.mark.parametrize("form", FORMS)
def test_profiles_of_another_form_are_the_same_people(tmp_path: Path, form: str) -> None:
    path = write(tmp_path / "people.csv", FORMS[form])
    code, result = run_command("seed_users", "--now", "--origin", "real", "--file", path)
    assert (code, result.get("added"), result.get("rows_refused")) == (0, 2, 0), result
    zoe = SeedUser.objects.get(external_id="00001")
    assert (zoe.name, zoe.age, zoe.interests) == ("Zoë", 29, ["hiking", "food"])
    assert (zoe.languages, zoe.home_lat) == (["english", "french"], 47.37)
    assert not ImportMapping.objects.exists()


@pytest.mark.parametrize(
    "interests", ['"hiking, food; art"', '"[""hiking"",""food"",""art""]"', "hiking / food / art",
                  "\"['hiking', 'food', 'art']\"", '"{hiking,food,art}"']
)  # fmt: skip
def test_interests_are_a_list_however_it_is_written(tmp_path: Path, interests: str) -> None:
    path = write(tmp_path / "people.csv", f"external_id,interests\na,{interests}\n")
    assert run_command("seed_users", "--now", "--origin", "real", "--file", path)[0] == 0
    assert SeedUser.objects.get().interests == ["hiking", "food", "art"]


def test_profiles_without_an_id_are_given_one_once_a_person_agrees(tmp_path: Path) -> None:
    path = write(tmp_path / "people.csv", people(names=NAMES.replace("external_id", "nothing")))
    code, result = run_command("seed_users", "--now", "--origin", "real", "--file", path)
    assert code == 2
    assert "each row is given one" in result["refused"]["message"]
    assert not SeedUser.objects.exists()
    assert "--mapping proposed" in result["refused"]["command"]
    for added in (2, 0):
        code, result = run_command(
            "seed_users", "--now", "--origin", "real", "--file", path, "--mapping", "proposed"
        )
        assert (code, result["added"]) == (0, added)


def test_extraversion_from_1_to_5_waits(tmp_path: Path) -> None:
    rows = "".join(f"p{n},{1 + n % 5}\n" for n in range(20))
    path = write(tmp_path / "people.csv", f"external_id,extraversion\n{rows}")
    code, result = run_command("seed_users", "--now", "--origin", "real", "--file", path)
    assert code == 2
    assert "1 to 5 becomes 0 to 1" in result["refused"]["message"]
    assert not SeedUser.objects.exists()
    code, result = run_command(
        "seed_users", "--now", "--origin", "real", "--file", path, "--mapping", "proposed"
    )
    assert (code, result["added"]) == (0, 20)
    assert SeedUser.objects.get(external_id="p2").extraversion == 0.5


def test_a_dry_run_of_a_table_says_what_would_land_and_keeps_nothing(tmp_path: Path) -> None:
    rows = "".join(f"u{n},t{n % 7},like,2025-01-0{n % 9 + 1}T10:00Z\n" for n in range(20))
    content = f"user,target,action,time\n{rows}"
    asked = ("--origin", "real", "--dry-run")
    code, result = import_events(tmp_path / "a.csv", content, *asked)
    assert code == 2
    assert "like is accept" in result["refused"]["message"]
    code, result = import_events(tmp_path / "a.csv", content, *asked, "--mapping", "proposed")
    assert (code, result["found"], result["new"], result["rejected"]) == (0, 20, 20, 0)
    assert not EventBatch.objects.exists()
    assert not ImportMapping.objects.confirmed().exists()


def test_a_log_of_ours_of_which_too_much_cannot_be_used_leaves_nothing(tmp_path: Path) -> None:
    """Its first lines are as they should be, so that nobody was asked for a mapping."""
    content = as_lines([*events(2_100), *events(60, outcome="like", timestamp=START)])
    code, result = import_events(tmp_path / "a.jsonl", content)
    assert code == 2
    assert "60 of 2,160 lines" in result["refused"]["message"]
    assert not EventBatch.objects.exists()
    code, result = import_events(tmp_path / "a.jsonl", content, "--accept-partial")
    assert (code, result["new"], result["rejected"]) == (0, 2_100, 60)


def test_the_same_log_lands_whole_by_the_mapping_that_its_refusal_names(tmp_path: Path) -> None:
    late = events(60, outcome="like")
    for row in late:
        row["timestamp"] += 10**9
    content = as_lines([*events(2_100), *late])
    code, result = import_events(tmp_path / "a.jsonl", content)
    assert "--mapping proposed" in result["refused"]["remedy"]
    code, result = import_events(tmp_path / "a.jsonl", content, "--mapping", "proposed")
    assert (code, result["new"], result["rejected"]) == (0, 2_160, 0)


def test_a_dataset_of_a_log_that_landed_in_part_says_so(
    tmp_path: Path, admin_client: Client
) -> None:
    content = as_lines([*events(2_100), *events(60, outcome="like", timestamp=START)])
    import_events(tmp_path / "a.jsonl", content, "--accept-partial")
    said = "60 of 2,160 lines of a.jsonl are not in it"
    batch = EventBatch.objects.get()
    assert batch.parameters["partial"].startswith(said)
    result = run_command("build_dataset", "--batch", str(batch.pk), "--now")[1]
    assert [one[: len(said)] for one in result["partial"]] == [said]
    dataset = reverse("admin:training_dataset_change", args=[Dataset.objects.get().pk])
    at_batch = reverse("admin:matching_eventbatch_change", args=[batch.pk])
    for address in (dataset, at_batch):
        assert said in admin_client.get(address).content.decode()
