"""What the events of a batch look like: outcomes and histograms that add up chunk by chunk."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypedDict

import numpy as np
import numpy.typing as npt

from matching.domain.features.names import FEATURE_NAMES
from matching.domain.words import Outcome

BINS: Final = 20  # of each histogram, equally wide over [0, 1]; 1 falls into the last
DESTINATIONS_KEPT: Final = 100  # by name, of a batch; those with fewer events are counted together

Summary = dict[str, Any]


def summarise_events(
    outcome: npt.NDArray[np.integer[Any]], features: Iterable[npt.NDArray[np.floating[Any]]]
) -> Summary:
    """Count the outcomes and the values of each feature.

    Parameters
    ----------
    outcome : int array of shape (n,), codes of `words.Outcome`
    features : for each of FEATURE_NAMES a float array of shape (n,) in [0, 1]; NaN missing

    Returns
    -------
    JSON: `outcomes` {word: count}, `features` {name: {counts: BINS numbers, missing: count}}.
    """
    counts = np.bincount(outcome, minlength=1 + max(Outcome.codes().values()))
    columns = {}
    for name, values in zip(FEATURE_NAMES, features, strict=True):
        known = values[~np.isnan(values)]
        bins = np.minimum((known * BINS).astype(np.int64), BINS - 1)
        columns[name] = {
            "counts": np.bincount(bins, minlength=BINS).tolist(),
            "missing": len(values) - len(known),
        }
    return {
        "outcomes": {word: int(counts[code]) for word, code in Outcome.codes().items()},
        "features": columns,
    }


class Destinations(TypedDict):
    """Events by where who was asked was going: those with most, the others, those without."""

    named: dict[str, int]
    others: int
    unknown: int


def count_destinations(events: Mapping[int, int], place_of: Mapping[int, str]) -> Destinations:
    """Count events by destination.

    Parameters
    ----------
    events : user to number of events.
    place_of : user to the name of the destination; absent or empty where there is none.
    """
    counts: Counter[str] = Counter()
    for user, number in events.items():
        counts[place_of.get(user, "")] += number
    unknown = counts.pop("", 0)
    named = dict(sorted(counts.items(), key=lambda one: (-one[1], one[0]))[:DESTINATIONS_KEPT])
    return {"named": named, "others": counts.total() - sum(named.values()), "unknown": unknown}


def add_summaries(summaries: Iterable[Summary]) -> Summary:
    """Add up the summaries of chunks."""
    total = summarise_events(np.empty(0, np.int64), [np.empty(0)] * len(FEATURE_NAMES))
    for summary in summaries:
        if "destinations" in summary:  # of the whole batch, and no change of an event moves anybody
            total["destinations"] = summary["destinations"]
        for word, count in summary["outcomes"].items():
            total["outcomes"][word] += count
        for name, column in summary["features"].items():
            mine = total["features"][name]
            mine["missing"] += column["missing"]
            mine["counts"] = [a + b for a, b in zip(mine["counts"], column["counts"], strict=True)]
    return total


def subtract_summary(summary: Summary, part: Summary) -> Summary:
    """Take away what a part of the events counted for."""
    total = add_summaries([summary])
    for word, count in part["outcomes"].items():
        total["outcomes"][word] -= count
    for name, column in part["features"].items():
        mine = total["features"][name]
        mine["missing"] -= column["missing"]
        mine["counts"] = [a - b for a, b in zip(mine["counts"], column["counts"], strict=True)]
    return total
