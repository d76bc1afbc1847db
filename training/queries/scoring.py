"""Scoring pairs with the champion; where none can serve, the rule score does, and says so."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final, Literal, TypedDict, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from matching.domain.features.columns import applicable, fill_products_of
from matching.domain.features.compute import compute_features
from matching.domain.features.explain import FeatureExplanation, explain_pair
from matching.domain.features.names import COLUMN, FEATURE_NAMES, LOG_NAMES
from matching.domain.features.rules import RULE_NAME, RULE_WEIGHTS, origin_score, rule_score
from matching.domain.lexicon.folding import Lexicon
from matching.domain.travellers import PairSide, Travellers, Vocabulary
from matching.domain.trips import HardGate, first_gates
from matching.domain.words import COMPUTED_SETS, revision_of
from matching.queries.words import taught_lexicon, vocabulary_version
from project.measure.intervals import json_number, json_numbers
from project.storage.artifacts import glance
from project.storage.failures import ArtifactCorrupt
from training.domain.two_stages import best_of
from training.kinds import DEFAULT_KIND
from training.models import ModelVersion
from training.queries.loading import LoadedModel, load_cached
from training.queries.models import champion_of
from training.queries.serviceable import ModelOutdated

logger = logging.getLogger(__name__)
FloatArray = npt.NDArray[np.float64]
ServedBy = Literal["model", "rule_score"]

# The formulas of a score that no model gives: those that name what is missing.
FALLBACK_FEATURE_SET: Final = "smooth-1"
TWO_STAGES_ABOVE: Final = 2_048  # candidates: fewer are all asked of a model made of trees
_NAMES: Final = dict(zip(LOG_NAMES, FEATURE_NAMES, strict=True)) | {n: n for n in FEATURE_NAMES}
NO_CHAMPION: Final = "There is no champion yet; train a model and promote it."


class UnusableFeatures(ValueError):
    """The features given cannot be scored; the message names the one that is wrong."""


class ScoreFields(TypedDict):
    """The score of one pair as JSON."""

    score: float | None
    served_by: ServedBy
    model_version: int | None
    trained_on: str | None
    rule: str
    rule_score: float | None
    by_rules: float | None
    by_users: float | None
    feature_set: str
    feature_revision: int
    missing: list[str]
    is_candidate: bool | None
    why_not: str | None


class EffectFields(TypedDict):
    """A `FeatureEffect` as JSON."""

    name: str
    value: float | None
    missing: bool
    inputs: Mapping[str, Any]
    reference: float | None
    effect: float | None
    effect_if_unknown: float | None


class ExplanationFields(ScoreFields):
    """An `Explanation` as JSON."""

    warning: str
    feature_set: str
    rule_weights: Mapping[str, float]
    features: list[EffectFields]


@dataclass(frozen=True)
class Serving:
    """What answers now: the champion, or nothing and the reason why."""

    model: LoadedModel | None
    feature_set: str
    warning: str
    why_broken: str = ""  # of a champion whose files are not those that were written

    @property
    def served_by(self) -> ServedBy:
        return "rule_score" if self.model is None else "model"

    @property
    def model_version(self) -> int | None:
        """Version of the champion, None while the rule score serves."""
        return None if self.model is None else self.model.version

    @property
    def trained_on(self) -> str | None:
        """Origin of the champion's rows, None while the rule score serves."""
        return None if self.model is None else self.model.trained_on


@dataclass(frozen=True)
class Scores:
    """Scores of n pairs.

    Attributes
    ----------
    score : float64 (n,) in [0, 1]; NaN where nothing at all is known of a pair.
    rule_score : float64 (n,), the same pairs by `rule-1`.
    by_rules : float64 (n,), the probability that the rules alone would give, fitted to the rows
        that the model was trained on; NaN where the model does not start from the rules, or none
        serves. What is left of the score is what users did: their rows changed that much.
    missing : names of the features without an input, for each pair.
    features : float32 (n, 13), in the order of FEATURE_NAMES; NaN where missing.
    gates : text (n,), the `HardGate` that each pair meets now; None of ready features.
    serving : which model answered, or why none did.
    """

    score: FloatArray
    rule_score: FloatArray
    by_rules: FloatArray
    missing: tuple[tuple[str, ...], ...]
    features: npt.NDArray[np.float32]
    gates: npt.NDArray[np.str_] | None
    serving: Serving

    @property
    def is_candidate(self) -> npt.NDArray[np.bool_] | None:
        """Whether the two of each pair pass the hard gates: bool (n,); None of ready features."""
        return None if self.gates is None else self.gates == HardGate.OPEN

    def take(self, places: npt.NDArray[np.int64]) -> "Scores":
        """Return the scores of some of the pairs, in the order of `places`."""
        return replace(
            self,
            score=self.score[places],
            rule_score=self.rule_score[places],
            by_rules=self.by_rules[places],
            missing=tuple(self.missing[place] for place in places),
            features=self.features[places],
            gates=None if self.gates is None else self.gates[places],
        )

    def as_rows(self) -> list[ScoreFields]:
        """Return one JSON object a pair."""
        serving = self.serving
        gates = [None] * len(self.score) if self.gates is None else self.gates.tolist()
        served_by, version, trained_on = (
            serving.served_by,
            serving.model_version,
            serving.trained_on,
        )
        feature_set = serving.feature_set
        revision = revision_of(feature_set)
        columns = (self.score, self.rule_score, self.by_rules, self.score - self.by_rules)
        return [
            {
                "score": score,
                "served_by": served_by,
                "model_version": version,
                "trained_on": trained_on,
                "rule": RULE_NAME,
                "rule_score": by_rule,
                "by_rules": by_rules,
                "by_users": by_users,
                "feature_set": feature_set,
                "feature_revision": revision,
                "missing": list(missing),
                "is_candidate": None if gate is None else gate == HardGate.OPEN,
                "why_not": None if gate in (None, HardGate.OPEN) else gate,
            }
            for score, by_rule, by_rules, by_users, missing, gate in zip(
                *map(json_numbers, columns), self.missing, gates, strict=True
            )
        ]


