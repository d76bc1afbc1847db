"""The vocabulary as it is now: what is taught, how rare interests are, which words nobody knows."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from threading import Lock
from typing import Any, Final, TypedDict

from django.db.models import Count, F, Func, Max, Q

from matching.domain.lexicon.folding import OWN_WORDS, Lexicon
from matching.domain.lexicon.plain import plain, singular
from matching.domain.lexicon.rarity import measured_shares
from matching.domain.lexicon.teaching import close_words
from matching.domain.profiles import fold_words
from matching.models import SeedUser, Word

SHOWN: Final = 500  # unknown words named in a report; the count is always whole
# Kind to the profile fields with its words.
_FIELDS: Final = {
    "interest": ("interests",),
    "language": ("languages",),
    "nationality": ("nationality",),
    "religion": ("religion",),
    "habit": ("smoking", "drinking"),
    "personality": ("personality",),
}
_LISTS: Final = frozenset({"interests", "languages"})


class UnknownWord(TypedDict):
    """A word that nobody knows, how many profiles carry it, and known words that are like it."""

    kind: str
    word: str
    profiles: int
    close: list[str]


# The newest row of the history at which the taught words were read, and those.
_taught: tuple[tuple[int, int | None], Lexicon] = ((0, None), OWN_WORDS)
_lock = Lock()


def vocabulary_version() -> int:
    """Return how many changes were ever made to what is taught."""
    return int(Word.history.count())


def taught_lexicon() -> Lexicon:
    """Return the vocabulary with what is taught now; interests of others are taken as rare."""
    global _taught
    while True:
        state = _state()
        if not state[0]:
            return OWN_WORDS
        with _lock:
            if _taught[0] == state:
                return _taught[1]
        taught: dict[str, dict[str, str]] = {}
        for kind, word, meaning in Word.objects.values_list("kind", "word", "meaning"):
            taught.setdefault(kind, {})[singular(plain(word))] = meaning
        # Somebody may have taught a word in between.
        if _state() == state:
            with _lock:
                _taught = (state, Lexicon(state[0], taught))


def lexicon_without(word: Word) -> Lexicon:
    """Return the vocabulary as if this word had not been taught."""
    lexicon = taught_lexicon()
    if word.pk is None:
        return lexicon
    key = singular(plain(word.word))
    taught = {kind: dict(words) for kind, words in lexicon.taught.items()}
    taught.get(word.kind, {}).pop(key, None)
    return Lexicon(lexicon.version, taught)


def measured_lexicon() -> Lexicon:
    """Return the vocabulary with what is taught now and how rare interests are among profiles."""
    lexicon = taught_lexicon()
    carriers: Counter[str] = Counter()
    for (words,), count in _said("interest"):
        carriers[lexicon.fold("interest", words).identity] += count
    people = SeedUser.objects.exclude(interests=[]).count()
    shares = measured_shares(carriers, people)
    return Lexicon(lexicon.version, lexicon.taught, shares)


def unknown_in(profile: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return kind and word of each word of a profile that nobody knows, as it was written."""
    lexicon = taught_lexicon()
    return [
        (kind, word.word)
        for kind, written, word in fold_words(profile)
        if word.word and not lexicon.fold(kind, written).is_known
    ]


def unknown_words() -> list[UnknownWord]:
    """Return each word in profiles that nobody knows once, with what most write for it, the most
    frequent first."""
    lexicon = taught_lexicon()
    found: list[UnknownWord] = []
    for kind in _FIELDS:
        written: dict[str, Counter[str]] = {}
        for words, count in _said(kind):
            said = [lexicon.fold(kind, word) for word in words if word]
            for identity, word in {f.identity: f.word for f in said if not f.is_known}.items():
                if word:
                    written.setdefault(identity, Counter())[word] += count
        found += [describe_unknown(kind, forms) for forms in written.values()]
    return in_order(found)


def in_order(words: Iterable[UnknownWord]) -> list[UnknownWord]:
    """Return unknown words as lists show them: those of most profiles first."""
    return sorted(words, key=lambda word: (-word["profiles"], word["kind"], word["word"]))


def describe_unknown(kind: str, forms: Counter[str]) -> UnknownWord:
    """Return one unknown word from the ways of writing it, with the profiles of each."""
    word = min(forms, key=lambda form: (-forms[form], form))
    return {
        "kind": kind,
        "word": word,
        "profiles": sum(forms.values()),
        "close": close_words(kind, word),
    }


def with_word(kind: str, word: str) -> Q:
    """Return the condition under which a profile carries a word or another way of writing it."""
    lexicon = taught_lexicon()
    wanted = lexicon.fold(kind, word).identity
    forms = {
        form
        for words, _ in _said(kind)
        for form in words
        if form and lexicon.fold(kind, form).identity == wanted
    }
    condition = Q(pk__in=[])
    for name in _FIELDS[kind]:
        lookup = "overlap" if name in _LISTS else "in"
        condition |= Q(**{f"{name}__{lookup}": sorted(forms)})
    return condition


def _state() -> tuple[int, int | None]:
    newest = Word.history.aggregate(count=Count("pk"), newest=Max("pk"))
    return newest["count"], newest["newest"]


def _said(kind: str) -> Iterator[tuple[tuple[str, ...], int]]:
    """What profiles say of a kind, each distinct answer once, and how many say so."""
    names = _FIELDS[kind]
    answers: list[Any] = [
        Func(F(name), function="unnest") if name in _LISTS else F(name) for name in names
    ]
    columns = {f"said_{place}": answer for place, answer in enumerate(answers)}
    rows = SeedUser.objects.order_by().values(**columns).annotate(profiles=Count("pk"))
    for *words, count in rows.values_list(*columns, "profiles").iterator():
        yield tuple(words), count
