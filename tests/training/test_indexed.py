"""The directory of everybody: what it answers is what the records say, however they changed."""

import itertools
import json
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections, transaction
from django.utils import timezone

from matching.domain.directory import hash_names
from matching.models import SeedUser, TravelGroup, TravelSession
from matching.queries.directory import DirectoryView, directory_folder
from matching.services import directory as keeping
from matching.services.directory import AlreadyKept, Keeper
from project.refusal import Refusal
from tests.factories import make_group, make_seed_user, make_session, make_word
from tests.training.batches import make_dataset, make_model
from training.domain.two_stages import best_of
from training.queries import scoring
from training.queries.indexed import Standing, rank_now, score_each_now
from training.queries.loading import forget_loaded
from training.queries.pairs import rank_partners, score_each
from training.queries.scoring import current_serving
from training.services import registry

pytestmark = pytest.mark.django_db
TYPES = ("user_user", "user_group")


@pytest.fixture(autouse=True)
def own_folder(settings, tmp_path):
    settings.VAR = tmp_path


@pytest.fixture
def keeper():
    keeper = Keeper(directory_folder())
    with keeper.alone():
        yield keeper


@pytest.fixture
def people(db):
    """People of every sort: with and without trips, complete or not, far away, in groups."""
    drawn = np.random.default_rng(5)
    users = []
    for number in range(16):
        fields = {
            "age": None if number == 3 else int(drawn.integers(18, 70)),
            "interests": [["food", "art"], ["chess", "hiking"], [], ["Kitesurfing"]][number % 4],
            "languages": [["english"], ["german", "klingon"], ["spanish", "english"]][number % 3],
            "nationality": ["german", "french", "atlantean"][number % 3],
            "home_lat": float(drawn.uniform(40, 55)),
            "personality": ["extrovert", "mysterious"][number % 2],
        }
        if number == 5:
            fields["extraversion"] = None
        users.append(make_seed_user(f"user_{number:02d}", **fields))
    for number, user in enumerate(users[:12]):
        start = timezone.localdate() + timedelta(days=int(drawn.integers(5, 20)))
        make_session(
            user,
            budget=None if number == 2 else float(drawn.integers(500, 3000)),
            start_date=start,
            end_date=start + timedelta(days=int(drawn.integers(0, 14))),
            destination_lat=38.72 + float(drawn.uniform(-2, 2)),
            interests=[] if number % 2 else ["beach", "food"],
            expires_at=timezone.now() + timedelta(days=-1 if number == 4 else 3),
        )
    for number in range(4):
        group = make_group(f"group_{number}", users[number * 3 : number * 3 + 3])
        if number < 3:
            make_session(group, budget=None)
    make_group("group_empty", [])
    make_session(TravelGroup.objects.get(external_id="group_empty"))
    return users


@pytest.fixture
def champion(db):
    forget_loaded()
    model = make_model(make_dataset())
    registry.promote(model)
    yield model
    forget_loaded()


def standing_now(view=None):
    serving = current_serving()
    shares = {} if serving.model is None else serving.model.shares
    directory = (view or DirectoryView()).renew(shares)
    assert directory is not None
    return Standing(serving, directory)


