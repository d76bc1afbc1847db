"""Links to the page of a record."""

from django.db.models import Model
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString


def record_url(record: Model) -> str:
    """Return the address of a record's page in the admin."""
    opts = record._meta
    return reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=[record.pk])


def record_link(record: Model, text: object = None) -> SafeString:
    """Return a record's words, or others, as a link to its page."""
    return format_html('<a href="{}">{}</a>', record_url(record), text or record)


def url_for(request: HttpRequest, label: str, pk: object) -> str:
    """Return the address of a record named by `app_label.model_name` and key.

    Empty where this person may not see it or it has no page of its own.
    """
    return "" if pk in (None, "") else _address(request, label, "change", pk)


def list_url_for(request: HttpRequest, label: str, query: str) -> str:
    """Return the address of a list of records, filtered; empty as that of a record is."""
    address = _address(request, label, "changelist")
    return f"{address}?{query}" if address and query else address


def _address(request: HttpRequest, label: str, page: str, *places: object) -> str:
    app, _, model = label.partition(".")
    if not (
        request.user.has_perm(f"{app}.view_{model}")
        or request.user.has_perm(f"{app}.change_{model}")
    ):
        return ""
    try:
        return reverse(f"admin:{app}_{model}_{page}", args=places)
    except NoReverseMatch:
        return ""
