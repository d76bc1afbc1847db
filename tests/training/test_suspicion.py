"""Inputs that tell more than they should: what is named, what is not, and who may answer for it."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from matching.domain.words import Outcome, Preset
from matching.services.people import seed_block
from overview.jobs.arguments import RebuildModel
from overview.jobs.rebuild import rebuild
from project.audit.models import AuditEntry
from project.jobs.contract import all_kinds as all_job_kinds
from project.jobs.models import Job
from project.origin import Origin
from project.refusal import Refusal
from tests.factories import make_admin, make_staff
from tests.honesty.claims.leaks import draw_dates, generated_rows
from tests.training.batches import claimed_run, draw_events, make_batch, make_dataset, make_model
from tests.training.test_admin import VIEW, text, url
from tests.training.test_datasets import run_json
from training.domain import suspicion
from training.domain.confirming import SUSPICIOUS, suspicious_inputs
from training.domain.expectations import FeatureSpec
from training.domain.suspicion import SUSPICIOUS_INPUT, check_inputs
from training.kinds import DEFAULT_KIND, Recipe, get_kind
from training.models import ModelVersion, Promotion
from training.queries.models import suspects_of
from training.services import registry

KIND = get_kind(DEFAULT_KIND)
REASON = "members rate before they meet, on the list of who comes"


def named(frame, generated=None, kind=KIND):
    """Return the inputs that are named, with their checks."""
    return suspicious_inputs(check.as_dict() for check in check_inputs(kind, frame, generated))


# --- What is named --------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", Preset)
@pytest.mark.parametrize("feature_set", ["smooth-1", "tiered-1"])
def test_the_demos_own_kind_of_data_names_nothing(preset, feature_set):
    for seed in range(3):
        for rows in (300, 1_000):
            found = named(generated_rows(rows, seed, preset, feature_set))
            assert not found, found


@pytest.mark.parametrize("rows", [300, 2_000])
def test_a_rating_given_after_the_date_is_named(rows):
    found = [named(draw_dates(np.random.default_rng(seed), rows, leak=0.75)) for seed in range(10)]
    assert sum("interest_score" in one for one in found) >= 8
    assert {name for one in found for name in one} == {"interest_score"}  # not its product


def test_profiles_alone_are_not_named():
    for seed in range(5):
        assert not named(draw_dates(np.random.default_rng(seed), 2_000))


def test_either_direction_counts_and_is_said():
    frame = draw_dates(np.random.default_rng(1), 2_000, leak=0.8)
    frame["interest_score"] = 1 - frame["interest_score"]
    (check,) = named(frame.drop(columns="destination_interest")).values()
    assert check["name"] == "suspicious_input:interest_score"
    assert check["verdict"] == "warn"
    assert "falls where the label is 1" in check["remedy"]
    assert "--without interest_score" in check["remedy"]
    assert check["value"] > check["limit"] >= suspicion.REACHABLE_AUC


def test_a_product_names_its_factor_even_where_the_factor_is_not_there():
    frame = draw_dates(np.random.default_rng(2), 2_000, leak=0.85)
    frame["destination_interest"] = frame["interest_score"]
    found = named(frame.drop(columns=["interest_score"]))
    assert found.keys() == {"distance_score"}
    assert "destination_interest, made of distance_score" in found["distance_score"]["remedy"]


def test_whether_an_input_was_there_may_tell_as_much():
    frame = draw_dates(np.random.default_rng(3), 2_000)
    rng = np.random.default_rng(4)
    met = rng.random(2_000) < np.where(frame["label"] == 1, 0.95, 0.3)
    frame["interest_score"] = np.where(met, rng.random(2_000), np.nan)
    assert "whether interest_score is there" in named(frame)["interest_score"]["remedy"]


def test_an_input_that_is_by_design_absent_is_not_named_for_it():
    frame = draw_dates(np.random.default_rng(5), 2_000)
    is_group = np.random.default_rng(6).random(2_000) < np.where(frame["label"] == 1, 0.9, 0.2)
    frame["match_type"] = np.where(is_group, "user_group", "user_user")
    size = np.where(is_group, np.random.default_rng(7).random(2_000), np.nan)
    assert "group_size_score" not in named(frame.assign(group_size_score=size))


def test_rules_that_know_nothing_without_an_input_do_not_excuse_it():
    frame = draw_dates(np.random.default_rng(8), 2_000, leak=0.8)
    alone = frame[["interest_score", "label", "user_id", "partner_id", "match_type"]]
    assert named(alone).keys() == {"interest_score"}


def test_generated_rows_do_not_hide_what_rows_from_elsewhere_give_away():
    real = draw_dates(np.random.default_rng(9), 500, leak=0.75)
    made = generated_rows(5_000, 1)
    both = pd.concat([real, made], ignore_index=True)
    assert "interest_score" not in named(both)
    assert "interest_score" in named(both, np.arange(len(both)) >= 500)


def test_many_rows_are_drawn_by_lot(monkeypatch):
    frame = draw_dates(np.random.default_rng(10), 3_000, leak=0.8)
    monkeypatch.setattr(suspicion, "MOST_ROWS", 1_000)
    assert "over 1,000 rows" in named(frame)["interest_score"]["remedy"]
    assert named(frame) == named(frame)


def test_too_few_people_and_one_label_say_nothing():
    frame = draw_dates(np.random.default_rng(11), 400, leak=0.8)
    assert check_inputs(KIND, frame.assign(user_id=np.arange(400) % 5)) == []
    assert check_inputs(KIND, frame.assign(label=1)) == []
    assert check_inputs(KIND, frame.head(0)) == []


def test_a_given_prediction_is_exempt_and_numbers_are_not_asked():
    frame = draw_dates(np.random.default_rng(12), 2_000, leak=0.8)

    def quality(recipe):
        spec = KIND.quality(recipe)
        given = [replace(one, is_given=one.name == "interest_score") for one in spec.features]
        return replace(spec, features=tuple(given))

    kind = replace(KIND, quality=quality)
    rest = frame.drop(columns="destination_interest")
    assert named(rest) and not named(rest, kind=kind)  # noqa: PT018
    performance = get_kind("model_performance")
    given = [one.name for one in performance.quality(Recipe()).features if one.is_given]
    assert given == ["prediction"]
    assert check_inputs(performance, frame.assign(actual=frame["label"])) == []
    assert not FeatureSpec("any").is_given


def test_the_light_name_is_that_of_the_gate():
    assert SUSPICIOUS_INPUT.name == SUSPICIOUS


# --- Who may answer for it ------------------------------------------------------------------------


def leaking_events(rows=1_500, seed=1):
    """Events of real people whose interest score is a rating given afterwards."""
    events = draw_events(rows, seed=seed, users=300)
    rng = np.random.default_rng(seed)
    drawn = draw_dates(rng, rows, leak=0.85)
    shared = [name for name in KIND.features if name in drawn]
    events[shared] = drawn[shared].to_numpy(np.float32)
    events["label"] = drawn["label"].to_numpy(bool)
    accepted, ignored = Outcome.ACCEPT.code, Outcome.IGNORE.code
    events["outcome"] = np.where(events["label"], accepted, ignored).astype(np.int16)
    return events.drop(columns=["true_probability", "feature_probability"])


@pytest.fixture
def suspect(db):
    """A model of such events, which passes every other gate."""
    batch = make_batch(leaking_events(), method="imported", origin=Origin.REAL)
    model = make_model(make_dataset(batch))
    assert model.verdict == "warn"
    return model


def test_dataset_and_model_name_it_and_say_what_to_expect(suspect, capsys):
    for checks in (suspect.dataset.checks, suspect.gates):
        assert suspicious_inputs(checks).keys() == {"interest_score"}
    shown = run_json(capsys, "models", "show", "1")
    assert shown["suspicious_inputs"] == ["interest_score"]
    analysed = run_json(capsys, "analyze_dataset")
    for said in (shown["expectation"], analysed["expectation"]):
        assert "0.55 to 0.62" in said
        assert "Joel, Eastwick & Finkel 2017" in said
        assert "Fisman" in said


@pytest.mark.django_db
def test_synthetic_rows_are_expected_nothing_of_and_go_live_as_before(capsys):
    model = make_model()
    assert suspects_of(model) == {}
    assert run_json(capsys, "models", "show", "1")["expectation"] == ""
    promotion = registry.promote(model, confirm_inputs="there is nothing to confirm")
    assert promotion.confirmation_reason == ""


def test_the_command_refuses_without_a_reason_and_keeps_one(suspect, capsys):
    said = run_json(capsys, "models", "promote", "1", code=2)["refused"]
    figures = suspects_of(suspect)["interest_score"]
    assert "nobody has confirmed interest_score" in said["message"]
    assert f"{figures['value']:.3f}" in said["message"]
    assert "--confirm-inputs" in said["remedy"]
    assert [check["name"] for check in said["checks"]] == [figures["name"]]
    said = run_json(capsys, "models", "promote", "1", "--confirm-inputs", "ok", code=2)["refused"]
    assert "2 characters" in said["message"]
    assert not Promotion.objects.exists()
    done = run_json(capsys, "models", "promote", "1", "--confirm-inputs", REASON)
    assert done["confirmation_reason"] == REASON
    assert Promotion.objects.get().confirmation_reason == REASON
    assert AuditEntry.objects.filter(detail=f"confirmed interest_score: {REASON}").exists()
    history = run_json(capsys, "models", "show", "1")["history"]
    assert history[0]["confirmation_reason"] == REASON


def test_an_override_is_no_confirmation_and_it_takes_the_right(suspect):
    with pytest.raises(Refusal, match="nobody has confirmed interest_score"):
        registry.promote(suspect, by=make_admin(), override_reason="a reason for something else")
    with pytest.raises(Refusal, match="may not confirm"):
        registry.promote(suspect, by=make_staff("training.train_model"), confirm_inputs=REASON)
    person = make_staff("training.promote_model", name="ada")
    assert registry.promote(suspect, by=person, confirm_inputs=REASON).actor == "ada"


def test_the_dataset_alone_is_enough_to_ask(suspect):
    kept = [check for check in suspect.gates if not check["name"].startswith(SUSPICIOUS)]
    suspect.gates = kept
    assert suspects_of(suspect).keys() == {"interest_score"}
    suspect.inputs = [name for name in suspect.inputs if name != "interest_score"]
    assert suspects_of(suspect) == {}


@pytest.mark.usefixtures("valkey")
def test_the_page_asks_for_the_reason_and_keeps_it(suspect, client):
    client.force_login(make_staff(*VIEW))
    page = url("modelversion_promote", suspect.pk)
    assert client.post(page, {"confirm_inputs": REASON}).status_code == 403
    client.force_login(make_staff(*VIEW, "training.promote_model", name="ada"))
    shown = text(client.get(url("modelversion_change", suspect.pk)))
    assert "somebody has to confirm interest_score" in shown
    assert "0.55 to 0.62" in shown
    assert "0.55 to 0.62" in text(client.get(url("dataset_change", suspect.dataset_id)))
    asked = text(client.get(page))
    assert "written after the answer" in asked
    assert "interest_score alone tells the label" in asked
    for said in ("", "ok"):
        assert "confirm_inputs" in text(client.post(page, {"confirm_inputs": said}))
    assert not Promotion.objects.exists()
    client.post(page, {"confirm_inputs": REASON})
    promotion = Promotion.objects.get()
    assert (promotion.actor, promotion.confirmation_reason) == ("ada", REASON)
    assert REASON in text(client.get(url("promotion_change", promotion.pk)))
    assert REASON in text(client.get(url("modelversion_change", suspect.pk), {"tab": "history"}))


@pytest.mark.django_db
def test_rebuild_stops_at_a_suspicious_input(valkey, capsys, monkeypatch):
    seed_block(seed=7, block=0, count=120, by=None)
    monkeypatch.setattr(suspicion, "_reached", lambda *_: 0.5)  # as if the rules knew nothing
    said = run_json(capsys, "rebuild", "--count", "400", "--now", code=2)["refused"]
    assert "nobody has confirmed" in said["message"]
    assert "--confirm-inputs" in said["remedy"]
    job = Job.objects.get()
    reached = [stage["name"] for stage in job.stages if stage["state"] != "pending"]
    assert (job.state, reached[-1]) == (Job.State.REFUSED, "Promote")
    assert ModelVersion.objects.get().stage == ModelVersion.Stage.CANDIDATE
    assert not Promotion.objects.exists()
    assert "Confirm" in run_json(capsys, "status")["next_step"]["text"]
    with pytest.raises(Refusal, match="nobody has confirmed"):
        rebuild(claimed_run("overview.rebuild_model", make_admin()), RebuildModel(count=400))


def test_no_job_and_so_no_schedule_can_confirm():
    for kind in all_job_kinds():
        assert not [name for name in kind.arguments.model_fields if "confirm" in name], kind.name
