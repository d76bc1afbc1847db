"""Splitting rows into training and validation so that the one says nothing about the other."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

import numpy as np
import numpy.typing as npt
import pandas as pd

from project import words
from project.measure.hashing import hash_rows, hash_sets
from training.domain.limits import MINIMUM_ROWS

BoolArray = npt.NDArray[np.bool_]
SplitRule = Literal["time", "group", "user", "pair", "random", "origin"]
SPLIT_RULES: tuple[SplitRule, ...] = ("time", "group", "user", "pair", "random", "origin")
DEFAULT_TRAIN_SHARE = 0.8


class SplitError(ValueError):
    """The rows cannot be split by this rule; the remedy says what to do instead."""

    def __init__(self, message: str, *, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


class SplitFields(TypedDict):
    """A `Split` as JSON."""

    train_rows: int
    validation_rows: int
    dropped: dict[str, int]


@dataclass(frozen=True)
class Split:
    """Where each row goes.

    Attributes
    ----------
    train, validation : boolean arrays of shape (n_rows,), never both True.
    dropped : number of rows in neither, by reason (`copy`, `partner`).
    """

    train: BoolArray
    validation: BoolArray
    dropped: dict[str, int]

    @property
    def kept(self) -> BoolArray:
        """Rows that stand in train or validation."""
        return self.train | self.validation

    def as_dict(self) -> SplitFields:
        return {
            "train_rows": int(self.train.sum()),
            "validation_rows": int(self.validation.sum()),
            "dropped": self.dropped,
        }


def split_rows(
    frame: pd.DataFrame,
    how: SplitRule,
    *,
    seed: int,
    train_share: float = DEFAULT_TRAIN_SHARE,
    time_column: str = "occurred_at",
    group_columns: Sequence[str] = (),
    partner_column: str | None = None,
    copy_columns: Sequence[str] = (),
) -> Split:
    """Choose training and validation rows.

    Rules
    -----
    time : the latest rows are validation; equal timestamps stay together.
    group, pair : every group (the unordered set of `group_columns`) stands on one side; with the
        two member columns of a pair, (A, B) and (B, A) are one group.
    user : a share of the users of `group_columns[0]`, whose decision the label is, is held out.
        Training never sees them in either role: rows in which a held-out user is the partner of
        a known one are dropped. Their own partners may be known from training, as they are when
        a new user arrives in production; in a dense graph of pairs, demanding strangers on both
        sides would leave the square of the held-out share.
    random : rows, or groups of identical rows, by lot.
    origin : see `split_mixture`.
    In every rule, a validation row whose `copy_columns` equal those of a training row is dropped:
    moving it to training would break the rule, keeping it would test on what was learnt.

    Parameters
    ----------
    frame : DataFrame of n_rows.
    how : one of `SPLIT_RULES`.
    seed : chooses the groups or rows; the same seed and rows give the same split, and for groups
        so does any order of the rows. Not used by `time`.
    train_share : wanted share of the rows in training, in (0, 1). Groups and ties make it
        approximate.
    time_column : timestamps or numbers, none missing.
    group_columns, partner_column : identifiers; see the rules.
    copy_columns : columns whose equality makes two rows copies; empty for no such care.

    Returns
    -------
    Split

    Raises
    ------
    SplitError
        If a column is absent, a timestamp is missing, the share is not in (0, 1), or the rule
        cannot make two parts (one timestamp, one group, fewer than two rows).
    """
    _check_arguments(frame, how, train_share, time_column, group_columns, partner_column)
    dropped: dict[str, int] = {}
    if how == "origin":
        return split_mixture(frame, np.ones(len(frame), dtype=np.bool_), how)
    if how == "time":
        train = _split_by_time(frame[time_column], train_share)
    elif how == "random":
        keys = (
            hash_rows([frame[name] for name in copy_columns])
            if copy_columns
            else np.arange(len(frame), dtype=np.uint64)
        )
        train = _split_by_lot(_group_codes(keys), train_share, seed, "different row")
    elif how == "user":
        users = frame[group_columns[0]]
        codes, uniques = pd.factorize(users, sort=True)
        train = _split_by_lot(codes, train_share, seed, "user")
        if partner_column is not None:
            held_out = uniques[np.unique(codes[~train])]
            is_partner = train & frame[partner_column].isin(held_out).to_numpy(dtype=np.bool_)
            dropped["partner"] = int(is_partner.sum())
            return _without_copies(frame, train & ~is_partner, ~train, copy_columns, dropped)
    else:
        train = _split_by_lot(_sorted_codes(frame, group_columns), train_share, seed, how)
    return _without_copies(frame, train, ~train, copy_columns, dropped)


def split_mixture(
    frame: pd.DataFrame,
    is_real: BoolArray,
    how: SplitRule,
    *,
    group_columns: Sequence[str] = (),
    partner_column: str | None = None,
    copy_columns: Sequence[str] = (),
    **options: Any,
) -> Split:
    """Hold out real rows alone; synthetic ones are training rows.

    The rule is asked of the real rows. Synthetic rows that name what the rule holds out (a user in
    either role, a pair, a group), or copy a row of validation, stand in neither part: what is known
    of a held-out person from a generator is known.

    Parameters
    ----------
    frame, how, and the options : as for `split_rows`; `origin` trains on the synthetic rows alone
        and validates on every real one.
    is_real : boolean array of shape (n_rows,), with rows of both sorts.

    Raises
    ------
    SplitError
        As `split_rows`; and for `origin` where all rows are of one origin.
    """
    dropped: dict[str, int] = {}
    train, validation = ~is_real, is_real.copy()
    if how != "origin":
        own = split_rows(
            frame[is_real],
            how,
            group_columns=group_columns,
            partner_column=partner_column,
            copy_columns=copy_columns,
            **options,
        )
        dropped |= own.dropped
        train, validation = ~is_real, np.zeros(len(frame), dtype=np.bool_)
        train[is_real], validation[is_real] = own.train, own.validation
    elif not is_real.any() or is_real.all():
        raise SplitError(
            "A split by origin trains on synthetic rows and validates on real ones; all of these "
            f"{words.tally(len(frame), 'row')} {words.bend(len(frame), 'is', 'are')} of one "
            "origin.",
            remedy="Choose another --split, or add rows of the other.",
        )
    if how in ("user", "group", "pair"):
        named = _names_held_out(
            frame, validation, group_columns, partner_column if how == "user" else None
        )
        dropped["partner"] = dropped.get("partner", 0) + int((named & train & ~is_real).sum())
        train &= is_real | ~named
    if copy_columns:
        hashes = hash_rows([frame[name] for name in copy_columns])
        is_copy = ~is_real & train & np.isin(hashes, hashes[validation])
        dropped["copy"] = dropped.get("copy", 0) + int(is_copy.sum())
        train &= ~is_copy
    return Split(train=train, validation=validation, dropped=dropped)


def _names_held_out(
    frame: pd.DataFrame,
    validation: BoolArray,
    group_columns: Sequence[str],
    partner_column: str | None,
) -> BoolArray:
    """Rows that name a group of validation; with a partner column, a user in either role."""
    if partner_column is not None:
        held_out = frame.loc[validation, group_columns[0]].dropna().unique()
        found = [frame[name].isin(held_out) for name in (group_columns[0], partner_column)]
        return np.asarray(found[0] | found[1], dtype=np.bool_)
    codes = _sorted_codes(frame, group_columns)
    return np.asarray(np.isin(codes, codes[validation]), dtype=np.bool_)


def _check_arguments(
    frame: pd.DataFrame,
    how: str,
    train_share: float,
    time_column: str,
    group_columns: Sequence[str],
    partner_column: str | None,
) -> None:
    if how not in SPLIT_RULES:
        raise SplitError(
            f"Expected a split by one of {', '.join(SPLIT_RULES)}, got {how!r}.",
            remedy="Change --split.",
        )
    if not 0 < train_share < 1:
        raise SplitError(
            f"Expected a training share between 0 and 1, got {train_share}.",
            remedy="Change --train-share.",
        )
    if len(frame) < MINIMUM_ROWS:
        raise SplitError(
            f"Expected at least {MINIMUM_ROWS} rows to split, got {len(frame)}.",
            remedy="Import or generate more events or feedback, or name further batches with "
            "--batch.",
        )
    if how in ("group", "user", "pair") and not group_columns:
        raise SplitError(
            f"A split by {how} needs the columns that identify it.", remedy="Name them."
        )
    needed = [time_column] if how == "time" else []
    if how in ("group", "user", "pair"):
        needed += [*group_columns, *([partner_column] if partner_column else [])]
    for name in needed:
        if name not in frame.columns:
            raise SplitError(
                f"A split by {how} needs the column {name!r}, which these rows do not have.",
                remedy="Choose another --split.",
            )
        n_missing = int(frame[name].isna().sum())
        if n_missing and name != partner_column:
            raise SplitError(
                f"A split by {how} needs {name!r} in every row, {n_missing} of {len(frame)} have "
                "none.",
                remedy="Choose another --split, or leave these rows out.",
            )


def _split_by_time(times: pd.Series, train_share: float) -> BoolArray:
    if isinstance(times.dtype, pd.DatetimeTZDtype):
        # With its time zone each timestamp would become a Python object.
        times = times.dt.tz_convert(None)
    values = times.to_numpy()
    n_rows = len(values)
    wanted = train_share * n_rows
    place = min(max(round(wanted), 1), n_rows - 1)
    cut = np.partition(values, place)[place]
    # Rows of the cut's own timestamp go to the side that brings the share nearer to what was asked.
    before = int((values < cut).sum())
    through = int((values <= cut).sum())
    if before == 0 and through == n_rows:
        raise SplitError(
            f"All {words.tally(n_rows, 'row')} {words.bend(n_rows, 'has', 'have')} the "
            f"timestamp {cut}.",
            remedy="Choose another --split: by user, pair or random.",
        )
    takes_cut = before == 0 or (through < n_rows and abs(through - wanted) < abs(before - wanted))
    return np.asarray(values <= cut if takes_cut else values < cut, dtype=np.bool_)


def _group_codes(hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    codes, _ = pd.factorize(hashes, sort=True)
    return np.asarray(codes, dtype=np.int64)


def _sorted_codes(frame: pd.DataFrame, columns: Sequence[str]) -> npt.NDArray[np.int64]:
    """Codes of groups that depend on the identifiers alone, not on the order of the rows."""
    stacked = pd.concat([frame[name] for name in columns], ignore_index=True)
    codes, _ = pd.factorize(stacked, sort=True)
    members = np.asarray(codes, dtype=np.int64).reshape(len(columns), len(frame))
    if len(columns) == 1:
        return np.asarray(members[0])
    return _group_codes(hash_sets(list(members)))


def _split_by_lot(codes: npt.NDArray[Any], train_share: float, seed: int, noun: str) -> BoolArray:
    """Draw whole groups for validation until it holds its share of the rows."""
    sizes = np.bincount(codes)
    if len(sizes) < 2:
        raise SplitError(f"There is only one {noun} to split by.", remedy="Choose another --split.")
    order = np.random.default_rng(seed).permutation(len(sizes))
    taken = np.cumsum(sizes[order])
    wanted = (1 - train_share) * len(codes)
    # The group that crosses the line is taken when that ends nearer to the wanted share.
    count = int(np.searchsorted(taken, wanted))
    before = taken[count - 1] if count else 0
    if count < len(taken) and abs(taken[count] - wanted) <= abs(before - wanted):
        count += 1
    count = min(max(count, 1), len(sizes) - 1)
    is_validation = np.zeros(len(sizes), dtype=np.bool_)
    is_validation[order[:count]] = True
    return np.asarray(~is_validation[codes], dtype=np.bool_)


def _without_copies(
    frame: pd.DataFrame,
    train: BoolArray,
    validation: BoolArray,
    copy_columns: Sequence[str],
    dropped: dict[str, int],
) -> Split:
    if copy_columns:
        hashes = hash_rows([frame[name] for name in copy_columns])
        is_copy = pd.Series(hashes[validation]).isin(hashes[train]).to_numpy(dtype=np.bool_)
        dropped["copy"] = int(is_copy.sum())
        validation = validation.copy()
        validation[validation] = ~is_copy
    return Split(train=train, validation=validation, dropped=dropped)
