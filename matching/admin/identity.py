"""Who is who, on the page of a person: another name, and two records that are one person."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.widgets import AutocompleteSelect
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.http import urlencode

from matching.models import PersonAlias, SeedUser, TravelSession
from matching.queries.merging import MergePlan, plan_merge
from matching.services.identity import rename_person
from project import words
from project.acting import Actor
from project.jobs.starts import start_job
from project.pages.admins import HistoryAdmin
from project.pages.cells import two_lines
from project.pages.links import record_link
from project.pages.registry import record_panel
from project.pages.remedies import in_pages
from project.refusal import Refusal

RENAME = "matching.change_seeduser"
MERGE = (RENAME, "matching.delete_seeduser")
TRIPS = {
    "kept": "The trip of who stays is kept",
    "moved": "The trip of who goes is taken over",
    "none": "Neither has a trip",
}

if TYPE_CHECKING:
    _Base = HistoryAdmin[SeedUser]
else:
    _Base = object


class NameForm(forms.Form):
    """Another name."""

    external_id = forms.CharField(
        label="New name",
        max_length=100,
        help_text="1 to 100 letters, digits, '_', '.', ':' or '-'; a former name of the person is "
        "one to return to.",
    )


class _Chooser(AutocompleteSelect):
    """Asks for a record by what it is called; what is no key chooses nothing."""

    def format_value(self, value: Any) -> list[str]:
        given = [str(one) for one in super().format_value(value)]
        return [one for one in given if one.isascii() and one.isdigit() and len(one) < 19]


class OtherForm(forms.Form):
    """Whose record goes."""

    gone: "forms.ModelChoiceField[SeedUser]" = forms.ModelChoiceField(
        SeedUser.objects.all(),
        label="The same person",
        widget=_Chooser(TravelSession._meta.get_field("user"), admin.site),
        help_text="Whose record goes. What would come of it is shown before anything is done.",
    )


class IdentityPages(_Base):
    """Pages on which a person gets another name, and takes in another record."""

    def identity_urls(self) -> list[URLPattern]:
        """The addresses of both."""
        wrap = self.admin_site.admin_view
        return [
            path("<int:pk>/rename/", wrap(self.rename_view), name="matching_seeduser_rename"),
            path("<int:pk>/merge/", wrap(self.merge_view), name="matching_seeduser_merge"),
        ]

    def identity_links(self, request: HttpRequest, user: SeedUser) -> list[tuple[str, str]]:
        """What leads to those that this person may use."""
        links = []
        if request.user.has_perm(RENAME):
            links.append(("Rename …", reverse("admin:matching_seeduser_rename", args=[user.pk])))
        if request.user.has_perms(MERGE):
            links.append(("Merge …", reverse("admin:matching_seeduser_merge", args=[user.pk])))
        return links

    def history_form_view(
        self,
        request: HttpRequest,
        object_id: str,
        version_id: str,
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Bring nobody back who was merged: that name and number are another person's."""
        number = int(object_id) if object_id.isascii() and object_id.isdigit() else 0
        merged = PersonAlias.objects.select_related("person").filter(number=number).first()
        if merged is not None and request.method == "POST":
            self.require(request, RENAME)
            messages.error(request, f"{merged} was merged into {merged.person}, and stays so.")
            return self.to_record(merged.person)
        return super().history_form_view(request, object_id, version_id, extra_context)

    def rename_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask for another name, and give it."""
        self.require(request, RENAME)
        user = self.get_or_denied(request, str(pk))
        form = NameForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            told: list[str] = []
            try:
                renamed = rename_person(
                    user,
                    form.cleaned_data["external_id"],
                    by=Actor.of(request.user),
                    on_failure=told.append,
                )
            except Refusal as refusal:
                form.add_error("external_id", in_pages(str(refusal)))
            else:
                for said in told:
                    messages.warning(request, said)
                messages.success(request, f"{user} is {renamed} now.")
                return self.to_record(renamed)
        return self.confirm_page(
            request,
            user,
            form,
            title=f"Rename {user}",
            intro="The trip and its live copy follow. The name of before stays as a former one: "
            "rows, events and requests that have it are of this person.",
        )

    def merge_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask whose record goes, say what comes of it, and start the job."""
        for permission in MERGE:
            self.require(request, permission)
        keep = self.get_or_denied(request, str(pk))
        is_sure = "confirmed" in request.POST
        form = OtherForm(request.POST or request.GET or None)
        plan, gone = None, None
        if form.is_valid():
            gone = form.cleaned_data["gone"]
            try:
                plan = plan_merge(keep, gone)
            except Refusal as refusal:
                form.add_error("gone", in_pages(str(refusal)))
        if plan is not None and gone is not None and request.method == "POST":
            if is_sure:
                if start_job(request, "matching.merge_people", keep=keep.pk, gone=gone.pk):
                    return self.to_record(keep)
            else:
                return HttpResponseRedirect(f"{request.path}?{urlencode({'gone': gone.pk})}")
        other = reverse("admin:matching_seeduser_merge", args=[gone.pk]) if gone else ""
        return self.confirm_page(
            request,
            keep,
            form if plan is None else forms.Form(),  # the plan names the other
            title=f"Merge into {keep}",
            intro="Two records of one person become one. Values that are set here stay; the other "
            "record goes, and its name finds this person. It cannot be undone.",
            template="matching/merge.html",
            submit="See what would come of it",
            is_final=plan is not None,
            plan=plan,
            rows=[] if plan is None else [*_fields(plan)],
            trip="" if plan is None else TRIPS[plan["trip"]],
            swapped=f"{other}?{urlencode({'gone': keep.pk})}" if other else "",
            links=None if gone is None else (_named(keep), _named(gone)),
        )


def _named(user: SeedUser) -> Any:
    return two_lines(record_link(user, user.title), user.external_id, is_id=True)


def _fields(plan: MergePlan) -> Iterable[dict[str, Any]]:
    for one in plan["fields"]:
        field: Any = SeedUser._meta.get_field(one["name"])
        yield {
            "label": str(field.verbose_name),
            "keep": _shown(one["keep"]),
            "gone": _shown(one["gone"]),
            "taken": one["taken"],
        }


def _shown(value: Any) -> str:
    if value in (None, "", []):
        return "-"
    if isinstance(value, float):
        return f"{value:g}"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


@record_panel(
    "matching.seeduser",
    template="matching/person_names.html",
    permission="matching.view_seeduser",
    order=15,
)
def names_card(request: HttpRequest, user: SeedUser) -> dict[str, Any]:
    """Say which names the person had."""
    names = [
        {
            "name": alias.external_id,
            "said": f"{alias.get_why_display()} {words.moment(alias.since)} by {alias.actor}",
        }
        for alias in user.aliases.order_by("-since")
    ]
    return {"names": names} if names else {}
