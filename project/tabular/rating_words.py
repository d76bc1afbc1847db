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
            👍 ✓ ✔ ✅ 😀 🙂 😊 ❤ ja oui si sí sì sim wahr vrai gut bien bon bueno buono hilfreich
            zufrieden satisfait satisfecho soddisfatto daumen_hoch daumen_nach_oben pouce_en_haut
            pulgar_arriba pollice_in_su""",
        0.0: """false no n f down thumbs_down thumbsdown thumb_down downvote dislike disliked
            negative neg bad unhelpful not_helpful dissatisfied unsatisfied incorrect wrong reject
            rejected useless unhappy sad fail -1 :( 👎 ✗ ✘ ❌ 😞 🙁 😠 nein non não nee falsch faux
            schlecht mal mauvais malo cattivo nicht_hilfreich unzufrieden insatisfait insatisfecho
            insoddisfatto daumen_runter daumen_nach_unten pouce_en_bas pulgar_abajo
            pollice_in_giù""",
        0.5: "neutral mixed meh average neither so_so :| 😐",
    }
)
THREE_WAYS: Final = _meaning({0.0: "low", 0.5: "medium", 1.0: "high"})
FIVE_WAYS: Final = _meaning(
    {
        0.0: """terrible awful horrible worst very_bad very_poor very_dissatisfied
            very_unsatisfied strongly_disagree very_unhelpful very_negative very_unlikely""",
        0.25: """bad poor dissatisfied unsatisfied disagree unhelpful negative unlikely
            somewhat_dissatisfied below_average schlecht unzufrieden mauvais mal malo cattivo
            insatisfait insatisfecho insoddisfatto""",
        0.5: """ok okay neutral fair average neither mixed medium acceptable
            neither_agree_nor_disagree mittel befriedigend moyen passable regular discreto""",
        0.75: """good satisfied agree helpful positive likely somewhat_satisfied
            above_average gut zufrieden bien bon satisfait bueno satisfecho buono
            soddisfatto""",
        1.0: """excellent great perfect amazing awesome best very_good very_satisfied
            strongly_agree very_helpful very_positive very_likely outstanding sehr_gut
            ausgezeichnet sehr_zufrieden très_bien très_bon très_satisfait excelente muy_bueno
            muy_bien muy_satisfecho ottimo eccellente""",
    }
)
# How a sign looks, which it means nothing by: skin tones, and whether it is drawn in colour.
_LOOKS: Final = dict.fromkeys([*range(0x1F3FB, 0x1F400), 0xFE0E, 0xFE0F])
EXTREMES: Final = frozenset(word for word, value in FIVE_WAYS.items() if value in (0.0, 1.0))


def plain_word(word: str) -> str:
    """A word without case, colons and spaces; a sign stays what it is."""
    text = word.strip().casefold().translate(_LOOKS)
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
