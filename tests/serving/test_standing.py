"""What processes answer from while the database is away, and what they say of it."""

import pytest
from django.db import OperationalError

from matching.queries.directory import directory_folder
from matching.services.directory import Keeper
from tests.training.batches import make_dataset, make_model
from training.queries.loading import forget_loaded
from training.services import registry

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("people")]
# All that scores ask the database.
ASKS = (
    "serving.queries.standing.serving_stamp",
    "training.queries.pairs.load_known",
    "training.queries.pairs.names_near",
)
KNOWN = {"pairs": [{"left": "seed_0", "right": "seed_1"}]}
RANK = {"left": "seed_0", "count": 3}


@pytest.fixture(autouse=True)
def champion(db, settings, tmp_path):
    settings.VAR = tmp_path
    forget_loaded()
    registry.promote(make_model(make_dataset()))
    yield
    forget_loaded()


def close_database():
    """Return a patch under which the database does not answer."""

    def refuse(*_, **__):
        raise OperationalError("the server closed the connection unexpectedly")

    patch = pytest.MonkeyPatch()
    for name in ASKS:
        patch.setattr(name, refuse)
    return patch


def scores(answer):
    assert answer.status_code == 200, answer.content
    told = answer.json()
    rows = told.get("scores") or told["best"]
    return told["warning"], [(row["score"], row["model_version"]) for row in rows]


def test_whom_the_directory_knows_is_scored_while_the_database_is_away(ask):
    keeper = Keeper(directory_folder())
    with keeper.alone():
        keeper.look()
        before = [scores(ask("match/score", KNOWN)), scores(ask("match/rank", RANK))]
        assert [warning for warning, _ in before] == ["", ""]
        patch = close_database()
        try:
            meanwhile = [scores(ask("match/score", KNOWN)), scores(ask("match/rank", RANK))]
            stranger = {"pairs": [{"left": "seed_0", "right": "who_knows"}]}
            refused = ask("match/score", stranger)
        finally:
            patch.undo()
        assert [rows for _, rows in meanwhile] == [rows for _, rows in before]
        assert all("database does not answer" in warning for warning, _ in meanwhile)
        assert (refused.status_code, refused["Retry-After"]) == (503, "2")
        assert [scores(ask("match/score", KNOWN)), scores(ask("match/rank", RANK))] == before


def test_without_a_directory_nothing_is_made_up(ask):
    before = scores(ask("match/score", KNOWN))
    patch = close_database()
    try:
        answers = [ask("match/score", KNOWN), ask("match/rank", RANK)]
        ready = {"features": [{"age_score": 0.5}], "feature_set": "smooth-1"}
        assert scores(ask("match/score", ready))[1]
    finally:
        patch.undo()
    assert {answer.status_code for answer in answers} == {503}
    assert scores(ask("match/score", KNOWN)) == before


def test_readiness_tells_whether_everybody_stands_in_memory(ask, client):
    assert "nobody keeps it" in client.get("/readyz").json()["index"]
    keeper = Keeper(directory_folder())
    with keeper.alone():
        keeper.look()
        assert client.get("/readyz").json()["index"] == "ok"
