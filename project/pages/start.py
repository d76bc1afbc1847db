"""Pages that ask for the arguments of a job and start it."""

from collections.abc import Callable
from typing import Any, TypeVar

from django import forms
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse

F = TypeVar("F", bound=forms.Form)


def start_page(
    request: HttpRequest,
    *,
    form_class: Callable[..., F],
    start: Callable[[HttpRequest, F], bool],
    then: str,
    context: dict[str, Any],
    template: str = "components/start.html",
) -> HttpResponse:
    """Show the form; when it is posted and valid, start the job and go to the address `then`.

    `start` gets the valid form, and returns False after it has added an error to it.
    """
    form = form_class(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid() and start(request, form):
        return HttpResponseRedirect(then)
    return TemplateResponse(request, template, {**context, "form": form})
