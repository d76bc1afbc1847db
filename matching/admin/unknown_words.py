"""Words of a record that nobody knows, as its page names them."""

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import HttpRequest

from matching.domain.lexicon.teaching import close_words
from matching.domain.profiles import fold_words
from matching.queries.words import taught_lexicon


def unknown_in(profile: Mapping[str, Any]) -> list[str]:
    """Return each word of a profile that nobody knows, with its kind."""
    return [f"{kind} {word}" for kind, word in _unknown(profile)]


def name_unknown(request: HttpRequest, profile: Mapping[str, Any]) -> None:
    """Say after saving which words nobody knows, and which known ones are like them."""
    said = []
    for kind, word in _unknown(profile):
        close = close_words(kind, word)
        hint = f" (did you mean {' or '.join(close)}?)" if close else ""
        said.append(f"{kind} \u201c{word}\u201d{hint}")
    if said:
        messages.warning(
            request,
            f"Kept as written, and not known: {', '.join(said)}. An interest takes part as a rare "
            "one, any other word counts as missing until it is taught.",
        )


def _unknown(profile: Mapping[str, Any]) -> list[tuple[str, str]]:
    lexicon = taught_lexicon()
    return [
        (kind, word.word)
        for kind, written, word in fold_words(profile)
        if word.word and not lexicon.fold(kind, written).is_known
    ]
