"""Keys of applications in the admin: made here, shown once, revoked with a question before."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from project import words
from project.acting import Actor
from project.pages.admins import RecordAdmin
from project.pages.badges import badge
from project.pages.cells import two_lines
from project.pages.forms import RecordForm
from project.pages.navigation import Entry, add_entries
from serving.models import ApiKey, Scope
from serving.services.keys import issue_key, revoke_key

add_entries(
    Entry.of(
        ApiKey,
        section="Administration",
        label="API keys",
        order=93,
        rows=ApiKey.objects.open,
        noun="open",
    )
)


class ApiKeyForm(RecordForm[ApiKey]):
    """What is asked of a new key."""

    scopes = forms.MultipleChoiceField(
        choices=Scope.choices,
        widget=forms.CheckboxSelectMultiple,
        initial=[Scope.SCORE.value],
        label="Opens",
        help_text="No more than the application needs.",
    )

    class Meta:
        model = ApiKey
        fields = ["name", "scopes", "requests_per_minute", "expires_at"]


@admin.register(ApiKey)
class ApiKeyAdmin(RecordAdmin[ApiKey]):
    form = ApiKeyForm
    fields = ["name", "scopes", "requests_per_minute", "expires_at"]
    list_display = ["named", "scope_names", "pace", "used", "state_now"]
    list_display_links = ["named"]
    search_fields = ["name", "start"]
    search_help_text = "Name, or how the key begins"
    empty_title = "No application has a key yet"
    empty_text = (
        "An application asks for scores with a key, which is made here and shown once. "
        "/api/v1/docs shows what can be asked."
    )

    def get_urls(self) -> list[URLPattern]:
        revoke = self.admin_site.admin_view(self.revoke_view)
        return [path("<int:pk>/revoke/", revoke, name="serving_apikey_revoke"), *super().get_urls()]

    def has_change_permission(self, request: HttpRequest, obj: ApiKey | None = None) -> bool:
        return False  # what a key opens is what it was made for; another use gets another key

    def has_delete_permission(self, request: HttpRequest, obj: ApiKey | None = None) -> bool:
        return False  # the audit list names it

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [] if obj is None else ["start", "opens", "made", "used", "state_now"]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return self.fields
        shown = ["name", "start", "opens", "requests_per_minute", "expires_at"]
        return [*shown, "made", "used", "state_now"]

    def row_links(self, request: HttpRequest, record: ApiKey) -> list[tuple[str, str]]:
        if not self._may_revoke(request) or record.revoked_at is not None:
            return []
        return [("Revoke it …", reverse("admin:serving_apikey_revoke", args=[record.pk]))]

    @admin.display(description="application", ordering="name")
    def named(self, key: ApiKey) -> Any:
        return two_lines(key.name, f"begins with {key.start}")

    @admin.display(description="opens")
    def opens(self, key: ApiKey) -> str:
        first, *more = (str(scope.label) for scope in Scope if scope in key.scopes)
        return ", ".join([first, *(label.lower() for label in more)])

    @admin.display(description="opens")
    def scope_names(self, key: ApiKey) -> str:
        return ", ".join(scope for scope in Scope.values if scope in key.scopes)

    @admin.display(description="requests a minute", ordering="requests_per_minute")
    def pace(self, key: ApiKey) -> str:
        return words.number(key.requests_per_minute)

    @admin.display(description="made")
    def made(self, key: ApiKey) -> str:
        return f"{words.moment(key.made_at)} by {key.made_by}"

    @admin.display(description="last used", ordering="last_used_at")
    def used(self, key: ApiKey) -> str:
        return words.moment(key.last_used_at) if key.last_used_at else "never"

    @admin.display(description="state")
    def state_now(self, key: ApiKey) -> Any:
        if key.revoked_at is not None:
            said = f"{words.moment(key.revoked_at)} by {key.revoked_by}"
        else:
            said = "no end" if key.expires_at is None else f"until {words.moment(key.expires_at)}"
        return two_lines(badge(key.state, tone="good" if key.state == "open" else ""), said)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Ask for a new key; what is shown then is the key, so there is but one way to save."""
        ways = {"show_save_and_add_another": False, "show_save_and_continue": False}
        return super().add_view(request, form_url, {**(extra_context or {}), **ways})

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        request.made_token = issue_key(obj, by=Actor.of(request.user))  # type: ignore[attr-defined]

    def response_add(self, request: HttpRequest, obj: ApiKey, *_: Any) -> HttpResponse:
        """Show the key, in the answer itself: it is kept nowhere, not even until the next page."""
        token = request.made_token  # type: ignore[attr-defined]
        context = self.page_context(request, f"Key of {obj}", key=obj, token=token)
        return TemplateResponse(request, "serving/key_made.html", context)

    def revoke_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask whether a key shall open nothing any more, and revoke it."""
        if not self._may_revoke(request):
            raise PermissionDenied
        key = self.get_or_denied(request, str(pk))
        form = forms.Form(request.POST or None)
        if request.method == "POST":
            if revoke_key(key, by=Actor.of(request.user)):
                messages.success(request, f"{key} opens nothing any more.")
            else:
                messages.info(request, f"{key} was revoked before.")
            return self.to_list()
        return self.confirm_page(
            request,
            key,
            form,
            is_final=True,
            title=f"Revoke the key of {key}",
            intro="Within a second every request with it is answered with 401, in all processes. "
            "It cannot be taken back: the application needs another key.",
        )

    def _may_revoke(self, request: HttpRequest) -> bool:
        return request.user.has_perm("serving.change_apikey")
