"""Sessions in the admin, with the state of their live copies."""

import json
from functools import partial
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import URLPattern, path
from django.utils.html import format_html

from matching.admin.profile_forms import SessionForm
from matching.admin.unknown_words import name_unknown
from matching.domain.limits import MINIMUM_LIVE
from matching.models import SeedUser, TravelGroup, TravelSession, live
from matching.models.live import LiveCopy, ValkeyUnavailable
from matching.queries.identity import merged_numbers
from matching.queries.sessions import expected_copy
from matching.services.sessions import publish_after_commit, withdraw_after_commit
from project import clock, words
from project.jobs.starts import start_from_list, start_job
from project.pages.admins import HistoryAdmin
from project.pages.badges import badge
from project.pages.cells import two_lines
from project.pages.consequences import Consequence
from project.pages.filters import DateRangeFilter
from project.pages.links import record_url


class StateFilter(admin.SimpleListFilter):
    """Sessions by whether their time has run out."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("live", "live"), ("expired", "expired")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() == "live":
            return queryset.live()
        if self.value() == "expired":
            return queryset.filter(expires_at__lte=clock.now())
        return queryset


class SessionList(ChangeList):
    """Reads the live copies of a page in one round trip."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        try:
            copies = live.read(session.external_id for session in self.result_list)
        except ValkeyUnavailable as error:
            messages.warning(request, str(error))
            return
        for session in self.result_list:
            copy = copies.get(session.external_id)
            session.copy_state = copy_state(session, copy)


def copy_state(session: TravelSession, copy: LiveCopy | None) -> str:
    """Return the word for a live copy."""
    if copy is not None and copy.session is None:
        return "unreadable"
    if session.expires_at <= clock.now():
        return "expired" if copy is None else "out of step"
    if copy is None or copy.session is None:
        return "lost"
    return "there" if copy.session.static_attributes else "no attributes"


def foresee_check(request: HttpRequest, sessions: Any) -> Consequence:
    """Say what is compared."""
    count = sessions.count()
    told = f"The live copies of {words.counted(count, 'session')} are compared with the records."
    return Consequence(count, (told, "Nothing is changed."), starts_jobs=True)


def foresee_repair(request: HttpRequest, sessions: Any) -> Consequence:
    """Say what is written where record and live copy do not agree."""
    count = sessions.count()
    told = (
        (
            f"Of {words.counted(count, 'session')}, live copies that are lost or wrong are "
            "written anew, and what another application wrote later replaces the record."
        ),
        (
            "Other applications see the new copies at once; each change of a record stands in its "
            "history."
        ),
    )
    return Consequence(count, told, starts_jobs=True)


