"""The forms of feedback: a source whose password is written and never read, and an upload."""

from contextlib import suppress
from typing import Any

from django import forms
from django.conf import settings
from django.views.decorators.debug import sensitive_variables

from feedback.domain.certificates import CertificateUnreadable, fingerprint, read_certificates
from feedback.domain.endpoints import Endpoint, refuse_variable
from feedback.models import FeedbackSource
from feedback.models.passwords import AGAIN, PasswordUnavailable, endpoint_of, password_of
from feedback.queries.addresses import AddressRefused, check_address
from feedback.services.sources import set_password
from project.pages.forms import RecordForm


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
            "is_enabled",
            "host",
            "port",
            "database",
            "user",
            "password_variable",
            "sslmode",
            "ca_certificate",
            "schema",
            "mapping",
            "naive_timezone",
            "time_unit",
            "overlap_hours",
            "changed_column",
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
        endpoint = Endpoint(
            cleaned.get("host") or "",
            cleaned.get("port") or 0,
            cleaned.get("database") or "",
            cleaned.get("user") or "",
            cleaned.get("sslmode") or "",
            fingerprint(_normal(cleaned.get("ca_certificate") or "")),
        )
        # Held against what is stored: the page of an earlier state in the history, which can be
        # saved again, begins with the address of that day and the password of today.
        stored = FeedbackSource.objects.filter(pk=self.instance.pk).first()
        if (
            stored is not None
            and stored.password_encrypted
            and not endpoint.may_have(endpoint_of(stored))
            and not cleaned.get("new_password")
            and not cleaned.get("remove_password")
        ):
            self.add_error("new_password", AGAIN)
        if cleaned.get("password_variable") and self.instance.kind == FeedbackSource.Kind.POSTGRES:
            refused = refuse_variable(
                cleaned["password_variable"], endpoint, settings.FEEDBACK_VARIABLES
            )
            if refused:
                self.add_error("password_variable", refused)
        if self.instance.kind == FeedbackSource.Kind.POSTGRES and cleaned.get("host"):
            try:
                check_address(
                    cleaned["host"], cleaned.get("port") or 0, settings.FEEDBACK_ALLOWED_HOSTS
                )
            except AddressRefused as error:
                self.add_error("host", str(error))
        return cleaned

    @property
    def password_change(self) -> str:
        """What is done about the password, in words."""
        if self.cleaned_data.get("new_password"):
            return "password entered"
        return "password removed" if self.cleaned_data.get("remove_password") else ""

    @sensitive_variables()
    def save(self, commit: bool = True) -> Any:
        if self.cleaned_data.get("new_password"):
            set_password(self.instance, self.cleaned_data["new_password"])
        elif self.cleaned_data.get("remove_password"):
            set_password(self.instance, "")
        elif self.instance.password_encrypted and {
            "sslmode",
            "ca_certificate",
        }.intersection(self.changed_data):
            # Whoever asks for more TLS wants it to stay: the password is bound to the new mode.
            with suppress(PasswordUnavailable):
                set_password(self.instance, password_of(self.instance))
        return super().save(commit)


def _normal(certificates: str) -> str:
    """Return certificates as they are kept; what is wrong with them is said by the model."""
    with suppress(CertificateUnreadable):
        return read_certificates(certificates)
    return certificates
