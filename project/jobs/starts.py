"""Starting jobs from the admin: at once, or by a page that asks what the job asks."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse

from project.acting import Actor
from project.jobs.contract import UnusableArguments, get_kind
from project.jobs.forms import ArgumentsForm, form_for
from project.jobs.links import message_job
from project.jobs.services import enqueue
from project.pages.admins import RecordAdmin
from project.pages.start import start_page

Check = Callable[[ArgumentsForm], None]


def start_job(request: HttpRequest, kind: str, **arguments: Any) -> bool:
    """Start a job for who asks, and tell where to follow it; tell why not, and say False, else."""
    try:
        job = enqueue(kind, by=request.user, **arguments)
    except UnusableArguments as error:
        messages.error(request, str(error))
        return False
    message_job(request, job)
    return True


def start_kind(
    request: HttpRequest,
    kind: str,
    *,
    then: str,
    context: Mapping[str, Any],
    fixed: Mapping[str, Any] | None = None,
    given: Mapping[str, Any] | None = None,
    check: Check | None = None,
) -> HttpResponse:
    """Ask what a job of a kind asks, but for what is `fixed`, and start it; then go on to `then`.

    Parameters
    ----------
    given : fills the form.
    check : may add errors to a form that is valid.
    """
    declared = get_kind(kind)
    if not request.user.has_perm(declared.permission):
        raise PermissionDenied
    return start_page(
        request,
        form_class=form_for(
            declared, by=Actor.of(request.user), given=given, leave_out=fixed or ()
        ),
        start=partial(_start, kind=kind, fixed=fixed or {}, check=check),
        then=then,
        context={"title": declared.title, "intro": declared.summary, **context},
    )


def start_from_list(
    model_admin: RecordAdmin[Any],
    request: HttpRequest,
    kind: str,
    *,
    title: str = "",
    intro: str = "",
    fixed: Mapping[str, Any] | None = None,
    given: Mapping[str, Any] | None = None,
    check: Check | None = None,
) -> HttpResponse:
    """Ask what a job of a kind asks and start it, on a page of the records that it makes."""
    declared = get_kind(kind)
    context = model_admin.page_context(
        request, title or declared.title, intro=intro or declared.summary
    )
    return start_kind(
        request,
        kind,
        then=model_admin.list_url,
        context=context,
        fixed=fixed,
        given=given,
        check=check,
    )


def _start(
    request: HttpRequest,
    form: ArgumentsForm,
    *,
    kind: str,
    fixed: Mapping[str, Any],
    check: Check | None,
) -> bool:
    if check is not None:
        check(form)
        if form.errors:
            return False
    return start_job(request, kind, **{**form.arguments, **fixed})
