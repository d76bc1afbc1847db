"""What production sees of one person now: attributes, trip, and features against all who are
live."""

from datetime import datetime, timedelta
from typing import Any, Final, TypedDict

import numpy as np
import pandas as pd
from django.db.models import Count, Max

from matching.domain.features.names import FEATURE_NAMES, features_of
from matching.domain.features.told import TITLES
from matching.domain.trips import HardGate
from matching.domain.words import MatchType
from matching.models import PROFILE_FIELDS
from matching.queries.identity import all_names, present_name
from matching.queries.travellers import SESSION_COLUMNS, load_named, load_travellers
from project.measure.intervals import json_number
from project.refusal import Refusal
from serving.domain.inputs import names_of
from serving.domain.spread import spread_of
from serving.models import ScoredPair
from training.queries.scoring import score_frame

MOST_LIVE: Final = 20_000  # live ones that are scored; of more so many, by lot
LOGGED: Final = timedelta(days=1)

Told = str | int | float | list[str]  # an attribute of a person or a trip, as it is shown


class FeatureFields(TypedDict):
    """A feature against all who are live: how often it is missing, and how it varies where not."""

    name: str
    title: str
    missing_share: float | None
    lowest: float | None
    median: float | None
    highest: float | None


class Logged(TypedDict):
    """What the score log has of a person in the last day: pairs, and shares of missing inputs."""

    logged: int
    last_logged_at: datetime | None
    logged_missing: dict[str, float]


class Seen(Logged):
    """What production sees of a person; `gates` counts the live ones by why they are none."""

    user: str
    attributes: dict[str, Told]
    no_attributes: list[str]
    trip: dict[str, Told]
    no_trip: list[str]
    warning: str
    served_by: str
    model_version: int | None
    live: int
    scored: int
    candidates: int
    gates: dict[str, int]
    features: list[FeatureFields]
    different: int
    wanted: int
    varies: bool
    lowest: float | None
    highest: float | None
    most_common: float | None
    most_common_share: float


def see_person(user: str, *, at: datetime) -> Seen:
    """Return what a score of this person would be computed from now, and was in the last day.

    Raises
    ------
    Refusal
        For an id of nobody, and of a group: a group is what its members are.
    """
    user = present_name(user)
    try:
        users, _ = load_named([user])
    except LookupError as error:
        raise Refusal(
            str(error), remedy="Give the external id as the list of people has it."
        ) from error
    if user not in users.index:
        raise Refusal(f"{user} is a group.", remedy="Name one of its members.")
    mine = users.loc[[user]].reset_index(drop=True)
    live = load_travellers(MatchType.USER_USER).users
    others = live[live["external_id"] != user]
    if len(others) > MOST_LIVE:
        others = others.sample(MOST_LIVE, random_state=0)
    scores = score_frame(
        mine.loc[np.zeros(len(others), np.int64)].reset_index(drop=True),
        others.reset_index(drop=True),
    )
    spread = spread_of(scores.score.tolist())
    attributes, no_attributes = _told(mine.iloc[0], PROFILE_FIELDS)
    trip, no_trip = _told(mine.iloc[0], SESSION_COLUMNS)
    gates = [] if scores.gates is None else scores.gates.tolist()
    reasons = [HardGate(gate).words for gate in gates if gate != HardGate.OPEN]
    return {
        "user": user,
        "attributes": attributes,
        "no_attributes": no_attributes,
        "trip": trip,
        "no_trip": no_trip,
        "warning": scores.serving.warning,
        "served_by": scores.serving.served_by,
        "model_version": scores.serving.model_version,
        "live": int((live["external_id"] != user).sum()),
        "scored": spread.scored,
        "candidates": len(gates) - len(reasons),
        "gates": {why: reasons.count(why) for why in sorted(set(reasons))},
        "features": _features(np.asarray(scores.features, dtype=np.float64), scores.missing),
        "different": spread.different,
        "wanted": spread.wanted,
        "varies": spread.is_enough,
        "lowest": spread.lowest,
        "highest": spread.highest,
        "most_common": spread.most_common,
        "most_common_share": spread.most_common_share,
        **_logged(user, at),
    }


def _told(row: "pd.Series[Any]", names: tuple[str, ...]) -> tuple[dict[str, Told], list[str]]:
    """Return what is there by name, and the names of what is not."""
    told: dict[str, Told] = {}
    for name in names:
        value: Any = row.get(name)
        if isinstance(value, list | tuple | np.ndarray):
            if len(value):
                told[name] = [str(one) for one in value]
        elif not pd.isna(value) and value != "":
            is_day = isinstance(value, pd.Timestamp)
            plain = value.item() if isinstance(value, np.generic) else value
            told[name] = value.date().isoformat() if is_day else plain
    return told, [name for name in names if name not in told]


def _features(values: Any, missing: tuple[tuple[str, ...], ...]) -> list[FeatureFields]:
    told: list[FeatureFields] = []
    for name in features_of(MatchType.USER_USER):
        column = values[:, FEATURE_NAMES.index(name)]
        lacking = np.array([name in names for names in missing], np.bool_)
        known = column[~lacking & np.isfinite(column)]
        ends = np.quantile(known, [0.0, 0.5, 1.0]).tolist() if len(known) else [None] * 3
        told.append(
            {
                "name": name,
                "title": TITLES[name],
                "missing_share": float(lacking.mean()) if len(lacking) else None,
                "lowest": json_number(ends[0]),
                "median": json_number(ends[1]),
                "highest": json_number(ends[2]),
            }
        )
    return told


def _logged(user: str, at: datetime) -> Logged:
    """What the score log has of the last day: how many pairs, and which inputs these lacked."""
    names = all_names([user]).get(user, {user})
    rows = ScoredPair.objects.filter(left_id__in=names, at__gt=at - LOGGED, at__lte=at)
    found = rows.aggregate(count=Count("pk"), last=Max("at"))
    counts: dict[str, int] = {}
    for mask, count in rows.order_by().values_list("missing").annotate(count=Count("pk")):
        for name in names_of(mask):
            counts[name] = counts.get(name, 0) + count
    return {
        "logged": found["count"],
        "last_logged_at": found["last"],
        "logged_missing": {name: count / found["count"] for name, count in counts.items()},
    }
