"""Whether scores vary is one command, here and over the API."""

import json
from dataclasses import replace

import numpy as np
import pytest
from django.core.management import call_command
from hypothesis import given
from hypothesis import strategies as st

from project.refusal import Refusal
from serving.domain.spread import spread_of
from serving.queries.asking import ask_scores
from tests.training.batches import make_dataset, make_model
from training.queries.loading import LoadedModel, forget_loaded
from training.queries.pairs import score_each
from training.services import registry

PAIR = [("seed_0", "seed_1")]


@pytest.fixture
def champion(db, valkey, people):
    forget_loaded()
    registry.promote(make_model(make_dataset()))
    yield
    forget_loaded()


def verified(capsys, *words):
    try:
        call_command("verify_scores", *words, "--json")
        code = 0
    except SystemExit as end:
        code = end.code
    return code, json.loads(capsys.readouterr().out)


@pytest.mark.django_db
@pytest.mark.usefixtures("champion")
def test_scores_that_vary_pass_and_one_for_all_is_refused(capsys, monkeypatch):
    code, told = verified(capsys, "--sample", "6")
    assert (code, told["verdict"], told["served_by"]) == (0, "pass", "model")
    assert told["different"] >= told["wanted"] > 1
    assert told["lowest"] < told["highest"]
    monkeypatch.setattr(LoadedModel, "predict_rows", lambda _, rows: np.full(len(rows), 0.485))
    code, told = verified(capsys, "--sample", "6")
    assert (code, told["verdict"]) == (2, "refuse")
    assert (told["different"], told["most_common"], told["most_common_share"]) == (1, 0.485, 1)
    with pytest.raises(SystemExit):
        call_command("verify_scores", "--sample", "6")
    assert "models rollback" in capsys.readouterr().out


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("champion")
def test_the_api_is_asked_as_an_application_asks_it(live_server, make_token, capsys, monkeypatch):
    monkeypatch.setenv("SEEDBED_KEY", make_token("score"))
    api = ["--sample", "6", "--api", live_server.url]
    code, told = verified(capsys, *api)
    assert (code, told["verdict"], told["unlike"]) == (0, "pass", [])
    # What answers there is something else.
    monkeypatch.setattr("serving.api.match.score_each_now", lambda pairs, _: _all_the_same(pairs))
    code, told = verified(capsys, *api)
    assert (code, told["verdict"]) == (2, "refuse")
    assert len(told["unlike"]) == told["pairs"]
    monkeypatch.setattr("serving.api.match.score_each_now", _other_scores)
    code, told = verified(capsys, *api)
    assert (code, told["varies"], len(told["unlike"])) == (2, True, told["pairs"])
    with pytest.raises(SystemExit):
        call_command("verify_scores", *api)
    assert "not those of this installation" in capsys.readouterr().out
    monkeypatch.setenv("SEEDBED_KEY", make_token("read"))
    with pytest.raises(SystemExit) as end:
        call_command("verify_scores", *api)
    assert end.value.code == 2
    assert "answers 403" in capsys.readouterr().err
    monkeypatch.delenv("SEEDBED_KEY")
    with pytest.raises(SystemExit):
        call_command("verify_scores", *api)
    assert "holds no key" in capsys.readouterr().err


def _all_the_same(pairs):
    return _scored(pairs, lambda score: np.full(len(score), 0.485))


def _other_scores(pairs, _):
    return _scored(pairs, lambda score: score / 2)


def _scored(pairs, change):
    found = score_each(pairs)
    return replace(found, scores=replace(found.scores, score=change(found.scores.score)))


@pytest.mark.parametrize(
    "address",
    ["", "localhost", "ftp://localhost", "http://", "http://a:b@localhost", "http://localhost:x"],
)
def test_what_is_no_address_is_refused(address):
    with pytest.raises(Refusal):
        ask_scores(address, "sb_", PAIR)


def test_who_does_not_answer_is_named(unused_port):
    with pytest.raises(Refusal, match="does not answer"):
        ask_scores(f"http://127.0.0.1:{unused_port}", "sb_", PAIR)


@pytest.fixture
def unused_port():
    from tests.project.test_serve import free_port

    return free_port()


@pytest.mark.parametrize("pairs", [[], PAIR * 1001])
def test_no_request_holds_none_or_too_many(pairs):
    with pytest.raises(Refusal, match="1 to 1,000"):
        ask_scores("http://127.0.0.1:1", "sb_", pairs)


@given(st.lists(st.none() | st.floats(0, 1), max_size=60))
def test_spread_is_of_the_scores_that_there_are(scores):
    spread = spread_of(scores)
    known = [score for score in scores if score is not None]
    assert spread.scored == len(known)
    assert 0 <= spread.different <= spread.scored
    assert spread.is_enough == (bool(known) and spread.different >= spread.wanted)
    if known:
        assert 1 / len(known) - 1e-9 <= spread.most_common_share <= 1
        assert spread.lowest <= spread.most_common <= spread.highest
