"""Which known word each way of writing means, and what is left as unknown."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matching.domain.lexicon.folding import KINDS, KNOWN, Folded, Lexicon, fold
from matching.domain.lexicon.names import language_names
from matching.domain.lexicon.plain import plain, singular
from matching.domain.lexicon.synonyms import BLANKS
from matching.domain.words import NATIONALITIES, NATIONS, nationality_similarity

MEANT = {
    "nationality": {
        "german": "German, Germany, DE, DEU, deutsch, Deutsche, Deutschland, Allemagne, Alemania, "
        "Germania, Niemcy",
        "swiss": "Switzerland, CH, Schweiz, Suisse",
        "french": "france, FRA, Français, française, Frankreich",
        "spanish": "España, español, ESP, Spaniard",
        "american": "USA, U.S.A., us, United States, United States of America",
        "british": "UK, GB, England, English, Scottish, Great Britain",
        "dutch": "Netherlands, The Netherlands, Holland, Niederlande",
        "korean": "South Korea, KOR, 한국, 대한민국",
        "japanese": "Japan, 日本",
        "ivorian": "Côte d'Ivoire, Ivory Coast",
        "new zealander": "New Zealand, new-zealand, NZ",
        "bosnian": "Bosnia and Herzegovina, Bosnia & Herzegovina",
        "norwegian": "Norway, NO",
        "russian": "Россия",
    },
    "language": {
        "english": "English, english (fluently), EN, eng, en-US, Englisch",
        "german": "Deutsch, ger, deu, German (okay)",
        "mandarin": "Chinese, Mandarin Chinese, 中文, zh",
        "portuguese": "Português, pt_BR, Brazilian Portuguese",
        "persian": "farsi, Persian",
        "greek": "Greek (poorly), Ελληνικά, Griechisch",
    },
    "religion": {
        "christian": "catholicism, christianity, Protestant, "
        "catholicism but not too serious about it, christianity and very serious about it",
        "agnostic": "agnosticism, agnosticism and laughing about it",
        "none": "atheism, Atheist, no religion, None",
        "jewish": "judaism but not too serious about it",
        "muslim": "Islam, islam and somewhat serious about it",
        "buddhist": "Buddhism",
        "hindu": "Hinduism",
        "other": "other and laughing about it",
    },
    "habit": {
        "no": "No, not at all, never",
        "occasionally": "socially, rarely, sometimes, when drinking, Occasional",
        "yes": "often, very often, desperately, trying to quit, regularly",
    },
    "interest": {
        "museums": "Museum, museums",
        "beaches": "beach, Beaches (all of them)",
        "road trips": "Road-trip, roadtrips",
        "street food": "STREET_FOOD",
        "hiking": "hikes, Trekking",
        "coffee": "Café, cafés",
    },
    "personality": {"introvert": "Introverted", "extrovert": "extravert, Extroverted"},
    "gender": {"female": "F, Woman, weiblich", "male": "m, man", "non-binary": "Nonbinary"},
}
CASES = [
    (kind, written, known)
    for kind, meanings in MEANT.items()
    for known, listed in meanings.items()
    for written in listed.split(", ")
]


@pytest.mark.parametrize(("kind", "written", "known"), CASES)
def test_each_way_of_writing_means_a_known_word(kind, written, known):
    assert fold(kind, written) == (known, True)


@pytest.mark.parametrize(
    ("kind", "written", "word"),
    [
        ("language", "C++ (poorly)", "c++"),
        ("nationality", "Martian", "martian"),
        ("nationality", "de facto", "de facto"),
        ("religion", "Jedi and very serious about it", "jedi and very serious about it"),
        ("habit", "Vapes", "vapes"),
        ("interest", "Rock-Climbing", "rock climbing"),
        ("personality", "INTJ", "intj"),
    ],
)
def test_what_means_no_known_word_stays_itself_in_plain_form(kind, written, word):
    assert fold(kind, written) == (word, False)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("written", ["NULL", "n/a", "-", "?", "", " ", "Prefer not to say"])
def test_what_says_nothing_is_no_word(kind, written):
    assert fold(kind, written) == ("", False)


def test_none_is_a_religion_and_no_other_word():
    assert fold("religion", "none") == ("none", True)
    assert not fold("habit", "none").is_known
    assert not fold("nationality", "none").is_known


@pytest.mark.parametrize("kind", KNOWN)
def test_every_known_word_is_itself(kind):
    for word in KNOWN[kind]:
        assert fold(kind, word) == (word, True)
        assert fold(kind, f"  {word.upper()} ") == (word, True)


def test_every_name_of_a_language_leads_to_one_that_leads_to_itself():
    for name in set(language_names().values()):
        once = fold("language", name)
        assert once.is_known
        assert fold("language", once.word) == once


@given(st.sampled_from(KINDS), st.text(max_size=30))
def test_folding_twice_is_folding_once(kind, written):
    once = fold(kind, written)
    assert once.word == plain(once.word) or once.is_known
    if once.word:
        assert fold(kind, once.word) == once


@given(st.text(string.ascii_letters + " -_()é", max_size=20))
def test_plain_words_have_no_case_accents_or_joints(written):
    word = plain(written)
    assert word == word.strip()
    assert not set(word) & set("-_é")
    assert word == word.casefold()
    assert plain(word) == word


@pytest.mark.parametrize("word", ["tennis", "chess", "bus", "aerobics", "gas"])
def test_what_only_ends_like_a_plural_is_none(word):
    assert singular(word) == word


@pytest.mark.parametrize(
    ("plural", "word"),
    [("board games", "board game"), ("beaches", "beach"), ("hobbies", "hobby"), ("foxes", "fox")],
)
def test_plurals_are_one_with_their_singular(plural, word):
    assert singular(plural) == singular(word)


def test_marks_of_other_scripts_are_letters():
    assert plain("が") != plain("か")
    assert plain("й") != plain("и")
    assert plain("São Tomé") == "sao tome"


def test_every_nationality_lies_somewhere_and_each_country_has_one():
    codes = [code for code, _, _ in NATIONS.values()]
    assert len(set(codes)) == len(codes)
    assert list(NATIONS)[: len(NATIONALITIES)] == list(NATIONALITIES)
    assert {continent for _, _, continent in NATIONS.values()} == {
        *("africa", "america", "asia", "europe", "oceania")
    }
    assert nationality_similarity("swiss", "german") == 0.7
    assert nationality_similarity("swiss", "greek") == 0.4
    assert nationality_similarity("swiss", "kenyan") == 0.1


def test_blanks_are_plain():
    assert {plain(word) for word in BLANKS} <= BLANKS


def test_a_taught_word_means_what_it_was_taught_to():
    taught = Lexicon(
        3,
        {
            "interest": {"parkour": "adventure sports", "kizomba": "", "kiz": "kizomba"},
            "habit": {"vape": "yes"},
        },
    )
    assert taught.fold("interest", "Parkour") == ("adventure sports", True)
    assert taught.fold("interest", "Kizomba (weekly)") == ("kizomba", True)
    assert taught.fold("interest", "kiz") == ("kizomba", True)
    assert taught.fold("habit", "Vapes") == ("yes", True)
    assert taught.fold("nationality", "parkour") == Folded("parkour", False)
    assert taught.fold("interest", "food") == ("food", True)
    assert Lexicon.from_dict(taught.as_dict()) == taught
    assert Lexicon.from_dict({}) == Lexicon()
