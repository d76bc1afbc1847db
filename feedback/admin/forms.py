"""The forms of feedback: a source whose password is written and never read, and an upload."""

from typing import Any

from django import forms
from django.conf import settings
from django.views.decorators.debug import sensitive_variables

from feedback.domain.tables import TABLES
from feedback.models import FeedbackSource, Table
from feedback.queries.addresses import AddressRefused, check_address
from feedback.services.sources import set_password
from project.pages.forms import RecordForm

# A password that is kept must not follow an address that somebody else may have changed.
ADDRESS_FIELDS = ("host", "port", "database", "user")


class SourceForm(RecordForm[FeedbackSource]):
    new_password = forms.CharField(
        required=False,
        strip=False,
        label="Password",
        widget=forms.PasswordInput(render_value=False, attrs={"autocomplete": "new-password"}),
        help_text="Kept encrypted and never shown. Empty: stays as it is.",
    )
    remove_password = forms.BooleanField(required=False)

    class Meta:
        model = FeedbackSource
        fields = (
            "name",
            "kind",
            "is_enabled",
            "host",
            "port",
            "database",
            "user",
            "password_variable",
            "sslmode",
            "schema",
            "mapping",
            "naive_timezone",
            "overlap_hours",
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.password_encrypted and "new_password" in self.fields:
            self.fields["new_password"].help_text = "One is kept. " + str(
                self.fields["new_password"].help_text
            )

    @sensitive_variables()
    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        # Held against what is stored: the page of an earlier state in the history, which can be
        # saved again, begins with the address of that day and the password of today.
        stored = FeedbackSource.objects.filter(pk=self.instance.pk).first()
        if (
            stored is not None
            and stored.password_encrypted
            and any(cleaned.get(name) != getattr(stored, name) for name in ADDRESS_FIELDS)
            and not cleaned.get("new_password")
            and not cleaned.get("remove_password")
        ):
            self.add_error(
                "new_password",
                "Enter the password again: it is sent to the new address only when you say so.",
            )
        if cleaned.get("kind") == FeedbackSource.Kind.POSTGRES and cleaned.get("host"):
            try:
                check_address(
                    cleaned["host"], cleaned.get("port") or 0, settings.FEEDBACK_ALLOWED_HOSTS
                )
            except AddressRefused as error:
                self.add_error("host", str(error))
        return cleaned

    @sensitive_variables()
    def save(self, commit: bool = True) -> Any:
        if self.cleaned_data.get("new_password"):
            set_password(self.instance, self.cleaned_data["new_password"])
        elif self.cleaned_data.get("remove_password"):
            set_password(self.instance, "")
        return super().save(commit)


class UploadForm(forms.Form):
    """A file of feedback, and what it calls the columns."""

    file = forms.FileField(help_text="CSV, JSON or JSONL; .gz too.")
    table = forms.ChoiceField(choices=Table.choices)
    source = forms.SlugField(initial="files", help_text="The source that keeps the rows.")
    columns = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Only what the file calls otherwise, one a line: quality_rating=stars",
    )
    dry_run = forms.BooleanField(required=False, label="Only check, write nothing")

    def clean_columns(self) -> Any:
        pairs = [line.partition("=") for line in self.cleaned_data["columns"].splitlines() if line]
        if not all(known.strip() and theirs.strip() for known, _, theirs in pairs):
            raise forms.ValidationError("Expected lines such as quality_rating=stars.")
        return {known.strip(): theirs.strip() for known, _, theirs in pairs}

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        table = cleaned.get("table")
        if table and "columns" in cleaned:
            known = {column.name for column in TABLES[table].columns}
            unknown = sorted(set(cleaned["columns"]) - known)
            if unknown:
                self.add_error("columns", f"No such column: {', '.join(unknown)}.")
        return cleaned