def current_serving() -> Serving:
    """Return the verified champion; a missing or corrupt one is a warning, never silence."""
    champion = champion_of(DEFAULT_KIND)
    if champion is None:
        return Serving(None, FALLBACK_FEATURE_SET, NO_CHAMPION)
    try:
        loaded = load_cached(champion)
    except ArtifactCorrupt as error:
        serving = f"the rule score {RULE_NAME} serves"
        warning = f"Champion {champion.version} cannot be used, {serving}: {error}"
        logger.error(warning)  # the message says it all; a trace reads like a crash
        why = f"Champion {champion.version} cannot be used: {error}"
        is_broken = not isinstance(error, ModelOutdated)
        return Serving(None, FALLBACK_FEATURE_SET, warning, why if is_broken else "")
    return Serving(loaded, champion.dataset.feature_set, "")


def serving_stamp() -> object:
    """Return what `current_serving` depends on: while it is the same, so is what serves."""
    live = ModelVersion.objects.champions().filter(kind=DEFAULT_KIND)
    champion = live.only("kind", "version", "files").first()
    if champion is None:
        return None
    try:
        stamps: object = glance(champion.folder, champion.files)
    except ArtifactCorrupt as error:
        stamps = str(error)
    return champion.pk, stamps, vocabulary_version()


def _computed(serving: Serving) -> Serving:
    """Return what can serve people whose features have yet to be computed."""
    if serving.model is None or serving.feature_set in COMPUTED_SETS:
        return serving
    return Serving(
        None,
        FALLBACK_FEATURE_SET,
        f"Champion {serving.model_version} was trained on features as they were logged "
        f"({serving.feature_set}), whose formulas are not known here: it scores ready features "
        f"only, and for people the rule score {RULE_NAME} serves.",
    )


def _of_set(serving: Serving, feature_set: str | None) -> Serving:
    """Return what can serve features of this set."""
    if feature_set in (None, serving.feature_set):
        return serving
    if serving.model is None:
        return replace(serving, feature_set=feature_set)
    return Serving(
        None,
        feature_set,
        f"Champion {serving.model_version} was trained on {serving.feature_set}, and these "
        f"features are {feature_set}: the rule score {RULE_NAME} serves.",
    )


def score_frame(
    left: pd.DataFrame,
    right: pd.DataFrame,
    match_type: str = "user_user",
    serving: Serving | None = None,
) -> Scores:
    """Score travellers row against row: users on the left, users or groups on the right.

    Parameters
    ----------
    left, right : travellers frames of equal length; see `Travellers.from_frame`.
    match_type : user_user or user_group.
    serving : what answers; by default what is live now.
    """
    serving = serving or current_serving()
    a, b = encode_sides(left, right, serving)
    return score_travellers(a, b, serving, match_type)


def score_travellers(
    a: Travellers | PairSide, b: Travellers | PairSide, serving: Serving, match_type: str
) -> Scores:
    """Score encoded travellers row against row.

    Parameters
    ----------
    a, b : of equal length and one vocabulary, whose lexicon is that of `lexicon_of(serving)`.
    serving : what answers.
    match_type : user_user or user_group.
    """
    serving = _computed(serving)
    block = compute_features(a, b, serving.feature_set, match_type)
    origin, gates = origin_score(a, b), first_gates(a, b)
    return _scores(serving, block.values, block.missing, match_type, origin, gates)


