"""How rare an interest is that our own vocabulary does not have."""

from collections.abc import Mapping
from typing import Final

from matching.domain.words import INTEREST_SHARES, UNKNOWN_INTEREST_SHARE

# People whose answers the assumed share is worth: a few profiles say little of how rare a word is.
ASSUMED_PEOPLE: Final = 100
DIGITS: Final = 4


def measured_shares(carriers: Mapping[str, int], people: int) -> dict[str, float]:
    """Share of people who have an interest, for those that are not as rare as assumed.

    Parameters
    ----------
    carriers : interest -> how many people have it
    people : how many people have any

    Returns
    -------
    Interests outside our own whose share is above UNKNOWN_INTEREST_SHARE, in (0, 1): the mean of
    what was counted, and of the assumed share as if ASSUMED_PEOPLE more had been asked. All others
    keep the assumed share, so that words of one person do not rule a similarity.
    """
    shares = {
        word: round(
            (count + ASSUMED_PEOPLE * UNKNOWN_INTEREST_SHARE) / (people + ASSUMED_PEOPLE), DIGITS
        )
        for word, count in sorted(carriers.items())
        if word and word not in INTEREST_SHARES
    }
    return {word: share for word, share in shares.items() if share > UNKNOWN_INTEREST_SHARE}
