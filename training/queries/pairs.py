"""Scoring pairs that are named, or drawn from those who can be matched now."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from matching.domain.pairing import find_candidates, sample_pairs
from matching.domain.travellers import Travellers, Vocabulary
from matching.domain.words import MatchType
from matching.queries.identity import present_name, present_names
from matching.queries.travellers import (
    UnknownTraveller,
    load_known,
    load_named,
    load_travellers,
    names_near,
)
from project.refusal import Refusal
from training.queries.scoring import (
    Explanation,
    Scores,
    Serving,
    explain_frame,
    score_frame,
    score_vectors,
)

Pair = tuple[str, str]


def score_pairs(pairs: Sequence[Pair]) -> Scores:
    """Score users with users or groups, by their external ids, in the order given.

    A former name stands for who had it, here and wherever somebody is named.

    Raises
    ------
    Refusal
        When an id is nobody's, a group comes first, or somebody is matched with themselves.
    """
    pairs = _present(pairs)
    return _score_known(pairs, *_load(pairs))


@dataclass(frozen=True)
class EachScored:
    """Scores of those pairs that can be scored, and why the others cannot.

    Attributes
    ----------
    scores : of the scored ones, in their order.
    refusals : place of a pair among those asked, to why it has no score.
    """

    scores: Scores
    refusals: dict[int, Refusal]


def score_each(pairs: Sequence[Pair], serving: Serving | None = None) -> EachScored:
    """Score pairs as `score_pairs` does, each by itself: one that cannot be scored stops none.

    `serving` is what answers, by default what is live now.
    """
    pairs = _present(pairs)
    users, groups = load_known(one for pair in pairs for one in pair)
    refusals = {
        place: refusal
        for place, pair in enumerate(pairs)
        if (refusal := _why_unscored(pair, users, groups)) is not None
    }
    known = [pair for place, pair in enumerate(pairs) if place not in refusals]
    return EachScored(_score_known(known, users, groups, serving), refusals)


def _score_known(
    pairs: Sequence[Pair],
    users: pd.DataFrame,
    groups: pd.DataFrame,
    serving: Serving | None = None,
) -> Scores:
    is_group = np.array([right in groups.index for _, right in pairs], bool)
    parts: list[tuple[npt.NDArray[np.int64], Scores]] = []
    for match_type, others, mask in (
        (MatchType.USER_USER, users, ~is_group),
        (MatchType.USER_GROUP, groups, is_group),
    ):
        places = np.flatnonzero(mask)
        if len(places):
            chosen = [pairs[place] for place in places.tolist()]
            left = users.loc[[name for name, _ in chosen]].reset_index(drop=True)
            right = others.loc[[name for _, name in chosen]].reset_index(drop=True)
            parts.append((places, score_frame(left, right, match_type, serving)))
    if not parts:
        return score_vectors([], serving=serving)
    return parts[0][1] if len(parts) == 1 else put_together(parts)


def explain_match(left: str, right: str, serving: Serving | None = None) -> Explanation:
    """Explain the score of a user and a user or group.

    Raises
    ------
    Refusal
        When an id is nobody's, a group comes first, or somebody is matched with themselves.
    """
    [(left, right)] = pairs = _present([(left, right)])
    users, groups = _load(pairs)
    is_group = right in groups.index
    a = users.loc[[left]].reset_index(drop=True)
    b = (groups if is_group else users).loc[[right]].reset_index(drop=True)
    match_type = MatchType.USER_GROUP if is_group else MatchType.USER_USER
    return explain_frame(a, b, match_type, serving)


def _present(pairs: Sequence[Pair]) -> list[Pair]:
    """Name everybody by the present name."""
    former = present_names(name for pair in pairs for name in pair)
    return [(former.get(left, left), former.get(right, right)) for left, right in pairs]


def _load(pairs: Sequence[Pair]) -> tuple[pd.DataFrame, pd.DataFrame]:
    users, groups = _named(one for pair in pairs for one in pair)
    for pair in pairs:
        refusal = _why_unscored(pair, users, groups)
        if refusal is not None:
            raise refusal
    return users, groups


def _why_unscored(pair: Pair, users: pd.DataFrame, groups: pd.DataFrame) -> Refusal | None:
    for name in pair:
        if name not in users.index and name not in groups.index:
            return _unknown(UnknownTraveller(name))
    left, right = pair
    if left in groups.index:
        return group_first(left)
    if left == right:
        return matched_with_itself(left)
    return None


def _named(external_ids: Iterable[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    try:
        return load_named(external_ids)
    except UnknownTraveller as error:
        raise _unknown(error) from error


def _unknown(error: UnknownTraveller) -> Refusal:
    return Refusal(
        str(error), remedy="Give external ids as the lists of people and groups have them."
    )


def matched_with_itself(left: str) -> Refusal:
    """Say why a pair of one traveller has no score."""
    return Refusal(f"{left} is matched with itself.", remedy="Name two different travellers.")


def group_first(left: str) -> Refusal:
    """Say why a pair that names a group first has no score."""
    return Refusal(
        f"{left} is a group; the first of a pair is the user who decides.",
        remedy="Name the user first.",
    )


def put_together(parts: Sequence[tuple[npt.NDArray[np.int64], Scores]]) -> Scores:
    """Scores of both match types in the order in which their pairs were asked."""
    order = np.argsort(np.concatenate([places for places, _ in parts]))
    scores = [one for _, one in parts]
    missing = [row for one in scores for row in one.missing]
    return Scores(
        score=np.concatenate([one.score for one in scores])[order],
        rule_score=np.concatenate([one.rule_score for one in scores])[order],
        by_rules=np.concatenate([one.by_rules for one in scores])[order],
        missing=tuple(missing[place] for place in order),
        features=np.concatenate([one.features for one in scores])[order],
        gates=np.concatenate([one.gates for one in scores if one.gates is not None])[order],
        serving=scores[0].serving,
    )


@dataclass(frozen=True)
class Ranking:
    """The best partners of one user among those who are live and pass the hard gates.

    Attributes
    ----------
    names : their external ids, the best first.
    scores : of the same, in that order.
    available : how many there are in all.
    """

    names: tuple[str, ...]
    scores: Scores
    available: int

    def place_of(self, name: str) -> int | None:
        """Where somebody stands, from 1; None for who is no candidate."""
        return self.names.index(name) + 1 if name in self.names else None


def rank_partners(
    left: str,
    match_type: str,
    count: int | None = None,
    near: Sequence[str] | None = None,
    serving: Serving | None = None,
) -> Ranking:
    """Score everybody whom a user could be matched with now, and return the best `count`.

    `near` are those of `names_near`, where they are known already.

    Raises
    ------
    Refusal
        When there is no such user.
    """
    left = present_name(left)
    if near is None:
        near = names_near(left, match_type)
    users, groups = _named([left, *near])
    if left in groups.index:
        raise group_first(left)
    others = (users if match_type == MatchType.USER_USER else groups).reindex(list(near))
    mine = users.loc[np.repeat([left], len(others))].reset_index(drop=True)
    scores = score_frame(mine, others.reset_index(drop=True), match_type, serving)
    best = np.flatnonzero(np.asarray(scores.is_candidate, np.bool_))
    best = best[np.argsort(-scores.score[best], kind="stable")]
    names = others.index.to_numpy()[best[:count]]
    return Ranking(tuple(map(str, names)), scores.take(best[:count]), len(best))


def sample_scores(count: int, *, seed: int = 0) -> tuple[Scores, list[Pair]]:
    """Score up to `count` different candidate pairs of users, drawn by lot."""
    users = load_travellers("user_user").users
    travellers = Travellers.from_frame(users, Vocabulary.of(users))
    candidates = find_candidates(travellers)
    available = candidates.pair_count
    if not available:
        raise Refusal(
            "There is no pair of users who could be matched now.",
            remedy="Run `manage.py seed_users` and `manage.py create_sessions`.",
        )
    pairs = sample_pairs(candidates, min(count, available), seed, 0)
    left = users.iloc[np.asarray(pairs.left)].reset_index(drop=True)
    right = users.iloc[np.asarray(pairs.right)].reset_index(drop=True)
    names = list(zip(left["external_id"], right["external_id"], strict=True))
    return score_frame(left, right), names
