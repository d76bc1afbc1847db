"""Remedies in the admin are for people without a terminal."""

import re
from pathlib import Path

from django.core.management import get_commands

from project.pages.remedies import PAGES, in_pages

ROOT = Path(__file__).parents[2]
# What no page does: whoever runs the installation has a terminal.
FOR_OPERATORS = (
    "serve", "worker", "scheduler", "services start", "services status", "rotate_keys",
    "adopt_folder", "createsuperuser",
)  # fmt: skip
ROOMS = ("domain", "queries", "services", "jobs", "kinds", "models")


def test_commands_and_options_are_said_as_pages_and_fields() -> None:
    told = "add 29 users with `manage.py seed_users --count 29 --seed 8` and `create_sessions`"
    assert in_pages(told) == (
        "add 29 users with “Make seed users” (People; count 29, seed 8) and “Create sessions” "
        "(Trips)"
    )
    assert in_pages("import it with --mapping proposed; with --accept-partial the rest lands") == (
        "import it with “Mapping” proposed; with “Accept partial” the rest lands"
    )
    assert in_pages("`manage.py models promote 3 --confirm-inputs REASON`") == (
        "“Make it live” (the page of the model; 3, confirm inputs REASON)"
    )
    as_it_is = "`manage.py services start`, my--file.csv, `quality`, a -- b"
    assert in_pages(as_it_is) == as_it_is


def test_every_command_that_a_remedy_names_has_its_page() -> None:
    named = set()
    for room in ROOMS:
        for path in ROOT.glob(f"[a-z]*/{room}/**/*.py"):
            if ".venv" not in path.parts and path.parts[len(ROOT.parts)] != "tests":
                named |= set(re.findall(r"`manage\.py ([a-z_]+(?: [a-z]+\b)?)", path.read_text()))
    known = {*PAGES, *FOR_OPERATORS, "jobs reference"}
    assert {
        one for one in named if one not in known and one.partition(" ")[0] not in known
    } == set()
    assert {one.partition(" ")[0] for one in known} <= {*get_commands()}