@admin.register(TravelSession)
class TravelSessionAdmin(HistoryAdmin[TravelSession]):
    form = SessionForm
    list_display = [
        "traveller",
        "destination",
        "budget_word",
        "copy_word",
        "origin_word",
    ]
    list_filter = [
        StateFilter, "mode", "origin", ("start_date", DateRangeFilter), "is_adopted"
    ]  # fmt: skip
    search_fields = ["external_id", "destination_name", "user__aliases__external_id"]
    search_help_text = "Traveller or destination"
    list_per_page = 50
    autocomplete_fields = ["user", "group"]
    fieldsets = [
        (None, {"fields": [("user", "group"), ("origin", "mode")]}),
        (
            "Trip",
            {
                "fields": [
                    "destination_name",
                    ("destination_lat", "destination_lon"),
                    ("start_date", "end_date"),
                    "budget",
                    "interests",
                ]
            },
        ),
        ("Live copy", {"fields": ["expires_at", "is_adopted", "live_copy"]}),
    ]
    readonly_fields = ["is_adopted", "live_copy"]
    actions = ["check_copies", "repair_copies"]
    consequences: ClassVar[Any] = {"check_copies": foresee_check, "repair_copies": foresee_repair}
    empty_title = "There are no sessions yet"
    empty_text = "A session is the trip that a user or group plans; match events are made of them."
    start_links = [
        ("matching_travelsession_create", "Create sessions", "matching.add_travelsession"),
        ("matching_travelsession_import", "Import a file", "matching.add_travelsession"),
    ]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return SessionList

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("user", "group")

    def get_urls(self) -> list[URLPattern]:
        create = partial(
            start_from_list,
            self,
            kind="matching.create_sessions",
            title="Create sessions",
            intro="Draws a trip for each user and group without a live session. Live sessions stay "
            "as they are, expired ones are renewed.",
        )
        import_file = partial(
            start_from_list,
            self,
            kind="matching.import_sessions",
            title="Import trips",
            intro="All rows land, or none: who travels has to be here, a person or a group. A trip "
            "takes the place of the one that its traveller has.",
        )
        wrap = self.admin_site.admin_view
        return [
            path("create/", wrap(create), name="matching_travelsession_create"),
            path("import/", wrap(import_file), name="matching_travelsession_import"),
            *super().get_urls(),
        ]

    @admin.display(description="budget", ordering="budget")
    def budget_word(self, session: TravelSession) -> Any:
        return words.number(session.budget)

    def row_links(self, request: HttpRequest, record: TravelSession) -> list[tuple[str, str]]:
        owner = record.user or record.group
        if owner is None or not request.user.has_perm(f"matching.view_{owner._meta.model_name}"):
            return []
        return [("Traveller", record_url(owner))]

    @admin.display(description="traveller", ordering="external_id")
    def traveller(self, session: TravelSession) -> Any:
        owner = session.user or session.group
        return two_lines(owner.title if owner else "unknown", session.external_id, is_id=True)

    @admin.display(description="trip", ordering="start_date")
    def destination(self, session: TravelSession) -> Any:
        dates = words.stay(session.start_date, session.end_date)
        return two_lines(session.place, dates)

    @admin.display(description="origin", ordering="origin")
    def origin_word(self, session: TravelSession) -> Any:
        return badge("adopted" if session.is_adopted else session.get_origin_display())

    @admin.display(description="live copy", ordering="expires_at")
    def copy_word(self, session: TravelSession) -> Any:
        state = getattr(session, "copy_state", "unknown")
        if session.expires_at <= clock.now():
            return badge(state)
        left = words.duration(round((session.expires_at - clock.now()).total_seconds()))
        return two_lines(badge(state), f"for {left}")

    @admin.display(description="in Valkey")
    def live_copy(self, session: TravelSession) -> Any:
        if session.pk is None:
            return "Written when the session is saved."
        try:
            copy = live.read([session.external_id]).get(session.external_id)
        except ValkeyUnavailable as error:
            return format_html("{} {}", badge("unknown"), str(error))
        state = copy_state(session, copy)
        fields, document = [], ""
        if copy is not None and copy.session is not None:
            fields = live.differences(expected_copy(session), copy.session)
            document = json.dumps(live.as_document(copy.session), indent=2, ensure_ascii=False)
        return render_to_string(
            "matching/live_copy.html",
            {
                "key": session.key,
                "state": "out of step" if fields else state,
                "fields": fields,
                "problem": copy.problem if copy else "",
                "document": document,
            },
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        # The owner's id is the key of the live copy.
        return [*self.readonly_fields, "user", "group"] if obj else self.readonly_fields

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        # An earlier state that is brought back has the name, and the number, of then.
        obj.user_id = merged_numbers().get(obj.user_id, obj.user_id)
        owners: Any = SeedUser if obj.user_id else TravelGroup
        owner = owners.objects.filter(pk=obj.user_id or obj.group_id).first()
        obj.external_id = obj.external_id if owner is None else owner.external_id
        super().save_model(request, obj, form, change)
        name_unknown(request, {"interests": obj.interests})
        publish_after_commit([obj.external_id], on_failure=partial(messages.warning, request))

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        self.delete_queryset(request, TravelSession.objects.filter(pk=obj.pk))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        gone = list(queryset.values_list("external_id", flat=True))
        super().delete_queryset(request, queryset)
        withdraw_after_commit(gone, on_failure=partial(messages.warning, request))

    @admin.action(description="Check live copies", permissions=["change"])
    def check_copies(self, request: HttpRequest, queryset: QuerySet[TravelSession]) -> None:
        start_job(request, "matching.check_sessions", **_scope(queryset))

    @admin.action(description="Repair live copies", permissions=["change"])
    def repair_copies(self, request: HttpRequest, queryset: QuerySet[TravelSession]) -> None:
        start_job(request, "matching.repair_sessions", **_scope(queryset))


def _scope(queryset: QuerySet[TravelSession]) -> dict[str, Any]:
    """Everybody when all are selected, which finds copies without a record too."""
    only = list(queryset.values_list("external_id", flat=True))
    if len(only) == TravelSession.objects.count():
        return {"minimum": MINIMUM_LIVE, "only": None}
    return {"minimum": 1, "only": only}
