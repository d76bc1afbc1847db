"""The rows of the kind that learns from match events: read, what they must be, scored by rules."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from django.utils import timezone

from matching.domain.features.columns import fill_products
from matching.domain.features.names import FEATURE_NAMES, GROUP_ONLY, PRODUCTS, TIERED_DEFAULT
from matching.domain.features.rules import linear_weights, rule_score
from matching.domain.generation import (
    ceiling_set,
    recompute_ceiling,
    recompute_features,
)
from matching.domain.identity import as_present
from matching.domain.lexicon.folding import Lexicon
from matching.domain.log.format import COMPUTED
from matching.domain.words import COMPUTED_SETS, FeatureSet, MatchType, revision_of
from matching.models import EventBatch
from matching.queries.frozen import require_population
from matching.queries.identity import merged_numbers
from matching.queries.words import taught_lexicon
from project.measure.hashing import hash_rows
from project.origin import Origin
from project.refusal import Refusal
from training.domain.kind import (
    ORIGIN_COLUMN,
    LoadedRows,
    Recipe,
    origin_column,
    require_origin,
)
from training.domain.match_quality import GROUPS, TIERED_HALVES
from training.kinds.rows.events import load_match_events


def load(recipe: Recipe) -> LoadedRows:
    """Read the events of the recipe's batches, with one set of feature formulas for all rows."""
    batches = choose_batches(recipe)
    feature_set = _choose_feature_set(recipe.feature_set, batches)
    lexicon = _choose_lexicon(batches)
    frame = load_match_events(batches)
    erased = 0
    for batch in batches:
        # Beside logged rows generated ones keep the formulas they were made with.
        wanted = batch.feature_set if feature_set == FeatureSet.LOGGED else feature_set
        if batch.method == EventBatch.Method.GENERATED and not _is_as_now(batch, wanted, lexicon):
            frame, gone = _leave_erased_out(frame, batch)
            erased += gone
            _compute_anew(frame, batch, wanted, lexicon)
    _name_present_people(frame)
    frame, strangers = _leave_strangers_out(frame, batches)
    frame, alone = _leave_pairs_of_one_out(frame)
    origin = _origin_of(batches)
    if origin is Origin.COMBINED:
        real = [batch.pk for batch in batches if Origin.of_code(batch.origin) is Origin.REAL]
        frame[ORIGIN_COLUMN] = origin_column(frame["batch_id"].isin(real))
    every = len(frame)
    frame = choose_outcomes(frame, recipe.outcomes)
    defaulted = _write_defaults(frame, batches, feature_set)
    fill_products(frame)
    return LoadedRows(
        frame=frame,
        recipe=replace(
            recipe,
            origin=origin.value,
            batches=tuple(int(batch.pk) for batch in batches),
            feature_set=feature_set,
        ),
        lineage=tuple(_lineage(batch) for batch in batches),
        batches=tuple(int(batch.pk) for batch in batches),
        defaulted=defaulted,
        left_out={
            "other_outcome": every - len(frame),
            "people_not_known": strangers,
            "pair_of_one_person": alone,
            "people_erased": erased,
        },
        generated=_made_here(frame, batches),
        vocabulary=lexicon.as_dict() if feature_set in COMPUTED_SETS else {},
    )


def choose_batches(recipe: Recipe) -> list[EventBatch]:
    """Return the batches of a recipe: those named, else the newest complete one of the origin.

    Only the newest, because two batches of one population repeat each other's pairs; combining is
    naming several. `combined` without names takes the newest of each.
    """
    complete = EventBatch.objects.complete().defer("population")
    if recipe.batches:
        found = {int(batch.pk): batch for batch in complete.filter(pk__in=recipe.batches)}
        absent = [number for number in recipe.batches if number not in found]
        if absent:
            raise Refusal(
                f"There is no complete batch {', '.join(map(str, absent))}.",
                remedy="`manage.py status` and the admin list the batches; wait for those that "
                "are still being made.",
            )
        batches = [found[number] for number in sorted(set(recipe.batches))]
        if recipe.origin and recipe.origin != _origin_of(batches):
            raise Refusal(
                f"The batches named are {_origin_of(batches)}, and --origin says {recipe.origin}.",
                remedy="Leave --origin out, or name other batches.",
            )
        return batches
    wanted = require_origin(recipe)
    batches = []
    for origin in (None,) if wanted is None else wanted.parts:
        chosen = complete.filter(made__gt=0)
        if origin is not None:
            chosen = chosen.filter(origin=origin.code)
        newest = chosen.order_by("-pk").first()
        if newest is None:
            named = "" if origin is None else f"{origin} "
            raise Refusal(
                f"There is no complete batch of {named}events yet.",
                remedy="Run `manage.py generate_events --count 1000`, or import a log with "
                "`manage.py import_events FILE`.",
            )
        batches.append(newest)
    return sorted(batches, key=lambda batch: int(batch.pk))


