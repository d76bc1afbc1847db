"""Words of a record that nobody knows, as its page names them."""

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import HttpRequest

from matching.domain.lexicon.teaching import close_words
from matching.queries.words import unknown_in


def name_unknown(request: HttpRequest, profile: Mapping[str, Any]) -> None:
    """Say after saving which words nobody knows, and which known ones are like them."""
    said = []
    for kind, word in unknown_in(profile):
        close = close_words(kind, word)
        hint = f" (did you mean {' or '.join(close)}?)" if close else ""
        said.append(f"{kind} \u201c{word}\u201d{hint}")
    if said:
        messages.warning(
            request,
            f"Kept as written, and not known: {', '.join(said)}. An interest takes part as a rare "
            "one, any other word counts as missing until it is taught.",
        )
