"""Words that people rate with, and what they mean from 0 (the worst) to 1 (the best). Ours: no
document gives them; a table of other words is given its meanings by a person."""

from collections.abc import Mapping
from typing import Final


def _meaning(words: Mapping[float, str]) -> dict[str, float]:
    return {word: value for value, listed in words.items() for word in listed.split()}


TWO_WAYS: Final = _meaning(
    {
        1.0: """true yes y t up thumbs_up thumbsup thumb_up upvote like liked positive pos good
            helpful satisfied correct right accept accepted useful happy pass ok +1 :)
            👍 ✓ ✔ 😀 🙂 😊""",
        0.0: """false no n f down thumbs_down thumbsdown thumb_down downvote dislike disliked
            negative neg bad unhelpful not_helpful dissatisfied unsatisfied incorrect wrong reject
            rejected useless unhappy sad fail -1 :( 👎 ✗ ✘ 😞 🙁 😠""",
        0.5: "neutral mixed meh average neither so_so :| 😐",
    }
)
THREE_WAYS: Final = _meaning({0.0: "low", 0.5: "medium", 1.0: "high"})
FIVE_WAYS: Final = _meaning(
    {
        0.0: """terrible awful horrible worst very_bad very_poor very_dissatisfied
            very_unsatisfied strongly_disagree very_unhelpful very_negative very_unlikely""",
        0.25: """bad poor dissatisfied unsatisfied disagree unhelpful negative unlikely
            somewhat_dissatisfied below_average""",
        0.5: """ok okay neutral fair average neither mixed medium acceptable
            neither_agree_nor_disagree""",
        0.75: """good satisfied agree helpful positive likely somewhat_satisfied
            above_average""",
        1.0: """excellent great perfect amazing awesome best very_good very_satisfied
            strongly_agree very_helpful very_positive very_likely outstanding""",
    }
)
EXTREMES: Final = frozenset(word for word, value in FIVE_WAYS.items() if value in (0.0, 1.0))


def plain_word(word: str) -> str:
    """A word without case, colons and spaces; a sign stays what it is."""
    text = word.strip().casefold()
    if not any(map(str.isalpha, text)):
        return text
    return "_".join(text.strip(":").replace("-", " ").split())


def meanings(words: set[str]) -> Mapping[str, float]:
    """Return what plain words mean beside one another: "good" is all of two, and not of five."""
    if words & EXTREMES:
        return FIVE_WAYS
    if words <= set(THREE_WAYS):
        return THREE_WAYS
    return {**FIVE_WAYS, **TWO_WAYS}
