"""Words of a table of people as the public writes them: kept, listed once, taught in the admin."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from matching.domain.lexicon.rarity import measured_shares
from matching.domain.lexicon.teaching import Unteachable, check_lesson
from matching.models import SeedUser, Word
from matching.queries.people import check_profiles
from matching.queries.words import (
    measured_lexicon,
    taught_lexicon,
    unknown_words,
    vocabulary_version,
)
from project.audit.models import Act, AuditEntry
from tests.factories import make_admin, make_seed_user, make_staff
from tests.matching.commands import run_command, show_command

pytestmark = pytest.mark.django_db

PEOPLE = 400
# Words of the kinds that people choose from, or write, on public sites.
ANSWERS: dict[str, tuple[str, ...]] = {
    "gender": ("m", "f", "Woman", "agender"),
    "personality": ("Introverted", "extravert", "ambivert", "INTJ"),
    "interests": ("Hikes; Museum; parkour", "Parkour|food", "Board Game, beach", "board-game"),
    "languages": (
        "english (fluently)|c++ (poorly)",
        "english|spanish (okay)|french (poorly)",
        "English; C++ (fluently)",
        "deutsch, Klingonish",
    ),
    "home_city": ("San Francisco", "Zürich", "Köln", "Lisboa"),
    "smoking": ("sometimes", "when drinking", "no", "trying to quit", "vapes"),
    "drinking": ("socially", "often", "rarely", "not at all", "desperately"),
    "religion": (
        "agnosticism and very serious about it",
        "catholicism",
        "judaism but not too serious about it",
        "other and laughing about it",
        "pastafarianism",
        "NULL",
    ),
    "nationality": ("Germany", "US", "FRA", "swiss", "Republic of Martians"),
    "profession": (
        "artistic / musical / writer",
        "computer / hardware / software",
        "rather not say",
    ),
}
UNKNOWN = {
    ("interest", "parkour"),
    ("interest", "board game"),
    ("language", "c++"),
    ("language", "klingonish"),
    ("habit", "vapes"),
    ("religion", "pastafarianism"),
    ("nationality", "republic of martians"),
    ("personality", "intj"),
}


def write_people(folder: Path, count: int = PEOPLE) -> Path:
    rng = np.random.default_rng(5)
    file = folder / "people.csv"
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["external_id", "age", *ANSWERS])
        for number in range(count):
            # A few are too old for anybody: what is wrong stays wrong.
            age = 110 if number % 80 == 79 else int(rng.integers(18, 70))
            cells = [answers[rng.integers(len(answers))] for answers in ANSWERS.values()]
            writer.writerow([f"public_{number}", age, *cells])
    return file


@pytest.fixture
def admin_client() -> Client:
    client = Client()
    client.force_login(make_admin())
    return client


def teach(client: Client, kind: str, word: str, meaning: str) -> Any:
    data = {"kind": kind, "word": word, "meaning": meaning}
    return client.post(reverse("admin:matching_word_add"), data)


def said(response: Any) -> str:
    return " ".join(str(message) for message in get_messages(response.wsgi_request))


def test_400_people_with_public_words_land_and_each_unknown_word_is_listed_once(tmp_path):
    _, result = run_command(
        "seed_users", "--now", "--origin", "real", "--file", str(write_people(tmp_path))
    )
    assert (result["added"], result["rows_refused"]) == (PEOPLE - 5, 5)
    assert {error["field"] for error in result["errors"]} == {"age"}
    listed = [(word["kind"], word["word"]) for word in result["unknown"]]
    assert len(listed) == len(set(listed)) == result["unknown_words"]
    assert set(listed) == UNKNOWN
    # As often as the database has it, and nothing is different there.
    assert result["unknown"] == unknown_words() == check_profiles()["words"]
    parkour = SeedUser.objects.filter(interests__contains=["parkour"]).count()
    assert next(w["profiles"] for w in result["unknown"] if w["word"] == "parkour") == parkour
    folded = {(word["written"], word["word"]) for word in result["folded"]}
    assert {("socially", "occasionally"), ("germany", "german"), ("hikes", "hiking")} <= folded
    stored = SeedUser.objects.filter(nationality="german").first()
    assert stored is not None
    assert set(SeedUser.objects.values_list("drinking", flat=True)) == {"no", "occasionally", "yes"}
    assert set(SeedUser.objects.values_list("religion", flat=True)) == {
        *("agnostic", "christian", "jewish", "other", "pastafarianism", "")
    }


def test_commands_name_what_is_not_known(tmp_path):
    shown = show_command(
        "seed_users", "--now", "--origin", "real", "--file", str(write_people(tmp_path, 40))
    )
    assert "Words that are not known" in shown
    assert "Words read as known ones" in shown
    checked = show_command("check_profiles")
    for kind, word in UNKNOWN:
        assert f" {word} " in checked, (kind, word)


def test_importing_the_same_people_again_changes_nothing(tmp_path):
    file = write_people(tmp_path, 40)
    run_command("seed_users", "--now", "--origin", "real", "--file", str(file))
    assert (
        run_command("seed_users", "--now", "--origin", "real", "--file", str(file))[1]["unchanged"]
        == 40
    )


def test_unknown_words_are_counted_by_profile_whatever_their_spelling():
    make_seed_user(interests=["board games", "chess"], smoking="vapes", drinking="vapes")
    make_seed_user(interests=["board-game"], nationality="germany")
    make_seed_user(interests=["board-game"], religion="null")
    found = {(w["kind"], w["word"]): w["profiles"] for w in unknown_words()}
    assert found == {
        ("interest", "board game"): 3,
        ("interest", "chess"): 1,
        ("habit", "vapes"): 1,
    }


def test_a_taught_word_is_known_everywhere_and_profiles_keep_what_was_written(admin_client):
    user = make_seed_user(interests=["food", "Parkour "], smoking="vapes")
    before = vocabulary_version()
    response = teach(admin_client, "interest", "Park-Our", "adventure sport")
    assert response.status_code == 302
    teach(admin_client, "interest", "parkour", "")
    teach(admin_client, "habit", "Vape", "Yes")
    assert f"The vocabulary is at version {before + 1} now" in said(response)
    assert vocabulary_version() == before + 3
    assert taught_lexicon().fold("interest", "PARKOUR") == ("parkour", True)
    assert taught_lexicon().fold("interest", "park our") == ("adventure sports", True)
    assert unknown_words() == []
    user.refresh_from_db()
    assert (user.interests, user.smoking) == (["food", "Parkour "], "vapes")


def test_each_change_is_a_version_and_keeps_who_made_it(admin_client):
    admin_client.force_login(User.objects.create_superuser("teacher"))
    teach(admin_client, "interest", "parkour", "")
    word = Word.objects.get()
    page = reverse("admin:matching_word_change", args=[word.pk])
    admin_client.post(page, {"meaning": ""})
    assert vocabulary_version() == 1  # nothing changed
    admin_client.post(page, {"meaning": "adventure sports", "word": "other", "kind": "habit"})
    word.refresh_from_db()
    assert (word.kind, word.word, word.meaning) == ("interest", "parkour", "adventure sports")
    assert vocabulary_version() == 2
    assert set(Word.history.values_list("history_actor", flat=True)) == {"teacher"}
    admin_client.post(reverse("admin:matching_word_delete", args=[word.pk]), {"post": "yes"})
    assert vocabulary_version() == 3
    assert taught_lexicon().taught == {}
    assert AuditEntry.objects.filter(act=Act.REMOVAL).count() == 1


@pytest.mark.parametrize(
    ("kind", "word", "meaning", "message"),
    [
        ("habit", "socially", "yes", "is known: it means occasionally"),
        ("habit", "vapes", "", "A habit has to mean a known one: no, occasionally, yes"),
        ("habit", "vapes", "sometmes", "is not a known habit; Known are no, occasionally, yes"),
        ("nationality", "martian", "germn", "did you mean german or"),
        ("interest", "NULL", "food", "says nothing"),
        ("interest", "parkour", "Parkours", "leave this empty"),
        ("interest", "board-games", "", "taught already"),
    ],
)
def test_what_cannot_be_taught_is_refused_in_words(admin_client, kind, word, meaning, message):
    Word.objects.create(kind="interest", word="board game")
    response = teach(admin_client, kind, word, meaning)
    assert response.status_code == 200
    assert message in str(response.context["errors"])
    assert Word.objects.count() == 1


def test_a_meaning_may_be_a_taught_word_of_its_own():
    Word.objects.create(kind="interest", word="parkour")
    assert check_lesson(taught_lexicon(), "interest", "Free running", "Parkours") == (
        "free running",
        "parkour",
    )
    Word.objects.create(kind="interest", word="free running", meaning="parkour")
    assert taught_lexicon().fold("interest", "free-running") == ("parkour", True)
    Word.objects.filter(word="parkour").delete()
    assert taught_lexicon().fold("interest", "free-running") == ("free running", False)
    with pytest.raises(Unteachable):
        check_lesson(taught_lexicon(), "interest", "tricking", "parkour")


def test_the_page_of_unknown_words_leads_to_people_and_to_the_lesson(admin_client):
    make_seed_user("carries", interests=["Board-Games"])
    make_seed_user("writes_it_so", interests=["board game", "food"])
    make_seed_user("does_not", interests=["food"])
    page = admin_client.get(reverse("admin:matching_word_unknown")).content.decode()
    people = f"{reverse('admin:matching_seeduser_changelist')}?word=interest%3Aboard+game"
    lesson = f"{reverse('admin:matching_word_add')}?kind=interest&amp;word=board+game"
    assert people in page
    assert lesson in page
    listed = admin_client.get(people).content.decode()
    assert "carries" in listed
    assert "writes_it_so" in listed
    assert "does_not" not in listed
    form = admin_client.get(lesson.replace("&amp;", "&")).content.decode()
    assert 'value="board game' in form


def test_teaching_needs_its_permission():
    make_seed_user(interests=["parkour"])
    client = Client()
    client.force_login(make_staff("matching.view_word"))
    page = client.get(reverse("admin:matching_word_unknown"))
    assert page.status_code == 200
    assert "Teach" not in page.content.decode()
    assert "?word=" not in page.content.decode()
    assert teach(client, "interest", "parkour", "").status_code == 403
    client.force_login(make_staff("matching.view_seeduser"))
    assert client.get(reverse("admin:matching_word_unknown")).status_code == 403


def test_rarity_of_an_interest_that_many_have_is_measured():
    for number in range(40):
        make_seed_user(interests=["Board games", "food"] if number % 2 else ["chess", "food"][1:])
    make_seed_user(interests=["parkour"])
    shares = measured_lexicon().shares
    assert shares == {"board game": pytest.approx((20 + 5) / (41 + 100), abs=1e-4)}
    assert measured_shares({"a": 5, "b": 6, "food": 90, "": 9}, 100) == {"b": 0.055}
    assert measured_shares({}, 0) == {}
    assert max(measured_shares({"a": 10**6}, 10**6).values()) < 1