def _choose_feature_set(asked: str, batches: Sequence[EventBatch]) -> str:
    """Return the one feature set of all rows; logged features cannot be turned into another."""
    present = sorted({batch.feature_set for batch in batches})
    if asked and asked not in tuple(FeatureSet):
        raise Refusal(
            f"There is no feature set {asked!r}.",
            remedy=f"Choose one of {', '.join(FeatureSet)}.",
        )
    if FeatureSet.LOGGED in present and len(present) > 1 and not asked:
        raise Refusal(
            f"Batches of {' and '.join(present)} were made with different formulas; those behind "
            f"{FeatureSet.LOGGED} are not known here.",
            remedy="Choose batches of one feature set, or say --feature-set "
            f"{FeatureSet.LOGGED} to take all values as if one formula had made them.",
        )
    wanted = asked or (present[0] if len(present) == 1 else FeatureSet.SMOOTH.value)
    if wanted == FeatureSet.LOGGED:
        return wanted
    outdated = [
        batch
        for batch in batches
        if _is_computed(batch) and batch.feature_revision != revision_of(batch.feature_set)
    ]
    if outdated:
        named = ", ".join(str(batch.pk) for batch in outdated)
        raise Refusal(
            f"The features of batch {named} were computed by an earlier revision of "
            f"{outdated[0].feature_set} when its log was imported.",
            remedy="Delete the batch and import its log again.",
        )
    fixed = [
        batch
        for batch in batches
        if batch.feature_set != wanted and batch.method != EventBatch.Method.GENERATED
    ]
    if fixed:
        named = ", ".join(f"{batch.pk} ({batch.feature_set})" for batch in fixed)
        raise Refusal(
            f"The rows of batch {named} keep the features that were logged, or computed when they "
            f"were imported; the people as they were then are not known here, so {wanted} cannot "
            "be computed for them.",
            remedy="Choose the feature set of the log, or batches that share one feature set.",
        )
    return wanted


def _choose_lexicon(batches: Sequence[EventBatch]) -> Lexicon:
    """Return the one vocabulary of all rows: what is taught now, and how rare interests were among
    the people of the newest batch that was generated."""
    generated = [one for one in batches if one.method == EventBatch.Method.GENERATED]
    taught = taught_lexicon()
    shares = _lexicon_of(max(generated, key=lambda one: one.pk)).shares if generated else {}
    return Lexicon(taught.version, taught.taught, shares)


def _lexicon_of(batch: EventBatch) -> Lexicon:
    return Lexicon.from_dict(batch.parameters.get("vocabulary", {}))


def _is_as_now(batch: EventBatch, feature_set: str, lexicon: Lexicon) -> bool:
    """Whether all that is stored of a generated batch is what would be computed now."""
    return _has_features(batch, feature_set, lexicon) and _has_ceiling(batch, feature_set)


def _has_features(batch: EventBatch, feature_set: str, lexicon: Lexicon) -> bool:
    then = _lexicon_of(batch)
    stored = (batch.feature_set, batch.feature_revision, then.taught, then.shares)
    return stored == (feature_set, revision_of(feature_set), lexicon.taught, lexicon.shares)


def _has_ceiling(batch: EventBatch, feature_set: str) -> bool:
    revision = batch.parameters.get("ceiling_revision", 1)
    return bool(ceiling_set(batch.feature_set, revision) == feature_set)


def _leave_erased_out(frame: pd.DataFrame, batch: EventBatch) -> tuple[pd.DataFrame, int]:
    """Leave out the rows of people who were erased: what they were made of is gone."""
    if not batch.erased_people:
        return frame, 0
    # A group's number is below zero as a partner, without that anybody was erased.
    is_group = (frame["match_type"] == MatchType.USER_GROUP).to_numpy()
    asked, partner = (
        pd.to_numeric(frame[name]).fillna(0).to_numpy(np.int64)
        for name in ("user_id", "partner_id")
    )
    is_erased = (asked < 0) | ((partner < 0) & ~is_group)
    keep = ~(is_erased & (frame["batch_id"].to_numpy() == batch.pk))
    return frame[keep].reset_index(drop=True), int((~keep).sum())


