"""Fills the installation of SEEDBED_VAR: people with trips, a live model, a key; prints the token
of the key and where the model lies.

Run as `python -m tests.chaos.prepared`, on the settings of the product.
"""

import json
import os

import django
from django.core.management import call_command

PEOPLE = 24


def main() -> None:
    """Make all of it in a database that is empty."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "project.settings"
    from project.bootstrap import start_servers

    start_servers()
    django.setup()
    call_command("migrate", verbosity=0)
    from serving.models import ApiKey, Scope
    from serving.services.keys import issue_key
    from tests.blobs import file_of
    from tests.factories import make_seed_user, make_session
    from tests.training.batches import make_dataset, make_model
    from training.services import registry

    for number in range(PEOPLE):
        budget = 700.0 + 40 * number
        make_session(make_seed_user(f"person_{number}", age=20 + number), budget=budget)
    champion = make_model(make_dataset())
    registry.promote(champion)
    key = ApiKey(name="shop", scopes=Scope.values, requests_per_minute=1_000_000)
    told = {"token": issue_key(key), "file": str(file_of(champion, f"{champion.kind}_model.pkl"))}
    print(json.dumps(told))  # noqa: T201 - for who has started this


if __name__ == "__main__":
    main()
