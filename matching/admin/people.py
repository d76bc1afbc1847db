"""Seed users and groups in the admin."""

import hashlib
import math
from functools import partial
from pathlib import Path

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q
from django.http import HttpResponseRedirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from simple_history.admin import SimpleHistoryAdmin

from matching.admin.profile_forms import ImportForm, ProfileForm, SeedForm
from matching.domain.population import ARCHETYPES
from matching.domain.profile_files import UnreadableFile, read_profiles
from matching.models import PROFILE_FIELDS, SeedUser, TravelGroup, TravelSession
from matching.services.sessions import (
    publish_after_commit,
    travellers_of_users,
    withdraw_after_commit,
)
from project.jobs.links import message_job
from project.jobs.services import enqueue


def badge(word: str, tone: str) -> str:
    """Show a word in a tone of the stylesheet."""
    return format_html('<span class="sb-badge sb-{}">{}</span>', tone, word)


def source_badge(record) -> str:
    """Show where a record comes from."""
    word = record.get_source_display()
    return badge(word, "synthetic" if word == "synthetic" else "plain")


class MissingFilter(admin.SimpleListFilter):
    """Profiles by what they lack."""

    title = "what is missing"
    parameter_name = "missing"

    def lookups(self, request, model_admin):
        fields = [(name, f"no {label(name)}") for name in PROFILE_FIELDS]
        return [("nothing", "nothing: complete"), ("anything", "anything"), *fields]

    def queryset(self, request, queryset):
        value = self.value()
        if value == "nothing":
            return queryset.complete()
        if value == "anything":
            return queryset.incomplete()
        return queryset.missing(value) if value in PROFILE_FIELDS else queryset


class ArchetypeFilter(admin.SimpleListFilter):
    """Drawn profiles by the kind of traveller they were drawn from."""

    title = "archetype"
    parameter_name = "archetype"

    def lookups(self, request, model_admin):
        return [(kind.name, kind.name.replace("_", " ")) for kind in ARCHETYPES]

    def queryset(self, request, queryset):
        return queryset.filter(archetype=self.value()) if self.value() else queryset


def label(name: str) -> str:
    """Return the words for a profile field."""
    return str(SeedUser._meta.get_field(name).verbose_name)


class EmptyStateMixin:
    """A list without any record says what the next step is."""

    change_list_template = "matching/change_list.html"
    empty_title = empty_text = ""
    start_links: list[tuple[str, str, str]] = []  # url name, words, permission

    def changelist_view(self, request, extra_context=None):
        links = [
            {"url": reverse(f"admin:{name}"), "words": words}
            for name, words, permission in self.start_links
            if request.user.has_perm(permission)
        ]
        context = {
            **(extra_context or {}),
            "empty_title": self.empty_title,
            "empty_text": self.empty_text,
            "start_links": links,
        }
        return super().changelist_view(request, context)

    def start_view(self, request, *, form_class, title, intro, permission, start):
        """Ask for the arguments of a job and start it; `start` gets the cleaned form."""
        if not request.user.has_perm(permission):
            raise PermissionDenied
        form = form_class(request.POST or None, request.FILES or None)
        if request.method == "POST" and form.is_valid():
            job = start(request, form)
            if job is not None:
                message_job(request, job)
                opts = self.model._meta
                return HttpResponseRedirect(
                    reverse(f"admin:{opts.app_label}_{opts.model_name}_changelist")
                )
        context = {
            **self.admin_site.each_context(request),
            "opts": self.model._meta,
            "title": title,
            "intro": intro,
            "form": form,
        }
        return TemplateResponse(request, "matching/start.html", context)


