"""Who changed since, and everybody there is: what the directory is made of."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from django.db import connection

from matching.domain.lexicon.folding import Lexicon
from matching.domain.travellers import Vocabulary
from matching.models import PersonAlias, SeedUser, TravelGroup, TravelSession
from matching.queries.travellers import load_known

CHUNK: Final = 10_000  # travellers read at a time
# In a note of changes: whose rows changed is not said, for they were erased.
SOMEBODY: Final = ""


@dataclass(frozen=True)
class Changes:
    """What became visible since a snapshot.

    snapshot : of the database, from which to go on
    names : external ids of travellers whose features may be others now; None where there are more
        than were asked for, or somebody was erased
    """

    snapshot: str
    names: set[str] | None


@dataclass(frozen=True)
class KnownFrame:
    """Users or groups with what a directory keeps beside their features.

    frame : travellers frame, one row each
    can_be_offered : bool (n,); a complete profile, or a member with one
    expires_at : float64 (n,), seconds since 1970 at which the live trip runs out; NaN without one
    former : former names of users to present ones; none of groups
    """

    frame: pd.DataFrame
    can_be_offered: npt.NDArray[np.bool_]
    expires_at: npt.NDArray[np.float64]
    former: Mapping[str, str]


def snapshot_now() -> str:
    """Return what is visible in the database now, as PostgreSQL writes it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_snapshot()::text")
        (snapshot,) = cursor.fetchone()
    return str(snapshot)


def changes_since(snapshot: str, most: int) -> Changes:
    """Return whose rows changed in transactions that a snapshot does not see.

    Transactions end in another order than they begin, so a number of the last row seen would pass
    over some; a snapshot passes over none.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_current_snapshot()::text, array(SELECT external_id FROM matching_change "
            "WHERE xid >= pg_snapshot_xmin(%(then)s::pg_snapshot) "
            "AND (NOT pg_visible_in_snapshot(xid, %(then)s::pg_snapshot) "
            # What this transaction itself writes is in none of its snapshots.
            "OR xid = pg_current_xact_id_if_assigned()) LIMIT %(most)s)",
            {"then": snapshot, "most": most + 1},
        )
        now, names = cursor.fetchone()
    is_known = len(names) <= most and SOMEBODY not in names
    return Changes(str(now), set(names) if is_known else None)


def with_their_groups(names: Iterable[str]) -> set[str]:
    """Return travellers and the groups that they are members of."""
    wanted = set(names)
    groups = TravelGroup.objects.filter(members__external_id__in=wanted)
    return wanted.union(groups.values_list("external_id", flat=True))


def everybody() -> Iterator[list[str]]:
    """Yield the external ids of all users and groups, some at a time."""
    for model in (SeedUser, TravelGroup):
        after = ""
        while True:
            ids = model.objects.filter(external_id__gt=after).order_by("external_id")
            names = list(ids.values_list("external_id", flat=True)[:CHUNK])
            if not names:
                break
            yield names
            after = names[-1]


def vocabulary_of_all(lexicon: Lexicon) -> Vocabulary:
    """Return a vocabulary with every word that any profile or trip uses."""
    columns: dict[str, list[str]] = {}
    with connection.cursor() as cursor:
        for column in ("interests", "languages"):
            cursor.execute(f"SELECT DISTINCT unnest({column}) FROM matching_seeduser")  # noqa: S608
            columns[column] = [word for (word,) in cursor]
        cursor.execute("SELECT DISTINCT unnest(interests) FROM matching_travelsession")
        columns["interests"] += [word for (word,) in cursor]
    for column in ("nationality", "religion", "personality"):
        words = SeedUser.objects.order_by(column).values_list(column, flat=True).distinct()
        columns[column] = list(words)
    return Vocabulary.of(
        pd.DataFrame({column: [words] for column, words in columns.items()}), lexicon=lexicon
    )


@dataclass(frozen=True)
class KnownFrames:
    """Users and groups as a directory takes them in."""

    users: KnownFrame
    groups: KnownFrame


def load_frames(names: Iterable[str]) -> KnownFrames:
    """Read users and groups by external id; ids that are nobody's are left out."""
    wanted = set(names)
    users, groups = load_known(wanted)
    ends = dict(
        TravelSession.objects.live()
        .filter(external_id__in=wanted)
        .values_list("external_id", "expires_at")
    )
    complete = SeedUser.objects.complete()
    offered = set(complete.filter(external_id__in=wanted).values_list("external_id", flat=True))
    met = TravelGroup.objects.filter(external_id__in=list(groups.index), members__in=complete)
    offered_groups = set(met.values_list("external_id", flat=True))

    had = PersonAlias.objects.filter(person__external_id__in=list(users.index)).order_by()
    former = dict(had.values_list("external_id", "person__external_id"))

    def known(frame: pd.DataFrame, offered: set[str], former: Mapping[str, str]) -> KnownFrame:
        return KnownFrame(
            frame,
            np.array([name in offered for name in frame.index], np.bool_),
            np.array(
                [ends[name].timestamp() if name in ends else np.nan for name in frame.index],
                np.float64,
            ),
            former,
        )

    return KnownFrames(known(users, offered, former), known(groups, offered_groups, {}))
