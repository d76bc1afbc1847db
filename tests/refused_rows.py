"""Corrects refused rows on their pages, as a person does."""

from typing import Any

from django.test import Client
from django.urls import reverse

from project.mappings.refused import RefusedRow


def page_of(row: RefusedRow) -> str:
    """Return the address of the page of a refused row."""
    return reverse(f"admin:{row._meta.label_lower.replace('.', '_')}_change", args=[row.pk])


def correct_row(client: Client, row: RefusedRow, *, button: str = "keep", **values: str) -> Any:
    """Write into columns of a row, "whole" for all of its line, and press a button."""
    form = client.get(page_of(row)).context["form"]
    written = {"": values["whole"]} if "whole" in values else values
    said = {
        key: written.get(name, form.fields[key].initial or "") for key, name in form.names.items()
    }
    assert written.keys() <= set(form.names.values())
    return client.post(page_of(row), {**said, button: "1"})
