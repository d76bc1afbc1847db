"""Seed users and groups in the admin."""

from contextlib import closing
from functools import partial
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import URLPattern, path
from django.utils.html import format_html, format_html_join

from matching.admin.identity import IdentityPages
from matching.admin.profile_forms import GroupForm, ProfileForm
from matching.admin.unknown_words import name_unknown
from matching.domain.lexicon.folding import KINDS
from matching.domain.population import ARCHETYPES
from matching.domain.profile_files import LIMITS
from matching.models import PROFILE_FIELDS, SeedUser, TravelGroup
from matching.queries.sessions import travellers_of_users
from matching.queries.words import unknown_in, with_word
from matching.services.sessions import publish_after_commit, withdraw_after_commit
from project import clock, words
from project.jobs.forms import ArgumentsForm
from project.jobs.references import refer
from project.jobs.starts import start_from_list, start_job
from project.pages.admins import HistoryAdmin
from project.pages.badges import badge
from project.pages.cells import two_lines
from project.pages.consequences import Consequence
from project.pages.filters import RangeFilter
from project.pages.links import record_link, record_url
from project.tabular.doors import joined_name
from project.tabular.rows import TableFile
from project.tabular.sniff import FileRefused
from project.uploads.services import get_upload, path_of, release_upload


class MissingFilter(admin.SimpleListFilter):
    """Profiles by what they lack."""

    title = "what is missing"
    parameter_name = "missing"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        fields = [(name, f"no {label(name)}") for name in PROFILE_FIELDS]
        return [("nothing", "nothing: complete"), ("anything", "anything"), *fields]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        value = self.value()
        if value == "nothing":
            return queryset.complete()
        if value == "anything":
            return queryset.incomplete()
        return queryset.missing(value) if value in PROFILE_FIELDS else queryset


class AgeFilter(RangeFilter):
    """People between two ages."""

    step = "1"
    unit = "Years, both ends included."


class ArchetypeFilter(admin.SimpleListFilter):
    """Drawn profiles by the kind of traveller they were drawn from."""

    title = "archetype"
    parameter_name = "archetype"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(kind.name, kind.name.replace("_", " ")) for kind in ARCHETYPES]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(archetype=self.value()) if self.value() else queryset


class WordFilter(admin.SimpleListFilter):
    """People who carry a word, as the page of unknown words asks; there are too many to choose."""

    title = "word"
    parameter_name = "word"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        asked = request.GET.get(self.parameter_name, "")
        kind, _, word = asked.partition(":")
        return [(asked, f"{kind} {word}")] if kind in KINDS and word else []

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        kind, _, word = (self.value() or "").partition(":")
        return queryset.filter(with_word(kind, word)) if kind in KINDS and word else queryset


def label(name: str) -> str:
    """Return the words for a profile field."""
    field: Any = SeedUser._meta.get_field(name)
    return str(field.verbose_name)


refer("matching.seeduser", "external_id", "left", "right", "examples", field="external_id")
refer("matching.seeduser", "keep")
refer("matching.travelgroup", "external_id", "right", "examples", field="external_id")


def foresee_filling(request: HttpRequest, users: Any) -> Consequence:
    """Say how many synthetic people are filled in, and how many real ones stay as they are."""
    waiting = users.incomplete()
    synthetic, real = waiting.synthetic().count(), waiting.real().count()
    whole = users.complete().count()
    drawn = "synthetic profile lacks something and is", "synthetic profiles lack something and are"
    told = [
        f"{words.counted(synthetic, *drawn)} filled in with drawn values."
        if synthetic
        else "There is nothing to fill in: no synthetic profile among these lacks anything."
    ]
    if real:
        left = (
            "real person lacks something and stays as it is",
            "real people lack something and stay as they are",
        )
        told.append(f"{words.counted(real, *left)}: nothing is invented of real people.")
    if whole:
        told.append(f"{words.counted(whole, 'profile is', 'profiles are')} complete already.")
    if synthetic:
        told.append("What is set stays. Each value that was filled in stands in the history.")
    return Consequence(synthetic, tuple(told), starts_jobs=True)


def foresee_trips(request: HttpRequest, owners: Any) -> Consequence:
    """Say how many travellers without a live trip get a drawn one."""
    live = owners.filter(session__expires_at__gt=clock.now()).count()
    waiting = owners.count() - live
    told = [
        (
            f"{words.counted(waiting, 'trip is', 'trips are')} drawn: a destination, dates and a "
            "budget, labelled synthetic, with a live copy that other applications see."
        )
    ]
    if live:
        stay = "live trip stays as it is", "live trips stay as they are"
        told.append(f"{words.counted(live, *stay)}.")
    return Consequence(waiting, tuple(told), starts_jobs=True)


