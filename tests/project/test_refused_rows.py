"""What every door has to say of its refused rows; what is left out is found here."""

from inspect import getattr_static
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin

from project.mappings.refused import RefusedRow
from project.mappings.refused_admin import RefusedRowAdmin

KINDS: list[type[Any]] = [model for model in apps.get_models() if issubclass(model, RefusedRow)]


def left_out(cls: type[Any]) -> list[str]:
    return [
        name
        for name in dir(cls)
        if getattr(getattr_static(cls, name), "__isabstractmethod__", False)
    ]


def test_there_are_refused_rows_of_people_events_and_feedback() -> None:
    assert {model._meta.label for model in KINDS} == {
        "matching.RefusedProfile", "matching.RejectedEvent", "feedback.RejectedRecord"
    }  # fmt: skip
    assert left_out(RefusedRow) == ["came", "column", "is_complete", "said"]
    assert left_out(RefusedRowAdmin) == ["try_again", "where"]


@pytest.mark.parametrize("model", KINDS)
def test_a_door_says_all_that_differs(model: type[Any]) -> None:
    page: Any = admin.site._registry[model]
    assert isinstance(page, RefusedRowAdmin)
    assert left_out(model) == left_out(type(page)) == []
    for name in ("retry_permission", "file_order", "one_file"):
        assert getattr(page, name)
    columns, sentence = page.one_file
    assert all(model._meta.get_field(column) for column in columns)
    assert sentence.startswith("Choose ")
