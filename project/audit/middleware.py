"""What a request tells of an act, by whom and from where; and every download."""

from collections.abc import Callable
from email.message import Message

from django.contrib import admin
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from project.audit.models import Act
from project.audit.services import record
from project.visitors import answering

CHOSEN_AT_MOST = 20  # ids that the line about a download from a list names


def trace(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Remember the request while it is answered, and note what is downloaded.

    Here and not in the views: whatever leaves as a file is seen, of pages to come too.
    """

    def middleware(request: HttpRequest) -> HttpResponseBase:
        with answering(request):
            response = get_response(request)
            if response.status_code == 200 and _is_download(response):
                _note_download(request, response)
        return response

    return middleware


def _is_download(response: HttpResponseBase) -> bool:
    return response.get("Content-Disposition", "").startswith("attachment")


def _note_download(request: HttpRequest, response: HttpResponseBase) -> None:
    model, pk = _record_of(request)
    chosen = request.POST.getlist("_selected_action")
    detail = request.path
    if chosen:
        named = ", ".join(chosen[:CHOSEN_AT_MOST])
        detail += f", of {named}" + (" ..." if len(chosen) > CHOSEN_AT_MOST else "")
    record(Act.EXPORT, model=model, pk=pk, title=_file_name(response), detail=detail)


def _record_of(request: HttpRequest) -> tuple[str, str]:
    """Return which record of the admin an address is about, by the name of its page."""
    match = request.resolver_match
    if match is None or not match.url_name:
        return "", ""
    pk = str(match.kwargs.get("pk", match.kwargs.get("object_id", "")))
    for model in admin.site._registry:
        opts = model._meta
        if match.url_name.startswith(f"{opts.app_label}_{opts.model_name}_"):
            return opts.label_lower, pk
    return "", ""


def _file_name(response: HttpResponseBase) -> str:
    header = Message()
    header["Content-Disposition"] = response["Content-Disposition"]
    return header.get_filename() or "a file"
