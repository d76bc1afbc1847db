"""A store that is out of reach is no fault of the model: nobody is told to train another."""

from typing import Any

import pytest
from django.test import Client

from overview.queries.status import describe_everything
from project.storage.failures import StoreAway
from tests.factories import make_admin
from tests.training.batches import make_dataset, make_model
from training.services import registry

pytestmark = pytest.mark.django_db


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a live model, and then a store that does not answer."""
    registry.promote(make_model(make_dataset()))

    def refuse(*_: Any, **__: Any) -> None:
        raise StoreAway("The store does not answer.", remedy="See whether its server runs.")

    monkeypatch.setattr("training.queries.serviceable.verify_files", refuse)


@pytest.mark.usefixtures("away")
def test_status_names_the_store_and_no_command_that_trains() -> None:
    told = describe_everything()
    champion = next(kind["champion"] for kind in told["kinds"] if kind["champion"])
    assert "does not answer" in champion["problem"]
    assert champion["command"] is None
    assert told["next_step"]["command"] == "status"


@pytest.mark.usefixtures("away")
def test_the_front_page_offers_no_training(client: Client) -> None:
    client.force_login(make_admin())
    said = client.get("/admin/").content.decode()
    assert "The store does not answer" in said
    assert "rain it again" not in said
    assert "out of reach" in said
