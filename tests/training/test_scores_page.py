"""The page of scores: two people, a group, the best of the live ones, a table, any file."""

import csv
import io

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from matching.domain.features.explain import explain_pair
from matching.domain.features.names import FEATURE_NAMES, LOG_NAMES
from matching.domain.features.told import TITLES, tell_inputs
from matching.domain.travellers import Travellers
from matching.models import SeedUser
from project.refusal import Refusal
from tests.factories import make_group, make_seed_user, make_session, make_staff
from tests.training.batches import make_dataset, make_model
from training.queries.pairs import explain_match, rank_partners, score_pairs
from training.queries.score_tables import ROWS, score_table
from training.services import registry

pytestmark = pytest.mark.django_db
MAY = ("training.view_modelversion", "matching.view_seeduser", "matching.view_travelgroup")
URL = "/admin/scores/"


@pytest.fixture
def people(db):
    """Six users at one place at one time, one far away, one without a trip, and a group of two."""
    registry.promote(make_model(make_dataset()))
    users = [make_seed_user(f"seed_{n}", name=f"Person {n}", age=20 + 6 * n) for n in range(8)]
    for number, user in enumerate(users[:6]):
        make_session(user, budget=800.0 + 300 * number)
    make_session(users[6], destination_lat=60.0, destination_lon=25.0)
    make_session(make_group("group_1", users[2:4]))
    return users


@pytest.fixture
def staff(client):
    client.force_login(make_staff(*MAY))
    return client


def text(response):
    assert response.status_code == 200, response
    return response.content.decode()


def test_pairs_are_scored_in_the_order_in_which_they_are_asked(people):
    pairs = [
        ("seed_0", "group_1"),
        ("seed_0", "seed_5"),
        ("seed_1", "group_1"),
        ("seed_0", "seed_6"),
    ]
    scores = score_pairs(pairs)
    alone = [score_pairs([pair]) for pair in pairs]
    assert scores.score == pytest.approx([one.score[0] for one in alone])
    assert scores.rule_score == pytest.approx([one.rule_score[0] for one in alone])
    assert scores.missing == tuple(one.missing[0] for one in alone)
    assert scores.is_candidate.tolist() == [True, True, True, False]
    assert len(score_pairs([]).score) == 0


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        (("seed_0", "nobody"), "'nobody'"),
        (("group_1", "seed_0"), "group_1 is a group"),
        (("seed_0", "seed_0"), "itself"),
    ],
)
def test_a_pair_that_is_none_is_refused_among_others(people, pair, said):
    with pytest.raises(Refusal, match=said):
        score_pairs([("seed_0", "seed_1"), pair])


def test_the_best_are_those_with_the_highest_scores_among_who_can_be_met(people):
    ranking = rank_partners("seed_0", "user_user")
    assert set(ranking.names) == {f"seed_{n}" for n in range(1, 6)}  # not the far one
    assert ranking.available == 5
    assert np.all(np.diff(ranking.scores.score) <= 0)
    one_by_one = score_pairs([("seed_0", name) for name in ranking.names])
    assert ranking.scores.score == pytest.approx(one_by_one.score)
    assert ranking.place_of(ranking.names[2]) == 3
    assert ranking.place_of("seed_6") is None
    assert rank_partners("seed_0", "user_user", 2).names == ranking.names[:2]
    assert rank_partners("seed_0", "user_group").names == ("group_1",)
    assert rank_partners("seed_2", "user_group").names == ()  # a member of it
    assert rank_partners("seed_7", "user_user").names == ()  # without a trip


def test_two_people_are_scored_with_what_moved_it(people, staff):
    page = text(staff.get(URL, {"left": people[0].pk, "right": people[5].pk}))
    explained = explain_match("seed_0", "seed_5")
    assert f"{explained.scores.score[0]:.3f}" in page
    assert f"{explained.scores.rule_score[0]:.3f}" in page
    for one in explained.effects:
        assert TITLES[one.explained.name] in page
    assert "20 and 50 years: 30 apart" in page
    assert " of 5" in page  # the rank
    assert "Nothing is missing" in page
    assert "model 1" in page


def test_who_cannot_be_met_is_scored_and_named_as_such(people, staff):
    page = text(staff.get(URL, {"left": people[0].pk, "right": people[7].pk}))
    assert "They are no candidates now: one of them has no live trip" in page
    assert "Destinations" in page
    assert "missing" in page


def test_a_person_and_a_group(people, staff):
    group = people[2].travel_groups.get()
    page = text(staff.get(URL, {"tab": "group", "left": people[0].pk, "right": group.pk}))
    assert f"{score_pairs([('seed_0', 'group_1')]).score[0]:.3f}" in page
    assert "2 people" in page


def test_the_best_lead_to_why(people, staff):
    page = text(staff.get(URL, {"tab": "best", "left": people[0].pk}))
    best = SeedUser.objects.get(external_id=rank_partners("seed_0", "user_user").names[0])
    assert "The best 5 of 5 for Person 0" in page
    assert f"left={people[0].pk}&amp;right={best.pk}" in page
    nobody = text(staff.get(URL, {"tab": "best", "left": people[7].pk, "whom": "user_user"}))
    assert "Nobody for Person 7 now" in nobody


