"""Every remedy of every check can be followed with the rows at hand, and then mends it.

`follow` does what a remedy says and nothing else: a remedy in which it finds nothing that can be
done for rows of that origin is a fault. What is only advice on how to read a figure mends nothing,
and may stand beside a warning alone.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from matching.domain.features.names import FEATURE_NAMES, GROUP_ONLY
from tests.training.test_copies import write_pairs
from tests.training.test_gates import gate_classifier, gate_regressor, make_world
from tests.training.test_gates_page import ROOT, gates_of_the_code
from training.domain.expectations import QualitySpec
from training.domain.match_quality import match_quality_spec
from training.domain.quality import copied_by, report_quality
from training.domain.splits import split_rows
from training.kinds import Recipe, get_kind
from training.kinds.rows.matches import choose_outcomes

ROWS = 600
# Only who generates rows can do these.
OF_GENERATED_ROWS = re.compile(
    "profile|preset|population|smooth-1|ceiling|seed user|generate (anew|with)"
)
ADVICE = re.compile("nothing is wrong with the rows|read scores by their order|which may be chance")


def write_events(rows: int = ROWS, *, seed: int = 0, accepted: float = 0.5) -> pd.DataFrame:
    """Distinct pairs whose scores vary freely; the label goes with one of them."""
    draw = np.random.default_rng(seed)
    frame = write_pairs(rows, 400, seed=seed)
    for name in FEATURE_NAMES:
        frame[name] = draw.random(rows).astype(np.float32)
    frame[list(GROUP_ONLY)] = np.float32(np.nan)
    odds = 3 * (frame["distance_score"] - 0.5) + np.log(accepted / (1 - accepted))
    return frame.assign(label=(draw.random(rows) < 1 / (1 + np.exp(-odds))).astype(np.int8))


def write_metrics(kind: str, rows: int = 900, *, seed: int = 0) -> pd.DataFrame:
    """Rows of a kind of feedback whose target goes with its first number."""
    draw = np.random.default_rng(seed)
    of = get_kind(kind)
    frame = pd.DataFrame(index=range(rows))
    for feature in of.quality_of(Recipe()).features:
        top = 1.0 if feature.maximum is None else feature.maximum
        frame[feature.name] = (
            draw.choice(["one", "two", "three"], rows)
            if feature.is_categorical
            else draw.uniform(0, top, rows)
        )
    noise = draw.uniform(0, of.target_range[1], rows)
    first = frame[of.numeric[0]] / frame[of.numeric[0]].max() * of.target_range[1]
    frame[of.target] = (first + noise) / 2
    for name in ("response_id", "session_id", "user_id", "scenario_id"):
        frame[name] = [f"{name}-{seed}-{row}" for row in range(rows)]
    return frame.assign(occurred_at=pd.date_range("2026-01-01", periods=rows, freq="h", tz="UTC"))


@dataclass(frozen=True)
class Case:
    """Rows that one check does not pass, and where more of the same kind come from."""

    frame: pd.DataFrame
    spec: QualitySpec
    more: Callable[[int], pd.DataFrame]
    made_here: bool = False
    train: Any = None

    def checks(self) -> dict[str, Any]:
        generated = np.full(len(self.frame), self.made_here)
        report = report_quality(self.frame, self.spec, self.train, generated=generated)
        return {check.name: check for check in report.checks}


def follow(remedy: str, case: Case) -> Case | None:
    """Do what a remedy says; None where it only says how to read the figure."""
    if not case.made_here:
        assert not OF_GENERATED_ROWS.search(remedy), f"nobody can do that to a log: {remedy}"
    if found := re.search(r"--without ((?:[a-z_]+ ?)+)", remedy):
        return replace(case, spec=case.spec.leaving_out(found[1].split()))
    if "--outcomes last" in remedy:
        return replace(case, frame=choose_outcomes(case.frame, "last"))
    if "--split random" in remedy or "split again" in remedy:
        split = split_rows(case.frame, "random", seed=1, copy_columns=present(case))
        return replace(case, frame=case.frame[split.kept], train=split.train[split.kept])
    if "leave the copies out" in remedy or "copies, or find where" in remedy:
        told_by = [name for name in (*case.spec.feature_names, case.spec.target)
                   if name in case.frame]  # fmt: skip
        return replace(case, frame=case.frame.drop_duplicates(told_by))
    if "leave them out" in remedy:
        known = case.frame[case.spec.target].notna()
        return replace(case, frame=case.frame[known])
    if found := re.search(r"about ([\d,]+) more|generate ([\d,]+) more", remedy):
        count = int((found[1] or found[2]).replace(",", ""))
        return replace(case, frame=pd.concat([case.frame, case.more(count)], ignore_index=True))
    if "import events of the other outcome" in remedy:
        other = case.more(3 * len(case.frame))
        return replace(case, frame=pd.concat([case.frame, other], ignore_index=True))
    if "Import a log that has at least one" in remedy or "correct the file" in remedy:
        return replace(case, frame=case.more(len(case.frame)))
    if case.made_here and re.search(
        "less one-sided|varied population|smooth-1|generate anew", remedy
    ):
        return replace(case, frame=write_events(len(case.frame), seed=9))
    if re.search(
        "check the unit|[Cc]heck the source|inputs that vary|check that it was not rounded", remedy
    ):
        return replace(case, frame=case.more(len(case.frame)))
    assert ADVICE.search(remedy), f"nothing in this can be done: {remedy}"
    return None


def present(case: Case) -> list[str]:
    return [name for name in copied_by(case.spec) if name in case.frame]


SMOOTH, TIERED = match_quality_spec("smooth-1"), match_quality_spec("tiered-1")


def one_sided(rows: int, rarer: int) -> pd.DataFrame:
    frame = write_events(rows, seed=3)
    label = np.zeros(rows, np.int8)
    label[np.argsort(frame["distance_score"].to_numpy())[-rarer:] if rarer else []] = 1
    return frame.assign(label=label)


def events(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[bool], Case]:
    def make(made_here: bool) -> Case:
        return Case(change(write_events()), SMOOTH, lambda n: write_events(n, seed=5), made_here)

    return make


def copies_of(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([frame, frame], ignore_index=True).assign(event_key=range(2 * len(frame)))


EVENTS: dict[str, Callable[[bool], Case]] = {
    "rows": events(lambda f: f.head(40)),
    "target_missing": events(lambda f: f.assign(label=f["label"].astype(float).mask(f.index == 3))),
    "label_values": events(lambda f: f.assign(label=f["label"] * 2)),
    "labels": events(lambda f: f.assign(label=0)),
    "duplicate_share": events(copies_of),
    "contradictions": events(lambda f: pd.concat([f, f.assign(label=1 - f["label"])])),
    "inputs": events(lambda f: f.drop(columns=list(FEATURE_NAMES))),
    "distinct:age_score": events(lambda f: f.assign(age_score=np.float32(0.3))),
    "distinct_vectors": events(
        lambda f: f.assign(**{name: np.float32(0.5) for name in FEATURE_NAMES}).assign(
            age_score=np.float32(0.3) + np.float32(0.1) * f["label"]
        )
    ),
    "missing:age_score": events(
        lambda f: f.assign(age_score=f["age_score"].mask(f.index % 2 == 0))
    ),
    "range": events(lambda f: f.assign(age_score=f["age_score"] * 5)),
    "giveaway": events(lambda f: f.assign(age_score=0.1 + 0.6 * f["label"] + f["age_score"] / 10)),
    "repeated_vectors": lambda made_here: Case(
        write_pairs(2_000, 400).assign(personality_score=0.7, lifestyle_score=0.75),
        TIERED,
        write_events,
    ),
    "generated_vectors": lambda made_here: Case(
        write_pairs(3_000, 400).assign(personality_score=0.7, lifestyle_score=0.75),
        TIERED,
        write_events,
        True,
    ),
}
ONLY_GENERATED = {"generated_vectors"}
ONLY_LOGS = {"repeated_vectors", "contradictions", "inputs"}


@pytest.mark.parametrize("made_here", [False, True], ids=["imported", "generated"])
@pytest.mark.parametrize("name", EVENTS)
def test_a_remedy_of_events_mends_what_it_is_for(name: str, made_here: bool) -> None:
    if name in (ONLY_LOGS if made_here else ONLY_GENERATED):
        pytest.skip("rows of the other origin are not asked this")
    walk(name, EVENTS[name](made_here))


def walk(name: str, case: Case) -> None:
    check = case.checks()[name]
    assert check.verdict != "pass"
    mended = follow(check.remedy, case)
    if mended is None:
        assert check.verdict == "warn"
        return
    after = mended.checks().get(name)
    assert after is None or after.verdict == "pass", f"{check.remedy} gave {after}"


@pytest.mark.parametrize("rarer", [1, 3, 20])
@pytest.mark.parametrize("made_here", [False, True], ids=["imported", "generated"])
def test_the_remedy_of_an_imbalance_names_it_and_mends_it(rarer: int, made_here: bool) -> None:
    def more(rows: int) -> pd.DataFrame:
        return one_sided(rows, max(1, rows * rarer // 500))

    case = Case(one_sided(500, rarer), SMOOTH, more, made_here)
    train = np.ones(500, bool)
    train[np.flatnonzero(case.frame["label"].to_numpy() == 0)[:100]] = False
    case = replace(case, train=train)
    check = case.checks()["labels:validation"]
    assert check.verdict == "refuse"
    have = "has" if rarer == 1 else "have"
    assert f"{rarer} of 500 rows {have} the rarer label (1 in {round(500 / rarer)})" in check.remedy
    mended = follow(check.remedy, case)
    assert mended is not None
    # Once there are enough of them, a split by lot gives some to both parts.
    mended = replace(mended, train=None)
    check = mended.checks()["labels"]
    if check.verdict != "pass":
        assert follow(check.remedy, mended) is None
    split = split_rows(mended.frame, "random", seed=1)
    after = replace(mended, train=split.train).checks()["labels:validation"]
    assert after.verdict != "refuse"


@pytest.mark.parametrize(("no", "yes"), [(-1, 1), (1, 2)])
def test_labels_that_are_other_numbers_are_named_and_not_one_sided(no: int, yes: int) -> None:
    frame = write_events()
    case = Case(frame.assign(label=frame["label"].map({0: no, 1: yes})), SMOOTH, write_events)
    checks = case.checks()
    assert f"(they are {no}, {yes})" in checks["label_values"].remedy
    assert "correct the file first" in checks["labels"].remedy
    for word in ("rarer label", "other outcome", "--split"):
        assert word not in checks["labels"].remedy


def test_labels_among_strange_ones_are_counted_by_themselves() -> None:
    frame = write_events()
    label = frame["label"].astype(float).mask(frame.index % 2 == 0, 7.0)
    checks = Case(frame.assign(label=label), SMOOTH, write_events).checks()
    assert checks["labels"].value == pytest.approx(frame["label"][1::2].mean())
    assert checks["labels"].verdict == "pass"


def test_what_one_row_alone_seems_to_tell_is_said_to_be_chance() -> None:
    check = Case(one_sided(500, 1), SMOOTH, write_events).checks()["giveaway"]
    assert check.verdict == "warn"
    assert "which may be chance while only 1 row has the rarer one" in check.remedy


FEEDBACK: dict[str, Callable[[pd.DataFrame, str, str], pd.DataFrame]] = {
    "rows": lambda f, first, target: f.head(90),
    "target_missing": lambda f, first, target: f.assign(**{target: f[target].mask(f.index == 3)}),
    "target_distinct": lambda f, first, target: f.assign(**{target: 0.5}),
    "target_range": lambda f, first, target: f.assign(**{target: f[target] * 500}),
    "duplicate_share": lambda f, first, target: pd.concat([f, f], ignore_index=True),
    "varied_inputs": lambda f, first, target: f.assign(
        **{name: f[name].iloc[0] for name in f if name not in (target, "occurred_at")}
    ),
    "distinct:": lambda f, first, target: f.assign(**{first: 0.5}),
    "missing:": lambda f, first, target: f.assign(**{first: f[first].mask(f.index % 2 == 0)}),
    "range": lambda f, first, target: f.assign(**{first: f[first] - 900}),
    "giveaway": lambda f, first, target: f.assign(**{first: f[target]}),
}


@pytest.mark.parametrize("kind", ["quality", "csat", "model_performance"])
@pytest.mark.parametrize("name", FEEDBACK)
def test_a_remedy_of_feedback_mends_what_it_is_for(name: str, kind: str) -> None:
    of = get_kind(kind)
    frame = FEEDBACK[name](write_metrics(kind), of.numeric[0], of.target)
    case = Case(frame, of.quality_of(Recipe()), lambda n: write_metrics(kind, n, seed=4))
    walk(f"{name}{of.numeric[0]}" if name.endswith(":") else name, case)


def test_repeated_answers_are_mended_by_leaving_copies_out() -> None:
    of = get_kind("csat")
    frame = write_metrics("csat", 900).iloc[np.arange(900) % 24].reset_index(drop=True)
    frame["response_id"] = [f"r{row}" for row in range(900)]
    walk("repeated_answers", Case(frame, of.quality_of(Recipe()), write_events))


def test_what_a_split_shares_is_mended_by_splitting_again() -> None:
    case = Case(copies_of(write_events()), SMOOTH, write_events, train=np.arange(2 * ROWS) < ROWS)
    walk("shared:copy", case)


def test_every_gate_of_a_dataset_is_walked() -> None:
    walked = {
        name.partition(":")[0] + (":" if ":" in name else "") for name in (*EVENTS, *FEEDBACK)
    }
    walked |= {"repeated_answers", "shared:"}
    of_models = {"validation_groups:"}  # walked in test_gates.py
    of_datasets = {
        name
        for path in ("training/domain/quality", "training/domain/tasks")
        for file in (ROOT / path).rglob("*.py")
        if file.name != "gates.py"
        for name in re.findall(r'Gate\(\s*"([a-z_]+:?)"', file.read_text())
    }
    assert of_datasets <= gates_of_the_code()
    assert of_datasets - of_models == walked


@pytest.mark.parametrize("made_here", [False, True], ids=["imported", "generated"])
def test_no_gate_of_a_model_of_a_log_asks_for_what_only_generated_rows_allow(made_here) -> None:
    label, best, rule, model = make_world(600)
    known = {"feature_probability": best} if made_here else {}
    draw = np.random.default_rng(1)
    rare = (draw.random(600) < 0.004).astype(int)
    rare[0] = 1
    scores = {
        "flat": (label, np.full(600, 0.5)),
        "rare": (rare, np.full(600, 0.004)),
        "wrong": (draw.permutation(label), model),
        "sure": (label, np.where(model > 0.5, 0.999, 0.001)),
    }
    for labels, score in scores.values():
        report = gate_classifier(labels, score, rule, **known)
        for check in report.checks:
            if check.verdict != "pass":
                assert check.remedy
                assert made_here or not OF_GENERATED_ROWS.search(check.remedy), check.remedy


def test_scores_of_rare_answers_are_told_the_imbalance_and_as_many_rows_as_mend_it() -> None:
    """An imbalance of 1:500 was told to complete profiles."""
    label = np.zeros(1_000)
    label[:2] = 1
    score = np.full(1_000, 0.002)
    report = gate_classifier(label, score, score)
    (check,) = [check for check in report.checks if check.name == "score_width"]
    assert "2 of 1,000 rows have the rarer label (1 in 500)" in check.remedy
    more = int(re.search(r"here ([\d,]+) more", check.remedy)[1])
    draw = np.random.default_rng(0)
    label = np.concatenate([label, np.ones(more)])
    score = np.where(
        label > 0, draw.uniform(0.2, 0.6, len(label)), draw.uniform(0, 0.3, len(label))
    )
    report = gate_classifier(label, score, score)
    assert {check.name: check.verdict for check in report.checks}["score_width"] == "pass"
    assert label.mean() >= 0.05


def test_every_refusal_of_a_model_of_a_number_says_what_to_do() -> None:
    draw = np.random.default_rng(0)
    target = draw.normal(size=300)
    for prediction in (np.zeros(300), draw.normal(size=300), target):
        report = gate_regressor(
            target, prediction, constant=0.0, group_mean=target / 2, given=target / 3
        )
        for check in report.checks:
            assert check.verdict == "pass" or check.remedy
            assert not OF_GENERATED_ROWS.search(check.remedy), check.remedy