def _compute_anew(
    frame: pd.DataFrame, batch: EventBatch, feature_set: str, lexicon: Lexicon
) -> None:
    """Replace the features of a generated batch, and their ceiling, by those of a set as it is now.

    They come from the batch's own population: who the people were then, by the formulas and the
    vocabulary of today. What was computed by these already stays.
    """
    has_features = _has_features(batch, feature_set, lexicon)
    has_ceiling = _has_ceiling(batch, feature_set)
    rows = np.flatnonzero(frame["batch_id"].to_numpy() == batch.pk)
    partner = frame["partner_id"].to_numpy()[rows]
    events = pd.DataFrame(
        {
            "match_type": frame["match_type"].to_numpy()[rows],
            "user_id": frame["user_id"].to_numpy()[rows],
            "target_id": partner,
            "group_id": -partner - 1,
        }
    )
    population = require_population(batch).as_stored_now(batch.feature_revision)
    anew = {}
    if not has_features:
        block = recompute_features(events, population, feature_set, lexicon)
        values = np.where(block.missing, np.float32(np.nan), block.values)
        anew = dict(zip(FEATURE_NAMES, values.T, strict=True))
    if not has_ceiling:
        anew["feature_probability"] = recompute_ceiling(
            events, population, feature_set, batch.parameters["preset"], lexicon
        )
    for name, found in anew.items():
        column = frame[name].to_numpy(copy=True)
        column[rows] = found
        frame[name] = column


def _write_defaults(
    frame: pd.DataFrame, batches: Sequence[EventBatch], feature_set: str
) -> dict[str, npt.NDArray[np.bool_]] | None:
    """Write the tiered default where an input was missing, and return where that was.

    Products are left open: they are those of the scores that then stand there, as in serving.
    """
    computed = [int(batch.pk) for batch in batches if _is_computed(batch)]
    ours = _made_here(frame, batches) | frame["batch_id"].isin(computed).to_numpy(dtype=np.bool_)
    if feature_set != FeatureSet.TIERED or not ours.any():
        return None
    is_pair = (frame["match_type"] == "user_user").to_numpy()
    defaulted = {}
    for name in FEATURE_NAMES:
        values = frame[name].to_numpy()
        missing = ours & np.isnan(values)
        if name in GROUP_ONLY:
            missing &= ~is_pair
        logged = ~ours & (values == TIERED_DEFAULT) & (name not in TIERED_HALVES)
        if missing.any() and name not in PRODUCTS:
            frame[name] = np.where(missing, np.float32(TIERED_DEFAULT), values)
        defaulted[name] = missing | logged
    return defaulted


def _name_present_people(frame: pd.DataFrame) -> None:
    """Give people who were merged the number of who they are now, so that each counts once.

    Drawn events keep the number of then, of which their features were computed before this.
    """
    merged = merged_numbers()
    for name in GROUPS["pair"]:
        if merged and name in frame:
            column = frame[name]
            known = column.notna().to_numpy()
            numbers = column.fillna(0).to_numpy(np.int64)
            present = np.where(known, as_present(numbers, merged), numbers)
            if (present != numbers).any():
                frame[name] = pd.Series(present, frame.index, column.dtype).where(known)