def best_alone(
    mine: Travellers | PairSide,
    chunks: Iterable[Travellers | PairSide],
    serving: Serving,
    match_type: str,
    count: int,
) -> npt.NDArray[np.int64]:
    """Return the places of those that score best with one traveller: `count` of them, and whoever
    is as good as the last.

    Parameters
    ----------
    chunks : all of the others, more than `count`.
    """
    serving = _computed(serving)
    model = serving.model
    parts: list[npt.NDArray[Any]] = []
    for others in chunks:
        every = np.arange(len(others))
        left = np.zeros(len(others), np.int64)
        values = compute_features(
            mine, others, serving.feature_set, match_type, left_index=left, right_index=every
        ).values
        if model is None:
            by_rule = rule_score(values, match_type, origin_score(mine, others))
            parts.append(np.asarray(by_rule, np.float64))
        elif model.is_walked:
            parts.append(values[:, _columns(model.kind.features)])
        else:
            parts.append(_model_scores(serving, values, np.empty(0)))
    found = np.concatenate(parts)
    if model is not None and model.is_walked:
        if len(found) > TWO_STAGES_ABOVE:
            return best_of(found, model.predict_rows, count)[0]
        found = model.predict_rows(found)
    best: npt.NDArray[np.int64] = np.flatnonzero(found >= np.partition(found, -count)[-count])
    return best


def score_features(features: Mapping[str, Any], match_type: str = "user_user") -> Scores:
    """Score one vector of features; see `score_vectors`."""
    return score_vectors([features], match_type)


def score_vectors(
    vectors: Sequence[Mapping[str, Any]],
    match_type: str = "user_user",
    feature_set: str | None = None,
    serving: Serving | None = None,
) -> Scores:
    """Score vectors of features, named as in the code or as in the event log.

    Where `feature_set` says by which formulas they were computed, and the champion knows others,
    the rule score serves: equal numbers of two sets mean different things. `serving` is what
    answers, by default what is live now.

    Raises
    ------
    UnusableFeatures
        For a name that is no feature and a value that is no number in [0, 1].
    """
    values = np.full((len(vectors), len(FEATURE_NAMES)), np.nan, np.float32)
    for row, vector in zip(values, vectors, strict=True):
        _read_features(vector, row)
    fill_products_of(values)
    missing = np.isnan(values) & applicable(match_type)
    serving = _of_set(serving or current_serving(), feature_set)
    return _scores(serving, values, missing, match_type, None)


def encode_sides(
    left: pd.DataFrame, right: pd.DataFrame, serving: Serving
) -> tuple[Travellers, Travellers]:
    """Encode both sides of pairs with one vocabulary: what is taught, which is what the model was
    trained with, and interests as rare as they were among its rows."""
    vocabulary = Vocabulary.of(left, right, lexicon=lexicon_of(serving, taught_lexicon()))
    return Travellers.from_frame(left, vocabulary), Travellers.from_frame(right, vocabulary)


def lexicon_of(serving: Serving, taught: Lexicon) -> Lexicon:
    """Return what is taught, with interests as rare as among the rows of what answers."""
    shares = {} if serving.model is None else serving.model.shares
    return Lexicon(taught.version, taught.taught, shares)


@dataclass(frozen=True)
class FeatureEffect:
    """One feature of an explained pair, and what it does to the score.

    Attributes
    ----------
    explained : the feature, its value and what it was computed from.
    reference : the mean of this feature over the training rows.
    effect : the score minus the score with this feature at its reference; what this pair's value,
        instead of an average one, adds to the score. None where the input is missing.
    effect_if_unknown : the score minus the score with this feature missing.
    """

    explained: FeatureExplanation
    reference: float | None
    effect: float | None
    effect_if_unknown: float | None

    def as_dict(self) -> EffectFields:
        return {
            "name": self.explained.name,
            "value": self.explained.value,
            "missing": self.explained.missing,
            "inputs": self.explained.inputs,
            "reference": self.reference,
            "effect": self.effect,
            "effect_if_unknown": self.effect_if_unknown,
        }


@dataclass(frozen=True)
class Explanation:
    """A score with everything that led to it, the largest effects first; `sides` are the two."""

    scores: Scores
    effects: tuple[FeatureEffect, ...]
    match_type: str
    sides: tuple[Travellers, Travellers]

    @property
    def gate(self) -> HardGate:
        """The first hard gate that the two do not pass now; open where they pass all."""
        gates = cast("npt.NDArray[np.str_]", self.scores.gates)  # of people: none of features
        return HardGate(gates[0])

    def as_dict(self) -> ExplanationFields:
        return {
            **self.scores.as_rows()[0],
            "warning": self.scores.serving.warning,
            "feature_set": self.scores.serving.feature_set,
            "rule_weights": RULE_WEIGHTS[self.match_type],
            "features": [effect.as_dict() for effect in self.effects],
        }


