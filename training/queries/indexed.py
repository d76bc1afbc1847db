"""Scoring by the directory of everybody: the answers of `pairs`, without a query or a frame."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from matching.domain.directory import NOBODY, Directory, Side, hash_names
from matching.domain.travellers import PairSide
from matching.domain.words import MatchType
from project import clock
from project.refusal import Refusal
from training.queries.pairs import (
    EachScored,
    Pair,
    Ranking,
    group_first,
    matched_with_itself,
    put_together,
    rank_partners,
    score_each,
)
from training.queries.scoring import Serving, best_alone, score_travellers, score_vectors

IntArray = npt.NDArray[np.int64]

CHUNK: Final = 65_536  # candidates ranked at a time


@dataclass(frozen=True)
class Standing:
    """What answers now, without asking anybody.

    serving : the live model, or why the rules answer.
    directory : everybody, as of a moment ago; None where nobody keeps one.
    note : what there is to say beside the warning of what serves; mostly empty.
    """

    serving: Serving
    directory: Directory | None
    note: str = ""


def score_each_now(pairs: Sequence[Pair], standing: Standing) -> EachScored:
    """Score pairs as `score_each` does.

    Whom the directory does not know is looked up: it may have come this very second.
    """
    directory = standing.directory
    if directory is None:
        return score_each(pairs, standing.serving)
    names = list(dict.fromkeys(name for pair in pairs for name in pair))
    hashes = hash_names(names)
    users = directory.users.find(names, hashes).tolist()
    groups = directory.groups.find(names, hashes).tolist()
    if any(user == group == NOBODY for user, group in zip(users, groups, strict=True)):
        return score_each(pairs, standing.serving)
    # The row of each: of a group among groups, of anybody else among users.
    row_of = {
        name: (group != NOBODY, user if group == NOBODY else group)
        for name, user, group in zip(names, users, groups, strict=True)
    }
    refusals: dict[int, Refusal] = {}
    asked: dict[bool, list[tuple[int, int, int]]] = {False: [], True: []}
    for place, (name, other) in enumerate(pairs):
        (is_group, left), (to_group, right) = row_of[name], row_of[other]
        if is_group:
            refusals[place] = group_first(name)
        elif not to_group and left == right:  # one person may be asked for by two names
            refusals[place] = matched_with_itself(name)
        else:
            asked[to_group].append((place, left, right))
    parts = []
    for match_type, others, chosen in (
        (MatchType.USER_USER, directory.users, asked[False]),
        (MatchType.USER_GROUP, directory.groups, asked[True]),
    ):
        if chosen:
            places, left_rows, right_rows = np.array(chosen, np.int64).T
            a, b = directory.users.take(left_rows), others.take(right_rows)
            parts.append((places, score_travellers(a, b, standing.serving, match_type)))
    if not parts:
        return EachScored(score_vectors([], serving=standing.serving), refusals)
    return EachScored(parts[0][1] if len(parts) == 1 else put_together(parts), refusals)


def rank_now(left: str, match_type: str, count: int, standing: Standing) -> Ranking:
    """Rank as `rank_partners` does, which answers for whom the directory does not know.

    Raises
    ------
    Refusal
        When there is no such user.
    """
    directory = standing.directory
    if directory is None:
        return rank_partners(left, match_type, count, serving=standing.serving)
    hashes = hash_names([left])
    if directory.groups.find([left], hashes)[0] != NOBODY:
        raise group_first(left)
    own = int(directory.users.find([left], hashes)[0])
    if own == NOBODY:
        return rank_partners(left, match_type, count, serving=standing.serving)
    others = directory.users if match_type == MatchType.USER_USER else directory.groups
    mine = directory.users.take(np.array([own]))
    rows = _candidates(directory, others, own, mine)
    best = _best(mine, others, rows, standing.serving, match_type, count)
    names = [others.name_of(row) for row in best.tolist()]
    a = directory.users.take(np.repeat(own, len(best)))
    scores = score_travellers(a, others.take(best), standing.serving, match_type)
    # Equal scores stand in the order of names, whichever roll they come from.
    order = np.array(
        sorted(range(len(names)), key=lambda place: (-scores.score[place], names[place])), np.int64
    )[:count]
    return Ranking(tuple(names[place] for place in order), scores.take(order), len(rows))


def _candidates(directory: Directory, others: Side, own: int, mine: PairSide) -> IntArray:
    """Rows of those who are live and pass the hard gates of somebody."""
    now, place = clock.now().timestamp(), mine.destination[0]
    is_live = directory.users.expires_at(np.array([own]))[0] > now
    if not is_live or np.isnan(place[0]):
        return np.empty(0, np.int64)
    rows = others.near(place, float(mine.start_day[0]), float(mine.end_day[0]))
    is_offered: npt.NDArray[np.bool_] = others.expires_at(rows) > now
    if others is directory.users:
        is_offered &= rows != own
    else:
        is_offered &= ~np.isin(rows, others.groups_of(directory.users.name_of(own)))
    return rows[is_offered]


def _best(
    mine: PairSide, others: Side, rows: IntArray, serving: Serving, match_type: str, count: int
) -> IntArray:
    """Those of the rows that score best: `count` of them, and whoever is as good as the last."""
    if len(rows) <= count:
        return rows
    chunks = (others.take(rows[start : start + CHUNK]) for start in range(0, len(rows), CHUNK))
    best: IntArray = rows[best_alone(mine, chunks, serving, match_type, count)]
    return best