def test_a_pasted_table_of_pairs_is_scored_and_downloaded(people, staff):
    pasted = "User ID;Target;note\nseed_0;seed_1;x\nseed_0;group_1;y\n"
    page = text(staff.post(f"{URL}?tab=table", {"pasted": pasted}))
    wanted = score_pairs([("seed_0", "seed_1"), ("seed_0", "group_1")]).score
    assert all(f"{score:.3f}" in page for score in wanted)
    assert "not read: note" in page
    answer = staff.post(f"{URL}?tab=table", {"pasted": pasted, "download": "1"})
    rows = list(csv.DictReader(io.StringIO(answer.content.decode())))
    assert [(row["line"], row["left"], row["right"]) for row in rows] == [
        ("2", "seed_0", "seed_1"),
        ("3", "seed_0", "group_1"),
    ]
    assert [float(row["score"]) for row in rows] == pytest.approx(wanted.tolist())


def test_an_uploaded_table_of_features_is_scored_without_the_right_to_see_people(people, client):
    client.force_login(make_staff("training.view_modelversion"))
    table = f"{LOG_NAMES[0]},{FEATURE_NAMES[4]}\n0.9,0.1\n,1\n".encode()
    upload = SimpleUploadedFile("t.csv", table)
    page = text(client.post(f"{URL}?tab=table", {"file": upload}))
    assert page.count('<td class="sb-num">2</td>') == 1  # the line of the first row
    assert "Two people" not in page
    pairs = text(client.post(f"{URL}?tab=table", {"pasted": "left,right\nseed_0,seed_1\n"}))
    assert "Scores of people are for those who may see people" in pairs
    assert 'name="left"' not in text(client.get(URL, {"tab": "pair", "left": "1", "right": "2"}))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a,b\n", "no rows"),
        ("name,age\nx,1\n", "columns are name, age"),
        ("left,right\nseed_0,\n", "Line 2 names nobody as right"),
        ("ageScore\n2\n", "expected a number from 0 to 1"),
        ("ageScore\nold\n", "Line 2: ageScore is 'old'"),
        ("left,right\nseed_0\n", "Line 2: Expected 2 cells"),
        ("left,right\n" + "seed_0,seed_1\n" * (ROWS + 1), f"at most {ROWS:,} rows"),
        ("", "."),
    ],
)
def test_a_table_that_cannot_be_scored_says_why(people, tmp_path, content, said):
    path = tmp_path / "t"
    path.write_text(content)
    with pytest.raises(Refusal, match=said):
        score_table(path, "t.csv", may_see_people=True)


def test_what_is_asked_wrongly_is_an_error_and_no_crash(people, staff):
    for asked in ({"left": "x"}, {"left": "1" * 40, "right": "y"}, {"tab": "nothing"},
                  {"tab": "best", "left": people[0].pk, "whom": "x"}):  # fmt: skip
        text(staff.get(URL, asked))
    both = {"pasted": "a\n1\n", "file": SimpleUploadedFile("t.csv", b"a\n1\n")}
    assert "Paste a table, or choose a file" in text(staff.post(f"{URL}?tab=table", both))
    assert "Paste a table, or choose a file" in text(staff.post(f"{URL}?tab=table", {}))


def test_the_quality_of_any_file_is_shown(staff):
    rows = "".join(f"{n % 2},{n % 7},{(n * 7919) % 1000}\n" for n in range(400))
    upload = SimpleUploadedFile("mine.csv", f"label,few,many\n{rows}".encode())
    answer = {"file": upload, "kind": "match_compatibility", "label": "label"}
    page = text(staff.post(f"{URL}?tab=file", answer))
    assert "mine.csv" in page
    assert "400 rows" in page
    assert "few" in page
    nothing = {"file": SimpleUploadedFile("p.png", b"\x89PNG\r\n"), "kind": "match_compatibility"}
    assert "Expected rows as CSV" in text(staff.post(f"{URL}?tab=file", nothing))


@pytest.mark.parametrize("feature_set", ["smooth-1", "tiered-1"])
@pytest.mark.parametrize("is_known", [True, False])
def test_every_feature_says_what_it_was_computed_from(people, feature_set, is_known):
    from matching.queries.travellers import load_named

    users, groups = load_named(["seed_0", "seed_7", "group_1"])
    left = users.loc[["seed_0" if is_known else "seed_7"]].reset_index(drop=True)
    if not is_known:
        for name in ("age", "interests", "languages", "nationality", "religion", "smoking"):
            left[name] = None
    a, b = (Travellers.from_frame(side) for side in (left, groups.reset_index(drop=True)))
    for one in explain_pair(a, b, feature_set, "user_group"):
        said = tell_inputs(one.name, one.inputs)
        assert said, one.name
        assert not {"None", "nan"} & set(said.split()), one.name
    assert set(TITLES) == set(FEATURE_NAMES)


def test_the_page_stands_in_the_navigation(people, staff):
    assert reverse("admin:training_scores") == URL
    assert f'href="{URL}"' in text(staff.get("/admin/"))


def test_many_pairs_are_read_with_as_many_queries_as_one(people, django_assert_max_num_queries):
    for number in range(2, 8):
        make_group(f"group_{number}", people[number % 4 : number % 4 + 2])
    score_pairs([("seed_0", "group_1")])  # what is kept of the model and of the words
    with CaptureQueriesContext(connection) as one:
        score_pairs([("seed_0", "group_1"), ("seed_0", "seed_1")])
    everybody = [f"seed_{n}" for n in range(1, 8)] + [f"group_{n}" for n in range(1, 8)]
    with django_assert_max_num_queries(len(one.captured_queries)):
        scores = score_pairs([("seed_0", name) for name in everybody])
    alone = [score_pairs([("seed_0", name)]) for name in everybody]
    assert scores.score == pytest.approx([part.score[0] for part in alone])
    assert scores.missing == tuple(part.missing[0] for part in alone)
