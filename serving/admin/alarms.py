"""Alarms in the admin: what is wrong with what applications are answered, and what was."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from project import words
from project.pages.admins import RecordAdmin
from project.pages.badges import badge
from project.pages.cells import two_lines
from project.pages.navigation import Entry, State, add_entries
from project.pages.remedies import in_pages
from serving.models import Alarm

add_entries(
    Entry.of(
        Alarm,
        section="Matching",
        label="Alarms",
        order=45,
        rows=Alarm.objects.open,
        noun="open",
        state=State("bad", "open"),
    )
)


class OpenFilter(admin.SimpleListFilter):
    """Open alarms, or closed ones."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("open", "open"), ("closed", "closed")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() == "open":
            return queryset.open()
        return queryset.exclude(closed_at=None) if self.value() == "closed" else queryset


@admin.register(Alarm)
class AlarmAdmin(RecordAdmin[Alarm]):
    fields = ["state_now", "what_is_wrong", "what_to_do", "opened", "closed", "figures"]
    readonly_fields = ["state_now", "what_is_wrong", "what_to_do", "opened", "closed", "figures"]
    list_display = ["named", "state_listed", "opened"]
    list_display_links = ["named"]
    list_filter = [OpenFilter, "kind"]
    search_fields = ["subject", "text"]
    search_help_text = "An input, or words of what was wrong"
    empty_title = "Nothing was ever wrong"
    empty_text = (
        "An alarm opens here when applications get the same score again and again, when inputs go "
        "missing, or when the rules answer instead of the model; and it closes when that ends."
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Alarm | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Alarm | None = None) -> bool:
        return False

    @admin.display(description="alarm", ordering="kind")
    def named(self, alarm: Alarm) -> Any:
        return two_lines(str(alarm), in_pages(alarm.text))

    @admin.display(description="state")
    def state_listed(self, alarm: Alarm) -> Any:
        if alarm.is_open:
            return self.state_now(alarm)
        return two_lines(self.state_now(alarm), self.closed(alarm))

    @admin.display(description="state")
    def state_now(self, alarm: Alarm) -> Any:
        return badge("open", tone="bad") if alarm.is_open else badge("closed", tone="good")

    @admin.display(description="what is wrong")
    def what_is_wrong(self, alarm: Alarm) -> str:
        return in_pages(alarm.text)

    @admin.display(description="what to do")
    def what_to_do(self, alarm: Alarm) -> str:
        return in_pages(alarm.remedy)

    @admin.display(description="opened", ordering="opened_at")
    def opened(self, alarm: Alarm) -> str:
        return words.moment(alarm.opened_at)

    @admin.display(description="closed", ordering="closed_at")
    def closed(self, alarm: Alarm) -> str:
        return words.moment(alarm.closed_at)

    @admin.display(description="figures")
    def figures(self, alarm: Alarm) -> str:
        told = (
            f"{name.replace('_', ' ')} {words.number(value)}"
            for name, value in alarm.numbers.items()
            if isinstance(value, int | float)
        )
        return ", ".join(told) or words.NONE