@admin.register(SeedUser)
class SeedUserAdmin(EmptyStateMixin, SimpleHistoryAdmin):
    form = ProfileForm
    list_display = [
        "external_id",
        "profile",
        "age",
        "personality",
        "trip",
        "source_word",
    ]
    list_filter = [MissingFilter, "source", ArchetypeFilter]
    show_facets = admin.ShowFacets.ALWAYS
    search_fields = ["external_id", "name", "home_city"]
    search_help_text = "Search by id, name or home town."
    list_select_related = ["session"]
    list_per_page = 50
    readonly_fields = ["profile"]
    fieldsets = [
        (None, {"fields": ["profile", "external_id", "name", ("source", "archetype")]}),
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
    actions = ["fill_in", "create_sessions"]
    empty_title = "There are no seed users yet"
    empty_text = "Six named users and a drawn population are the ground for everything else."
    start_links = [
        ("matching_seeduser_seed", "Draw seed users", "matching.add_seeduser"),
        ("matching_seeduser_import", "Import a file", "matching.add_seeduser"),
    ]

    def get_urls(self):
        seed = partial(
            self.start_view,
            form_class=SeedForm,
            title="Draw seed users",
            intro="Adds the six named users, four named groups and a synthetic population. Who is "
            "there stays as edited; the same seed and count add nothing twice.",
            permission="matching.add_seeduser",
            start=_start_seeding,
        )
        import_file = partial(
            self.start_view,
            form_class=ImportForm,
            title="Import seed users",
            intro="Rows with errors are named by line and field, the good ones are added or "
            "updated. Blank cells leave what is there.",
            permission="matching.add_seeduser",
            start=_start_import,
        )
        wrap = self.admin_site.admin_view
        return [
            path("seed/", wrap(seed), name="matching_seeduser_seed"),
            path("import/", wrap(import_file), name="matching_seeduser_import"),
            *super().get_urls(),
        ]

    @admin.display(description="source", ordering="source")
    def source_word(self, user):
        return source_badge(user)

    @admin.display(description="completeness", ordering="completeness")
    def profile(self, user):
        if user.pk is None:
            return "-"
        missing = [label(name) for name in user.missing_fields]
        return render_to_string(
            "matching/completeness.html",
            {"percent": round(100 * user.completeness), "missing": missing},
        )

    @admin.display(description="trip")
    def trip(self, user):
        session = getattr(user, "session", None)
        if session is None:
            return badge("none", "plain")
        is_live = session.expires_at > timezone.now()
        return format_html(
            '<a href="{}">{}</a> {}',
            reverse("admin:matching_travelsession_change", args=[session.pk]),
            session.destination_name,
            badge("live", "good") if is_live else badge("expired", "warn"),
        )

    def get_readonly_fields(self, request, obj=None):
        # The id is the key of the live session and stands in logs.
        return [*self.readonly_fields, "external_id"] if obj else self.readonly_fields

    def save_model(self, request, obj, form, change):
        super().save_model(request, obj, form, change)
        obj.refresh_from_db(fields=["completeness"])
        publish_after_commit(
            travellers_of_users([obj.pk]), on_failure=partial(messages.warning, request)
        )

    def delete_model(self, request, obj):
        self.delete_queryset(request, SeedUser.objects.filter(pk=obj.pk))

    def delete_queryset(self, request, queryset):
        users = dict(queryset.values_list("pk", "external_id"))
        speak_of_them = travellers_of_users(users) - set(users.values())
        super().delete_queryset(request, queryset)
        tell = partial(messages.warning, request)
        withdraw_after_commit(users.values(), on_failure=tell)
        publish_after_commit(speak_of_them, on_failure=tell)

    def has_plan_permission(self, request):
        return request.user.has_perm("matching.add_travelsession")

    @admin.action(description="Fill in what is missing", permissions=["change"])
    def fill_in(self, request, queryset):
        users = list(queryset.values_list("pk", flat=True))
        message_job(request, enqueue("matching.complete_users", by=request.user, users=users))

    @admin.action(description="Create sessions", permissions=["plan"])
    def create_sessions(self, request, queryset):
        users = list(queryset.values_list("pk", flat=True))
        message_job(request, enqueue("matching.create_sessions", by=request.user, users=users))


def _start_seeding(request, form):
    return enqueue("matching.seed_users", by=request.user, **form.cleaned_data)


def _start_import(request, form):
    upload = form.cleaned_data["file"]
    suffix = Path(upload.name).suffix.lower()
    if suffix not in (".csv", ".json"):
        form.add_error("file", f"Expected a file named .csv or .json, got {upload.name}.")
        return None
    content = upload.read()
    try:
        read_profiles(content, is_csv=suffix == ".csv")
    except UnreadableFile as error:
        form.add_error("file", str(error))
        return None
    sha256 = hashlib.sha256(content).hexdigest()
    folder = Path(settings.MEDIA_ROOT) / "profiles"
    folder.mkdir(parents=True, exist_ok=True)
    stored = folder / f"{sha256}{suffix}"
    stored.write_bytes(content)
    return enqueue("matching.import_users", by=request.user, file=str(stored), sha256=sha256)


@admin.register(TravelGroup)
class TravelGroupAdmin(EmptyStateMixin, SimpleHistoryAdmin):
    list_display = ["external_id", "name", "source_word", "members_word", "trip"]
    list_filter = ["source"]
    search_fields = ["external_id", "name"]
    search_help_text = "Search by id or name."
    list_select_related = ["session"]
    list_per_page = 50
    fields = ["external_id", "name", "source", "members"]
    autocomplete_fields = ["members"]
    actions = ["create_sessions"]
    empty_title = "There are no groups yet"
    empty_text = "Groups are drawn together with seed users; user_group events need them."
    start_links = [("matching_seeduser_seed", "Draw seed users", "matching.add_seeduser")]

    def get_queryset(self, request):
        return (
            super()
            .get_queryset(request)
            .annotate(
                member_count=Count("members"),
                complete_count=Count("members", filter=Q(members__completeness=1.0)),
            )
        )

    source_word = SeedUserAdmin.source_word
    trip = SeedUserAdmin.trip
    has_plan_permission = SeedUserAdmin.has_plan_permission

    @admin.display(description="members", ordering="member_count")
    def members_word(self, group):
        if not group.member_count:
            return badge("nobody", "warn")
        if group.complete_count == group.member_count:
            return format_html("{} complete", group.member_count)
        return format_html("{} of {} complete", group.complete_count, group.member_count)

    def get_readonly_fields(self, request, obj=None):
        return ["external_id"] if obj else []

    def save_related(self, request, form, formsets, change):
        super().save_related(request, form, formsets, change)
        publish_after_commit(
            [form.instance.external_id], on_failure=partial(messages.warning, request)
        )

    def delete_model(self, request, obj):
        self.delete_queryset(request, TravelGroup.objects.filter(pk=obj.pk))

    def delete_queryset(self, request, queryset):
        gone = list(queryset.values_list("external_id", flat=True))
        super().delete_queryset(request, queryset)
        withdraw_after_commit(gone, on_failure=partial(messages.warning, request))

    @admin.action(description="Create sessions", permissions=["plan"])
    def create_sessions(self, request, queryset):
        groups = list(queryset.values_list("pk", flat=True))
        message_job(request, enqueue("matching.create_sessions", by=request.user, groups=groups))


def build_panel(request):
    """Return what the front page says of people, and what the next step is."""
    if not request.user.has_perm("matching.view_seeduser"):
        return {}
    users = SeedUser.objects.count()
    complete = SeedUser.objects.complete().count()
    groups = TravelGroup.objects.count()
    live = TravelSession.objects.live().count()
    users_url = reverse("admin:matching_seeduser_changelist")
    sessions_url = reverse("admin:matching_travelsession_changelist")
    figures = [
        {"label": "Seed users", "value": users, "url": users_url},
        {
            "label": "Complete profiles",
            "value": f"{math.floor(1000 * complete / users) / 10:g} %" if users else "-",
            "verdict": "" if complete == users else "incomplete",
            "note": f"{users - complete:,} to fill in" if complete < users else "",
            "url": f"{users_url}?missing=anything" if complete < users else users_url,
        },
        {
            "label": "Groups",
            "value": groups,
            "url": reverse("admin:matching_travelgroup_changelist"),
        },
        {"label": "Live sessions", "value": live, "url": f"{sessions_url}?state=live"},
    ]
    step = None
    if not users:
        step = ("Draw seed users", reverse("admin:matching_seeduser_seed"), "matching.add_seeduser")
    elif not live:
        step = (
            "Create sessions",
            reverse("admin:matching_travelsession_create"),
            "matching.add_travelsession",
        )
    elif complete < users:
        step = ("Fill in profiles", f"{users_url}?missing=anything", "matching.change_seeduser")
    if step is not None and not request.user.has_perm(step[2]):
        step = None
    return {"figures": figures if users else [], "step": step}


admin.site.add_panel("matching/people_panel.html", build_panel, order=10)
