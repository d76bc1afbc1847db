"""Features as the score log keeps them: which are missing in one number, the values in bytes."""

from collections.abc import Iterable
from typing import Final

import numpy as np
import numpy.typing as npt

from matching.domain.features.names import COLUMN, FEATURE_NAMES

# Little-endian, as they are read again on any machine.
STORED: Final = np.dtype("<f4")


def mask_of(missing: Iterable[str]) -> int:
    """Return names of features as bits, the first feature in the lowest."""
    return sum(1 << COLUMN[name] for name in set(missing))


def names_of(mask: int) -> tuple[str, ...]:
    """Return the features whose bits are set, in column order."""
    return tuple(name for place, name in enumerate(FEATURE_NAMES) if mask >> place & 1)


def bits_of(masks: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Return masks as a table.

    Parameters
    ----------
    masks : whole numbers of shape (n_rows,).

    Returns
    -------
    array of shape (n_rows, 13); True where the feature is missing.
    """
    numbers = np.asarray(masks, dtype=np.int64).reshape(-1, 1)
    return (numbers >> np.arange(len(FEATURE_NAMES)) & 1).astype(np.bool_)


def to_bytes(values: npt.ArrayLike) -> bytes:
    """Return the 13 features of one pair as they are kept; NaN where an input is missing."""
    return np.asarray(values, dtype=STORED).tobytes()


def from_bytes(kept: bytes) -> npt.NDArray[np.float32]:
    """Return the 13 features that were kept of a pair, float32 of shape (13,)."""
    return np.frombuffer(kept, dtype=STORED).astype(np.float32)