@admin.register(SeedUser)
class SeedUserAdmin(IdentityPages, HistoryAdmin[SeedUser]):
    form = ProfileForm
    list_display = [
        "person",
        "profile",
        "age",
        "personality",
        "home_city",
        "trip",
        "origin_word",
    ]
    list_filter = [MissingFilter, "origin", ("age", AgeFilter), ArchetypeFilter, WordFilter]
    show_facets = admin.ShowFacets.ALWAYS
    search_fields = ["external_id", "name", "home_city", "aliases__external_id"]
    search_help_text = "Id, also a former one, name or home town"
    list_select_related = ["session"]
    list_per_page = 50
    readonly_fields = ["unknown_words"]
    fieldsets = [
        (
            None,
            {
                "fields": [
                    "unknown_words",
                    "external_id",
                    "name",
                    ("origin", "archetype"),
                ]
            },
        ),
        (
            "Person",
            {
                "fields": [
                    ("age", "gender"),
                    ("personality", "extraversion"),
                    ("nationality", "religion", "profession"),
                ]
            },
        ),
        ("Interests and languages", {"fields": ["interests", "languages"]}),
        ("Home", {"fields": ["home_city", ("home_lat", "home_lon")]}),
        ("Habits", {"fields": [("smoking", "drinking")]}),
    ]
    foreign_columns = {"trip": "matching.view_travelsession"}
    actions = ["fill_in", "create_sessions"]
    consequences: ClassVar[Any] = {"fill_in": foresee_filling, "create_sessions": foresee_trips}
    removal_page = "remove_person"
    empty_title = "There are no seed users yet"
    empty_text = "Six named users and a drawn population are the ground for everything else."
    start_links = [
        ("matching_seeduser_seed", "Draw seed users", "matching.add_seeduser"),
        ("matching_seeduser_import", "Import a file", "matching.add_seeduser"),
    ]

    def get_urls(self) -> list[URLPattern]:
        seed = partial(
            start_from_list,
            self,
            kind="matching.seed_users",
            title="Draw seed users",
            intro="Adds the six named users, four named groups and a synthetic population. Who is "
            "there stays as edited; the same seed and count add nothing twice.",
        )
        import_file = partial(
            start_from_list,
            self,
            kind="matching.import_users",
            title="Import seed users",
            intro="Rows with errors are named by line and field, the good ones are added or "
            "updated. Blank cells leave what is there.",
            check=_check_profiles,
        )
        wrap = self.admin_site.admin_view
        return [
            path("seed/", wrap(seed), name="matching_seeduser_seed"),
            path("import/", wrap(import_file), name="matching_seeduser_import"),
            *self.identity_urls(),
            *super().get_urls(),
        ]

    def row_links(self, request: HttpRequest, record: Any) -> list[tuple[str, str]]:
        return [*self.trip_links(request, record), *self.identity_links(request, record)]

    def trip_links(self, request: HttpRequest, record: Any) -> list[tuple[str, str]]:
        """What leads to the trip of a person or a group."""
        session = getattr(record, "session", None)
        if session is None or not request.user.has_perm("matching.view_travelsession"):
            return []
        return [("Trip", record_url(session))]

    @admin.display(description="name and id", ordering="external_id")
    def person(self, user: Any) -> Any:
        return two_lines(user.title, user.external_id, is_id=True)

    @admin.display(description="origin", ordering="origin")
    def origin_word(self, user: SeedUser) -> Any:
        return badge(user.get_origin_display())

    @admin.display(description="completeness", ordering="completeness")
    def profile(self, user: SeedUser) -> Any:
        if user.pk is None:
            return "-"
        missing = [label(name) for name in user.missing_fields]
        return render_to_string(
            "matching/completeness.html",
            {"percent": round(100 * user.completeness), "missing": missing},
        )

    @admin.display(description="words that are not known")
    def unknown_words(self, user: SeedUser) -> Any:
        if user.pk is None:
            return "-"
        unknown = [" ".join(one) for one in unknown_in(vars(user))]
        return format_html_join(" ", "{}", ((badge(text),) for text in unknown)) or "none"

    @admin.display(description="trip")
    def trip(self, user: SeedUser) -> Any:
        session = getattr(user, "session", None)
        if session is None:
            return badge("none")
        dates: Any = words.stay(session.start_date, session.end_date)
        if session.expires_at <= clock.now():
            dates = format_html("{} {}", dates, badge("expired"))
        return two_lines(record_link(session, session.place), dates)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        # The id is the key of the live session and stands in logs: Rename lets both follow.
        return [*self.readonly_fields, "external_id"] if obj else self.readonly_fields

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if change:  # an earlier state that is brought back has the name of then
            kept = SeedUser.objects.filter(pk=obj.pk).values_list("external_id", flat=True)
            obj.external_id = kept.first() or obj.external_id
        super().save_model(request, obj, form, change)
        obj.refresh_from_db(fields=["completeness"])
        name_unknown(request, vars(obj))
        publish_after_commit(
            travellers_of_users([obj.pk]), on_failure=partial(messages.warning, request)
        )

    def has_plan_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("matching.add_travelsession")

    @admin.action(description="Fill in what is missing", permissions=["change"])
    def fill_in(self, request: HttpRequest, queryset: QuerySet[SeedUser]) -> None:
        users = list(queryset.values_list("pk", flat=True))
        start_job(request, "matching.complete_users", users=users)

    @admin.action(description="Create sessions", permissions=["plan"])
    def create_sessions(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        users = list(queryset.values_list("pk", flat=True))
        start_job(request, "matching.create_sessions", users=users)


def _check_profiles(form: ArgumentsForm) -> None:
    upload = get_upload(UUID(form.arguments["file"]))
    try:
        table = TableFile(path_of(upload), name=upload.name, limits=LIMITS)
        with closing(table.rows()) as rows:
            first = next(rows, None)
    except FileRefused as error:
        release_upload(upload)
        form.add_error("file", str(error))
        return
    asked = form.arguments
    columns = {joined_name(name) for name in (first.values if first else None) or ()}
    # What stands in another encoding or behind a delimiter is looked at by the job, which asks too.
    if first and not (asked["origin"] or "origin" in columns or "origin" in asked["columns"]):
        release_upload(upload)
        form.add_error(
            "origin",
            f"{upload.name} does not say whether its people are real or synthetic. Say it here, "
            "and choose the file again.",
        )


@admin.register(TravelGroup)
class TravelGroupAdmin(HistoryAdmin[TravelGroup]):
    form = GroupForm
    list_display = ["person", "members_word", "trip", "origin_word"]
    list_filter = ["origin"]
    search_fields = ["external_id", "name"]
    search_help_text = "Id or name"
    list_select_related = ["session"]
    list_per_page = 50
    fields = ["external_id", "name", "origin", "members"]
    foreign_columns = {"trip": "matching.view_travelsession"}
    autocomplete_fields = ["members"]
    actions = ["create_sessions"]
    consequences: ClassVar[Any] = {"create_sessions": foresee_trips}
    empty_title = "There are no groups yet"
    empty_text = "Groups are drawn together with seed users; user_group events need them."
    start_links = [
        ("matching_seeduser_seed", "Draw seed users", "matching.add_seeduser"),
        ("matching_travelgroup_import", "Import a file", "matching.add_travelgroup"),
    ]

    def get_urls(self) -> list[URLPattern]:
        import_file = partial(
            start_from_list,
            self,
            kind="matching.import_groups",
            title="Import groups",
            intro="All rows land, or none: the members of a group have to be here as people. A "
            "group that is there has the members that the file says.",
        )
        view = self.admin_site.admin_view(import_file)
        return [path("import/", view, name="matching_travelgroup_import"), *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return (
            super()
            .get_queryset(request)
            .annotate(
                member_count=Count("members"),
                complete_count=Count("members", filter=Q(members__completeness=1.0)),
            )
        )

    person = SeedUserAdmin.person
    row_links = SeedUserAdmin.trip_links
    origin_word = SeedUserAdmin.origin_word
    trip = SeedUserAdmin.trip
    has_plan_permission = SeedUserAdmin.has_plan_permission

    @admin.display(description="members", ordering="member_count")
    def members_word(self, group: Any) -> Any:
        if not group.member_count:
            return badge("nobody")
        if group.complete_count == group.member_count:
            return format_html("{} complete", group.member_count)
        return format_html("{} of {} complete", group.complete_count, group.member_count)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["external_id"] if obj else []

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        publish_after_commit(
            [form.instance.external_id], on_failure=partial(messages.warning, request)
        )

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        self.delete_queryset(request, TravelGroup.objects.filter(pk=obj.pk))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        gone = list(queryset.values_list("external_id", flat=True))
        super().delete_queryset(request, queryset)
        withdraw_after_commit(gone, on_failure=partial(messages.warning, request))

    @admin.action(description="Create sessions", permissions=["plan"])
    def create_sessions(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        groups = list(queryset.values_list("pk", flat=True))
        start_job(request, "matching.create_sessions", groups=groups)
