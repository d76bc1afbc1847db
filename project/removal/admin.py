"""Receipts in the admin: what was removed, by whom and why."""

from typing import Any

from django.contrib import admin

from project import words
from project.jobs.references import refer
from project.pages.admins import LargeTableAdmin
from project.pages.cells import two_lines
from project.pages.filters import DateRangeFilter
from project.pages.navigation import Entry, add_entries
from project.removal.contract import said_of
from project.removal.models import Receipt
from project.removal.registry import removal_of

refer("removal.receipt", "receipt")

add_entries(
    Entry.of(Receipt, section="Work", label="Removals", order=90, rows=None),
)

FIELDS = ("title", "what_went", "why", "actor", "asked_at", "at", "left_stale", "stayed", "sums")


@admin.register(Receipt)
class ReceiptAdmin(LargeTableAdmin[Receipt]):
    list_display = ("what", "what_went", "why", "actor", "at")
    list_filter = ("thing", ("at", DateRangeFilter))
    word_fields = ("title", "why", "actor")
    search_help_text = "Part of what, why or who; of the newest receipts that filters leave"
    fields = FIELDS
    readonly_fields = FIELDS
    empty_title = "Nothing was removed yet"
    empty_text = (
        "Batches, datasets, models, runs, sources and people have a button that says what would go."
    )

    @admin.display(description="what")
    def what(self, receipt: Receipt) -> Any:
        return two_lines(receipt.title, f"receipt {receipt.pk}")

    @admin.display(description="what went")
    def what_went(self, receipt: Receipt) -> str:
        how = removal_of(receipt.thing)
        gone = said_of(how.beside(receipt.counts) if how is not None else receipt.counts)
        return words.listed(gone) if gone else "the record alone"

    @admin.display(description="SHA-256")
    def sums(self, receipt: Receipt) -> str:
        return "\n".join(f"{name}: {digest}" for name, digest in receipt.digests.items()) or "none"

    @admin.display(description="what stood on it")
    def left_stale(self, receipt: Receipt) -> str:
        return " ".join(receipt.stale) or "nothing"

    @admin.display(description="what stayed")
    def stayed(self, receipt: Receipt) -> str:
        return " ".join(receipt.stays) or "nothing"
