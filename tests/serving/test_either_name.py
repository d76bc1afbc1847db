"""Applications may go on asking by a former name: of the directory and of the database alike."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from matching.domain.directory import hash_names
from matching.domain.words import Outcome
from matching.models import PersonAlias, SeedUser, TravelGroup
from matching.queries.directory import DirectoryView, directory_folder
from matching.services.directory import Keeper
from matching.services.identity import merge_people, rename_person
from serving.models import ScoredPair
from serving.queries.debugging import see_person
from serving.queries.live import live_figures
from serving.queries.visits import visits_after
from serving.services.outcomes import match_events
from tests.factories import make_seed_user
from tests.matching.commands import run_command
from tests.serving.logged import log_pairs
from tests.serving.test_outcomes import imported, outcomes_now

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("people", "valkey")]
NOON = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)


@pytest.fixture(params=[False, True], ids=["database", "directory"])
def answers_from(request, settings, tmp_path):
    """Answer from the database, or from a directory that takes in what is done, then yield."""
    settings.VAR = tmp_path
    keeper = Keeper(directory_folder())

    def after(change):
        if not request.param:
            change()
            return
        keeper.look()
        change()
        keeper.look()

    with keeper.alone():
        yield after


def renamed():
    rename_person(SeedUser.objects.get(external_id="seed_0"), "ada")


def test_a_former_name_is_scored_ranked_and_explained_as_the_present_one(ask, answers_from):
    def told():
        scores = ask("match/score", {"pairs": [{"left": n, "right": "seed_1"} for n in names]})
        ranks = [ask("match/rank", {"left": n, "count": 5}) for n in names]
        why = [ask("match/explain", {"left": n, "right": "seed_1"}) for n in names]
        assert {one.status_code for one in (scores, *ranks, *why)} == {200}
        rows = [row["score"] for row in scores.json()["scores"]]
        best = [[(row["right"], row["score"]) for row in one.json()["best"]] for one in ranks]
        return rows, best, [one.json()["score"] for one in why]

    names = ("seed_0",)
    before = told()
    answers_from(renamed)
    names = ("seed_0", "ada")
    assert told() == tuple(part * 2 for part in before)
    as_right = [{"left": "seed_1", "right": name} for name in names]
    first, second = ask("match/score", {"pairs": as_right}).json()["scores"]
    assert first["score"] == second["score"] is not None


def test_nobody_is_matched_with_another_name_of_theirs(ask, answers_from):
    answers_from(renamed)
    pairs = {"pairs": [{"left": "seed_0", "right": "ada"}, {"left": "ada", "right": "seed_1"}]}
    refused, scored = ask("match/score", pairs).json()["scores"]
    assert "is matched with itself" in refused["problem"]["detail"]
    assert scored["score"] is not None
    assert ask("match/explain", {"left": "ada", "right": "seed_0"}).status_code == 404
    ranked = ask("match/rank", {"left": "seed_0", "count": 9}).json()["best"]
    assert {row["right"] for row in ranked} == {"seed_1", "seed_2", "seed_3"}


def test_who_was_merged_is_offered_no_more_and_is_asked_for_by_either_name(ask, answers_from):
    keep, gone = (SeedUser.objects.get(external_id=f"seed_{n}") for n in (0, 2))
    answers_from(lambda: merge_people(keep.pk, gone.pk))
    ranked = [ask("match/rank", {"left": name, "count": 9}).json() for name in ("seed_0", "seed_2")]
    assert ranked[0]["best"] is not None
    assert [[row["right"] for row in one["best"]] for one in ranked] == [["seed_1", "seed_3"]] * 2
    # Its groups are those of who stays, so that they are not offered either.
    for name in ("seed_0", "seed_2"):
        groups = {"left": name, "count": 9, "match_type": "user_group"}
        assert ask("match/rank", groups).json()["best"] == []
    assert set(TravelGroup.objects.get().members.values_list("external_id", flat=True)) == {
        "seed_0",
        "seed_3",
    }


def test_the_hot_path_asks_nothing_more_for_a_former_name(ask, settings, tmp_path):
    settings.VAR = tmp_path
    keeper = Keeper(directory_folder())
    asked = []
    with keeper.alone():
        keeper.look()
        renamed()
        keeper.look()
        for name in ("ada", "seed_0"):
            ask("match/score", {"pairs": [{"left": name, "right": "seed_1"}]})
            with CaptureQueriesContext(connection) as queries:
                ask("match/score", {"pairs": [{"left": name, "right": "seed_1"}]})
            asked.append([query["sql"].split("WHERE")[0] for query in queries])
    assert asked[0] == asked[1]
    assert not any("personalias" in sql for sql in asked[1])


def test_the_directory_follows_names_there_and_back_and_those_who_go(settings, tmp_path):
    settings.VAR = tmp_path
    keeper, view = Keeper(directory_folder()), DirectoryView()

    def found(*names):
        keeper.look()
        users = view.renew({}).users
        return [
            None if row < 0 else users.name_of(row) for row in users.find(names, hash_names(names))
        ]

    with keeper.alone():
        assert found("seed_0", "ada") == ["seed_0", None]
        renamed()
        assert found("seed_0", "ada") == ["ada", "ada"]
        person = rename_person(SeedUser.objects.get(external_id="ada"), "seed_0")
        assert found("seed_0", "ada") == ["seed_0", "seed_0"]
        merge_people(SeedUser.objects.get(external_id="seed_1").pk, person.pk)
        assert found("seed_0", "ada", "seed_1") == ["seed_1"] * 3
        # All of it in the large roll, which a new keeper writes.
        keeper._rolls = ()
        assert found("seed_0", "ada", "seed_1") == ["seed_1"] * 3
        PersonAlias.objects.filter(external_id="ada").delete()
        assert found("seed_0", "ada", "seed_1") == ["seed_1", None, "seed_1"]
        SeedUser.objects.get(external_id="seed_1").delete()
        assert found("seed_0", "ada", "seed_1", "seed_2") == [None, None, None, "seed_2"]


def test_late_outcomes_find_the_pair_by_either_name():
    log_pairs(["seed_0", "x"], [NOON] * 2, [0.5] * 2, right=["seed_1", "seed_0"])
    renamed()
    log_pairs(["ada"], [NOON], [0.6], right=["seed_2"])
    later = NOON + timedelta(hours=1)
    imported(
        ("ada", "seed_1", later, Outcome.ACCEPT),
        ("x", "ada", later, Outcome.CHAT),
        ("seed_0", "seed_2", later, Outcome.IGNORE),
    )
    assert match_events() == 3
    codes = [one.code for one in (Outcome.ACCEPT, Outcome.CHAT, Outcome.IGNORE)]
    assert outcomes_now()[0] == codes


def test_figures_visits_and_what_is_seen_of_a_person_count_two_names_once():
    at = datetime.now(UTC) - timedelta(minutes=5)
    answer = log_pairs(["seed_0", "ada", "x"], [at] * 3, [0.5] * 3)
    renamed()
    ScoredPair.objects.filter(answer=answer).update(outcome=1)
    assert live_figures(1)["people"] == 2
    assert len(set(visits_after(0, 10)[0].people)) == 2
    assert see_person("seed_0", at=datetime.now(UTC))["logged"] == 2
    assert see_person("ada", at=datetime.now(UTC))["user"] == "ada"


def test_commands_take_either_name():
    renamed()
    told = [run_command("explain_match", name, "seed_1")[1]["score"] for name in ("ada", "seed_0")]
    assert told[0] == told[1] is not None
    told = [run_command("predict", "--pair", name, "seed_1") for name in ("ada", "seed_0")]
    assert len({result["scores"][0]["score"] for _, result in told}) == 1


def test_an_application_stores_and_ends_under_a_former_name(make_token, client):
    make_seed_user("old", origin=1)
    rename_person(SeedUser.objects.get(external_id="old"), "new")
    client.defaults["HTTP_AUTHORIZATION"] = f"Bearer {make_token('ingest')}"
    sent = client.put("/api/v1/people/old", {"age": 33}, content_type="application/json")
    assert (sent.status_code, sent.json()["external_id"]) == (200, "new")
    trip = {
        "destination_lat": 38.7,
        "destination_lon": -9.1,
        "start_date": "2027-05-01",
        "end_date": "2027-05-04",
    }
    sent = client.put("/api/v1/sessions/old", trip, content_type="application/json")
    assert (sent.status_code, sent.json()["external_id"]) == (201, "new")
    ended = client.delete("/api/v1/sessions/old")
    assert (ended.status_code, ended.json()["external_id"]) == (200, "new")