def _leave_pairs_of_one_out(frame: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Leave out rows in which somebody is matched with themselves: two of one name once, or two
    who were merged."""
    if not all(name in frame for name in GROUPS["pair"]):
        return frame, 0
    asked, partner = (frame[name] for name in GROUPS["pair"])
    is_pair = (frame["match_type"] == MatchType.USER_USER).to_numpy()
    is_one = is_pair & (asked == partner).fillna(value=False).to_numpy(np.bool_)
    if not is_one.any():
        return frame, 0
    return frame[~is_one].reset_index(drop=True), int(is_one.sum())


def _leave_strangers_out(
    frame: pd.DataFrame, batches: Sequence[EventBatch]
) -> tuple[pd.DataFrame, int]:
    """Keep of logs without features the rows whose people are known; the others have no input."""
    computed = [int(batch.pk) for batch in batches if _is_computed(batch)]
    if not computed:
        return frame, 0
    asked, partner = (
        pd.to_numeric(frame[name]).fillna(fill).to_numpy(np.int64)
        if name in frame
        else np.full(len(frame), fill)
        for name, fill in (("user_id", -1), ("partner_id", 0))
    )
    # A group's number is below zero as a partner; a stranger's below zero as it is.
    is_group = (frame["match_type"] == MatchType.USER_GROUP).to_numpy()
    is_known = (asked > 0) & np.where(is_group, partner < 0, partner > 0)
    # Without a target or a group there is a zero.
    keep = is_known | ~frame["batch_id"].isin(computed).to_numpy()
    return frame[keep].reset_index(drop=True), int((~keep).sum())


def _is_computed(batch: EventBatch) -> bool:
    return bool(batch.parameters.get("features") == COMPUTED)


def choose_outcomes(frame: pd.DataFrame, which: str) -> pd.DataFrame:
    """Keep of each pair's rows those that a recipe asks for, in their order.

    Parameters
    ----------
    frame : n rows in the order of their ids, with occurred_at, label and the features; user_id and
        partner_id where rows have them.
    which : each (or empty) keeps all; last keeps the latest row of each pair; best the latest
        whose label is 1, or the latest where none is. A pair is who decided about whom; rows that
        do not name both are told apart by what they name and by their vector. A synthetic answer
        takes the place of no real one.
    """
    if which in ("", "each"):
        return frame
    named = [frame[name] for name in GROUPS["pair"] if name in frame]
    keys = hash_rows([*named, *(frame[name] for name in FEATURE_NAMES)])
    if len(named) == len(GROUPS["pair"]):
        known = np.logical_and.reduce([column.notna().to_numpy() for column in named])
        keys = np.where(known, hash_rows(named), keys)
    if ORIGIN_COLUMN in frame:
        keys = hash_rows([pd.Series(keys), frame[ORIGIN_COLUMN].reset_index(drop=True)])
    # Of equal moments the row that was read last counts, as it is the newer one.
    order = [frame["occurred_at"].to_numpy()]
    if which == "best":
        order.append(frame["label"].to_numpy())
    latest = pd.Series(keys).iloc[np.lexsort(order)].drop_duplicates(keep="last").index
    return frame.iloc[np.sort(latest.to_numpy())].reset_index(drop=True)


def _made_here(frame: pd.DataFrame, batches: Sequence[EventBatch]) -> npt.NDArray[np.bool_]:
    generated = [int(b.pk) for b in batches if b.method == EventBatch.Method.GENERATED]
    return frame["batch_id"].isin(generated).to_numpy(dtype=np.bool_)


def _origin_of(batches: Sequence[EventBatch]) -> Origin:
    return Origin.of(Origin.of_code(batch.origin) for batch in batches)


def _lineage(batch: EventBatch) -> dict[str, Any]:
    return {
        "model": "matching.eventbatch",
        "id": batch.pk,
        "uid": str(batch.uid),
        "title": str(batch),
        "method": batch.method,
        "origin": batch.get_origin_display(),
        "feature_set": batch.feature_set,
        "feature_revision": batch.feature_revision,
        "is_as_logged": batch.method != EventBatch.Method.GENERATED and not _is_computed(batch),
        **_people_of_then(batch),
        "events": batch.made,
        "corrections": batch.corrections,
        "merged_events": batch.merged_events,
        "seed": batch.seed,
        "file_sha256": batch.file_sha256,
        "population_sha256": batch.population_sha256,
    }


def _people_of_then(batch: EventBatch) -> dict[str, Any]:
    """Say of a log without features from whose profiles they were computed."""
    if not _is_computed(batch):
        return {}
    return {
        "features_of_profiles_of": timezone.localdate(batch.created_at).isoformat(),
        "people_known": batch.parameters["people_known"],
    }


def baselines(rows: pd.DataFrame) -> dict[str, npt.NDArray[np.float64]]:
    """Score rows by `rule-1`."""
    values = rows.reindex(columns=list(FEATURE_NAMES)).to_numpy(dtype=np.float64)
    scores = rule_score(values, _match_types(rows))
    return {"rule_score": np.asarray(scores, dtype=np.float64)}


def rule_weights(train: pd.DataFrame) -> dict[str, float]:
    """Return the weights of `rule-1` over these rows, by input."""
    return linear_weights(_match_types(train))


def _match_types(rows: pd.DataFrame) -> npt.NDArray[Any]:
    if "match_type" not in rows:
        return np.full(len(rows), "user_user")
    return rows["match_type"].astype(str).to_numpy()
