"""Profiles stored before one label meant one extraversion are brought to it, with their history."""

from importlib import import_module

import pytest
from django.apps import apps

from matching.models import SeedUser
from tests.factories import make_seed_user

pytestmark = pytest.mark.django_db

migration = import_module("matching.migrations.0006_extraversion_of_labels")


def test_what_was_the_middle_of_a_label_becomes_the_labels_own_number() -> None:
    make_seed_user("quiet", personality="introvert", extraversion=1 / 6)
    make_seed_user("loud", personality="extrovert", extraversion=5 / 6)
    make_seed_user("between", personality="ambivert", extraversion=1 / 2)
    make_seed_user("drawn", personality="introvert", extraversion=0.167)
    migration.apply(apps, None)
    now = dict(SeedUser.objects.values_list("external_id", "extraversion"))
    assert now == {"quiet": 0.0, "loud": 1.0, "between": 0.5, "drawn": 0.167}
    quiet = SeedUser.objects.get(external_id="quiet").history.first()
    assert (quiet.extraversion, quiet.history_change_reason) == (0.0, migration.REASON)
    assert not SeedUser.objects.get(external_id="drawn").history.filter(history_type="~").exists()