def explain_frame(
    left: pd.DataFrame,
    right: pd.DataFrame,
    match_type: str = "user_user",
    serving: Serving | None = None,
) -> Explanation:
    """Explain the score of one pair.

    Each effect is exact: the model (or the rule score) is asked again with that one feature
    replaced. Effects are not additive, because features work together, and the two products stay
    as they are when one of their parts is replaced.
    """
    a, b = encode_sides(left, right, serving := serving or current_serving())
    scores = score_travellers(a, b, serving, match_type)
    explained = explain_pair(a, b, scores.serving.feature_set, match_type)
    effects = _effects(scores, explained, match_type, origin_score(a, b))
    ordered = sorted(effects, key=lambda effect: -abs(effect.effect or 0.0))
    return Explanation(scores, tuple(ordered), match_type, (a, b))


def _scores(
    serving: Serving,
    values: npt.NDArray[np.float32],
    missing: npt.NDArray[np.bool_],
    match_type: str,
    origin: npt.NDArray[np.float64] | None,
    gates: npt.NDArray[np.str_] | None = None,
) -> Scores:
    by_rule = np.asarray(rule_score(values, match_type, origin), dtype=np.float64)
    return Scores(
        score=_model_scores(serving, values, by_rule),
        rule_score=by_rule,
        by_rules=_rules_alone(serving, values),
        missing=_missing_names(serving, missing),
        features=values,
        gates=gates,
        serving=serving,
    )


def _missing_names(serving: Serving, missing: npt.NDArray[np.bool_]) -> tuple[tuple[str, ...], ...]:
    read = FEATURE_NAMES if serving.model is None else serving.model.kind.features
    # Few patterns come again and again.
    bits = np.packbits(missing[:, _columns(read)], axis=1, bitorder="little")
    return tuple(_names_at(read, row.tobytes()) for row in bits)


@lru_cache(maxsize=4096)
def _names_at(names: tuple[str, ...], bits: bytes) -> tuple[str, ...]:
    number = int.from_bytes(bits, "little")
    return tuple(name for place, name in enumerate(names) if number >> place & 1)


@lru_cache(maxsize=64)
def _columns(names: tuple[str, ...]) -> npt.NDArray[np.intp]:
    return np.array([COLUMN[name] for name in names], np.intp)


def _rules_alone(serving: Serving, values: npt.NDArray[np.float32]) -> FloatArray:
    model = serving.model
    if model is None or model.rules_alone is None:
        return np.full(len(values), np.nan)
    return model.rules_alone(values[:, _columns(model.kind.features)])


def _model_scores(
    serving: Serving, values: npt.NDArray[np.float32], by_rule: FloatArray
) -> FloatArray:
    model = serving.model
    if model is None or not len(values):
        return by_rule
    return model.predict_rows(values[:, _columns(model.kind.features)])


def _effects(
    scores: Scores,
    explained: list[FeatureExplanation],
    match_type: str,
    origin: npt.NDArray[np.float64] | None,
) -> list[FeatureEffect]:
    model = scores.serving.model
    reference = {} if model is None else model.metadata["reference"]
    # Two rows a feature: at its reference, and unknown.
    rows = np.repeat(scores.features, 2 * len(explained), axis=0)
    for number, feature in enumerate(explained):
        at = reference.get(feature.name)
        rows[2 * number, COLUMN[feature.name]] = np.nan if at is None else at
        rows[2 * number + 1, COLUMN[feature.name]] = np.nan
    repeated = None if origin is None else np.repeat(origin, len(rows))
    others = _model_scores(
        scores.serving,
        rows,
        np.asarray(rule_score(rows, match_type, repeated), dtype=np.float64),
    )
    changes = scores.score[0] - others
    effects = []
    for number, feature in enumerate(explained):
        at = reference.get(feature.name)
        effects.append(
            FeatureEffect(
                explained=feature,
                reference=at,
                effect=None
                if feature.missing or at is None
                else json_number(float(changes[2 * number])),
                effect_if_unknown=None
                if feature.missing
                else json_number(float(changes[2 * number + 1])),
            )
        )
    return effects


def _read_features(features: Mapping[str, Any], row: npt.NDArray[np.float32]) -> None:
    """Write what is given into a row of NaN."""
    read = set()
    for given, value in features.items():
        name = _NAMES.get(given)
        if name is None:
            raise UnusableFeatures(
                f"{given!r} is no feature; expected {', '.join(FEATURE_NAMES)}, or the names of "
                "the event log."
            )
        if value is None:
            continue
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not 0 <= value <= 1:
            raise UnusableFeatures(f"{given} is {value!r}; expected a number from 0 to 1, or null.")
        if name in read:
            raise UnusableFeatures(f"{name} is given twice, by both of its names.")
        read.add(name)
        row[COLUMN[name]] = value