def require_same(view=None, askers=4):
    """Hold the answers of the directory to what the records say: of some who ask, about all."""
    standing = standing_now(view)
    users = list(SeedUser.objects.order_by("pk").values_list("external_id", flat=True))
    groups = list(TravelGroup.objects.order_by("pk").values_list("external_id", flat=True))
    asking = users[:: max(1, len(users) // askers)]
    pairs = list(itertools.product([*asking, groups[0]], [*users, *groups]))
    told, wanted = score_each_now(pairs, standing), score_each(pairs)
    assert {p: r.message for p, r in told.refusals.items()} == {
        p: r.message for p, r in wanted.refusals.items()
    }
    assert len(told.refusals) > len(users)
    for name in ("score", "rule_score", "by_rules", "features"):
        mine, theirs = getattr(told.scores, name), getattr(wanted.scores, name)
        assert mine == pytest.approx(theirs, abs=1e-6, nan_ok=True), name
    assert told.scores.missing == wanted.scores.missing
    assert told.scores.gates.tolist() == wanted.scores.gates.tolist()
    offered = 0
    for number, (user, match_type) in enumerate(itertools.product(asking, TYPES)):
        count = (2, 50)[number // 2 % 2]
        mine = rank_now(user, match_type, count, standing)
        theirs = rank_partners(user, match_type, count)
        assert (mine.names, mine.available) == (theirs.names, theirs.available), user
        assert mine.scores.score == pytest.approx(theirs.scores.score, abs=1e-6)
        offered += mine.available
    return offered


@pytest.mark.parametrize("is_trained", [False, True])
def test_it_answers_as_the_records_do(request, keeper, people, is_trained):
    if is_trained:
        request.getfixturevalue("champion")
    assert keeper.look() == len(people) + 5
    assert require_same(askers=16) > 20


def change_a_profile():
    user = SeedUser.objects.get(external_id="user_01")
    user.age, user.interests = 67, ["Parkour", "food"]
    user.save()


def make_a_trip():
    make_session(SeedUser.objects.get(external_id="user_13"), budget=777.0)


def change_by_query():
    TravelSession.objects.filter(external_id="user_06").update(destination_lat=38.0)


def change_in_sql():
    with connection.cursor() as cursor:
        cursor.execute("UPDATE matching_seeduser SET age = 44 WHERE external_id = 'user_07'")


def take_a_trip_away():
    TravelSession.objects.get(external_id="user_08").delete()


def remove_somebody():
    SeedUser.objects.get(external_id="user_09").delete()


def rename_somebody():
    TravelSession.objects.filter(external_id="user_10").update(external_id="user_new")
    SeedUser.objects.filter(external_id="user_10").update(external_id="user_new")


def change_members():
    group = TravelGroup.objects.get(external_id="group_0")
    group.members.add(SeedUser.objects.get(external_id="user_14"))
    group.members.remove(SeedUser.objects.get(external_id="user_00"))


def dissolve_a_group():
    TravelGroup.objects.get(external_id="group_1").delete()


def make_a_user():
    make_session(make_seed_user("aa_first", age=30))


CHANGES = (
    change_a_profile,
    make_a_trip,
    change_by_query,
    change_in_sql,
    take_a_trip_away,
    remove_somebody,
    rename_somebody,
    change_members,
    dissolve_a_group,
    make_a_user,
)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
@pytest.mark.usefixtures("people")
def test_a_change_is_taken_in(keeper, change):
    keeper.look()
    view = DirectoryView()
    view.renew({})
    with connection.cursor() as cursor:  # what a transaction of its own wrote it sees as new
        cursor.execute("DELETE FROM matching_change")
    change()
    assert 0 < keeper.look() < 10
    require_same(view)


@pytest.mark.usefixtures("champion", "people")
def test_many_changes_are_merged_into_the_large_rolls(keeper, monkeypatch):
    monkeypatch.setattr(keeping, "MOST_CHANGED", 4)
    keeper.look()
    view, built = DirectoryView(), []
    monkeypatch.setattr(keeping, "everybody", lambda: built.append(1) or iter(()))
    for number, change in enumerate(CHANGES):
        change()
        keeper.look()
        if number % 3 == 0:
            require_same(view)
    assert built == []  # nobody was read anew for it
    folders = [path for path in directory_folder().iterdir() if path.is_dir()]
    assert len(folders) == 2, "generations of before are removed"


@pytest.mark.usefixtures("people")
def test_a_trip_that_runs_out_is_none_any_more(keeper):
    user = SeedUser.objects.get(external_id="user_00")
    TravelSession.objects.filter(user=user).update(
        expires_at=timezone.now() + timedelta(milliseconds=400)
    )
    keeper.look()
    assert standing_now().directory.users.expires_at(np.array([0])).shape == (1,)
    while TravelSession.objects.live().filter(user=user).exists():
        pass
    require_same_ranking_without(user.external_id)
    assert keeper.look() > 0  # the interests of the profile take the place of the trip's
    require_same()


def require_same_ranking_without(name):
    """Nobody is shown a trip that ran out, though nobody looked since."""
    standing = standing_now()
    for other in SeedUser.objects.exclude(external_id=name):
        assert name not in rank_now(other.external_id, "user_user", 50, standing).names
    assert rank_now(name, "user_user", 50, standing).available == 0


@pytest.mark.usefixtures("people")
def test_words_that_have_no_room_have_everybody_encoded_anew(keeper):
    keeper.look()
    user = SeedUser.objects.get(external_id="user_01")
    for start in (0, 40, 80, 120):
        user.interests = [f"thing {start + number}" for number in range(40)]
        user.save()
        keeper.look()
    require_same()


@pytest.mark.usefixtures("people")
def test_a_taught_word_means_the_same_here_and_there(keeper):
    keeper.look()
    make_word("klingon", "english", kind="language")
    assert keeper.look() == len(keeper)
    require_same()


@pytest.mark.usefixtures("people")
def test_whom_it_does_not_know_yet_is_looked_up(keeper):
    keeper.look()
    standing = standing_now()
    make_session(make_seed_user("zz_new", age=33))
    pairs = [("user_00", "zz_new"), ("nobody", "user_00"), ("user_00", "user_01")]
    told, wanted = score_each_now(pairs, standing), score_each(pairs)
    assert told.refusals[1].message == wanted.refusals[1].message
    assert told.scores.score == pytest.approx(wanted.scores.score)
    assert rank_now("zz_new", "user_user", 5, standing).names
    with pytest.raises(Refusal, match="nobody"):
        rank_now("nobody", "user_user", 5, standing)
    with pytest.raises(Refusal, match="is a group"):
        rank_now("group_0", "user_user", 5, standing)


def test_names_of_one_hash_are_told_apart(keeper, people, monkeypatch):
    def clash(names):
        return np.array([len(name) for name in names], np.uint64)

    for module in ("matching.domain.directory", "training.queries.indexed"):
        monkeypatch.setattr(f"{module}.hash_names", clash)
    monkeypatch.setattr(keeping, "hash_names", clash)
    keeper.look()
    standing = standing_now()
    names = [user.external_id for user in people]
    found = standing.directory.users.find(names, clash(names))
    assert [standing.directory.users.name_of(int(row)) for row in found] == names


def test_an_installation_of_nobody_has_a_directory(keeper):
    assert keeper.look() == 0
    told = score_each_now([("nobody", "no one")], standing_now())
    assert list(told.refusals) == [0]
    make_session(make_seed_user("first"))
    keeper.look()
    assert rank_now("first", "user_user", 5, standing_now()).available == 0


@pytest.mark.usefixtures("people")
def test_one_that_nobody_keeps_any_more_is_not_relied_on(keeper, monkeypatch):
    keeper.look()
    assert DirectoryView().renew({}) is not None
    monkeypatch.setattr("matching.queries.directory.FRESH_SECONDS", -1.0)
    assert DirectoryView().renew({}) is None


def test_the_command_encodes_everybody_once(people, capsys):
    call_command("directory", "--once", "--json")
    told = json.loads(capsys.readouterr().out)
    assert told == {"travellers": len(people) + 5, "taken_in": len(people) + 5}
    require_same()
    call_command("directory", "--once")
    assert "21 travellers encoded" in capsys.readouterr().out
    with Keeper(directory_folder()).alone(), pytest.raises(CommandError, match="Another process"):
        call_command("directory", "--once")


@pytest.mark.usefixtures("people")
def test_what_another_process_kept_is_not_relied_on(keeper):
    keeper.look()
    view = DirectoryView()
    assert view.renew({}) is not None
    (directory_folder() / "kept").unlink()  # as of a process that is gone
    successor = Keeper(directory_folder())
    with successor.alone():
        assert view.renew({}) is None
        change_a_profile()
        successor.look()
        require_same(view)


@pytest.mark.usefixtures("people")
def test_notes_of_changes_are_removed_after_a_day(keeper):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE matching_change SET at = now() - interval '25 hours'")
        cursor.execute("SELECT count(*) FROM matching_change")
        (before,) = cursor.fetchone()
        assert before > 20
        for _ in range(6):
            change_in_sql()
        cursor.execute("SELECT count(*) FROM matching_change")
        assert cursor.fetchone()[0] <= 6 + max(0, before - 6 * 12)


def test_two_do_not_keep_one(keeper):
    with pytest.raises(AlreadyKept), Keeper(directory_folder()).alone():
        pass


@pytest.mark.django_db(transaction=True)
def test_transactions_that_end_in_another_order_are_all_seen(keeper, settings, tmp_path):
    """The first to write is the last to be visible: a number of the last row would pass over it."""
    settings.ARTIFACT_ROOT = tmp_path / "artifacts"
    for number in range(4):
        make_session(make_seed_user(f"user_{number}", age=20 + number))
    keeper.look()
    other = connections.create_connection("default")
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute("UPDATE matching_seeduser SET age = 60 WHERE external_id = 'user_0'")
        with transaction.atomic():
            SeedUser.objects.filter(external_id="user_1").update(age=50)
        assert keeper.look() == 1
        other.commit()
        assert keeper.look() == 1
        assert keeper.look() == 0
    finally:
        other.close()
    users = standing_now().directory.users
    names = ["user_0", "user_1"]
    assert users.take(users.find(names, hash_names(names))).age.tolist() == [60, 50]


@pytest.mark.usefixtures("champion", "people")
def test_a_ranking_in_two_stages_is_that_of_all(keeper, monkeypatch):
    keeper.look()
    standing, asked = standing_now(), []
    users = SeedUser.objects.values_list("external_id", flat=True)
    rankings = {user: rank_now(user, "user_user", 1, standing) for user in users}
    user = max(rankings, key=lambda name: rankings[name].available)
    expected = rankings[user]

    def best(values, score, count):
        asked.append(len(values))
        return best_of(values, score, count)

    monkeypatch.setattr(scoring, "best_of", best)
    monkeypatch.setattr(scoring, "TWO_STAGES_ABOVE", 1)
    walked = replace(standing.serving, model=replace(standing.serving.model, is_walked=True))
    found = rank_now(user, "user_user", 1, replace(standing, serving=walked))
    assert asked, "there are more candidates than one stage takes"
    assert found.names == expected.names
    assert found.scores.score.tolist() == expected.scores.score.tolist()
