"""What every door has to say of its refused rows; what is left out is found here."""

from inspect import getattr_static
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin

from project.mappings.refused import RefusedRow, reading_with
from project.mappings.refused_admin import RefusedRowAdmin
from project.tabular.doors import Door, FieldSpec
from project.tabular.mapping import ColumnMap, Mapper, TableMapping

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


def test_a_correction_is_read_of_a_field_for_which_the_table_has_no_column() -> None:
    door = Door(
        "tests.rows", "rows", (FieldSpec("id"), FieldSpec("age", "number"), FieldSpec("at"))
    )
    mapping = TableMapping(door.name, (ColumnMap("id", "Key"),), {"at": "x"})
    corrections = [{"Key": "1", "age": "30"}, {"other": "y"}, {}]
    found = reading_with(mapping, door, corrections)
    assert [(one.field, one.column) for one in found.columns] == [("id", "Key"), ("age", "age")]
    rows = [{"Key": "1", "age": "30"}, {"Key": "2", "other": "y"}]
    assert list(Mapper(door, found).apply(rows)) == [
        {"id": "1", "age": 30, "at": "x"},
        {"id": "2", "age": None, "at": "x"},
    ]
    assert reading_with(mapping, door, [{"Key": "1"}]) == mapping
