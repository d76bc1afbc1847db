"""Who is asked about where a user is: nobody who passes the hard gates is left out."""

from datetime import timedelta

import numpy as np
import pytest

from matching.domain.travellers import Travellers, Vocabulary
from matching.domain.trips import HardGate, first_gates
from matching.models import SeedUser
from matching.queries.travellers import load_travellers, names_near
from tests.factories import make_group, make_seed_user, make_session

pytestmark = pytest.mark.django_db
CENTRES = ((52.5, 13.4), (-17.7, 179.9), (65.0, -179.5), (88.9, 10.0), (-89.9, -120.0), (0.0, 0.0))


def put_people(centres):
    """Put somebody on each centre, and ten more in a circle about it, half of them in reach."""
    draw = np.random.default_rng(5)
    names = []
    for number, (lat, lon) in enumerate(centres):
        names.append(f"own_{number}")
        first = make_session(
            make_seed_user(names[-1]), destination_lat=lat, destination_lon=lon, budget=900.0
        )
        for other, turn in enumerate(draw.uniform(0, 2 * np.pi, 10)):
            angle = np.radians((190 if other % 2 else 230) / 6371.0 * 180 / np.pi)
            up = np.sin(np.radians(lat)) * np.cos(angle)
            up += np.cos(np.radians(lat)) * np.sin(angle) * np.cos(turn)
            east = np.sin(turn) * np.sin(angle) * np.cos(np.radians(lat))
            along = np.arctan2(east, np.cos(angle) - np.sin(np.radians(lat)) * up)
            make_session(
                make_seed_user(f"near_{number}_{other}"),
                destination_lat=float(np.degrees(np.arcsin(up))),
                destination_lon=float((lon + np.degrees(along) + 180) % 360 - 180),
                start_date=first.end_date - timedelta(days=other % 3),
                end_date=first.end_date + timedelta(days=4),
            )
    return names


def test_who_passes_the_gates_is_named_at_the_poles_and_over_the_line_of_the_date():
    names = put_people(CENTRES)
    users = load_travellers("user_user").users.set_index("external_id", drop=False)
    vocabulary = Vocabulary.of(users)
    everybody = Travellers.from_frame(users, vocabulary)
    passing = 0
    for name in names:
        own = everybody.take(np.full(len(users), users.index.get_loc(name)))
        met = set(users.index[first_gates(own, everybody) == HardGate.OPEN]) - {name}
        assert met <= set(names_near(name, "user_user"))
        passing += len(met)
    assert passing > len(names)


def test_few_others_are_named():
    put_people(CENTRES)
    assert all("_0_" in name for name in names_near("own_0", "user_user"))
    assert len(names_near("own_0", "user_user")) < 10  # some share no day with it


def test_nobody_meets_who_is_not_travelling_or_not_complete():
    ada, bob, eve = (make_seed_user(name) for name in ("ada", "bob", "eve"))
    make_session(ada)
    assert names_near("bob", "user_user") == []
    make_session(bob)
    make_session(eve)
    SeedUser.objects.filter(pk=eve.pk).update(interests=[])
    assert names_near("ada", "user_user") == ["bob"]
    own, other = make_group("group_own", [ada, bob]), make_group("group_other", [bob])
    for group in (own, other):
        make_session(group)
    make_session(make_group("group_of_nobody_known", [eve]))
    assert names_near("ada", "user_group") == ["group_other"]
