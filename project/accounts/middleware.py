"""Lets nobody go on with a password that was printed somewhere."""

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from project.accounts.models import OneTimePassword
from project.accounts.signing import SESSION_KEY

OPEN = ("admin:password_change", "admin:logout", "admin:login", "admin:jsi18n")
SAID = "You signed in with a password that is good for once. Choose your own to go on."


def require_own_password(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Lead whoever signed in with a one-time password to the page that changes it.

    The mark stands in the session, so that nobody else's requests ask the database.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        if not (request.user.is_authenticated and request.session.get(SESSION_KEY)):
            return get_response(request)
        if not OneTimePassword.objects.pending(request.user):
            OneTimePassword.objects.filter(user=request.user).delete()
            del request.session[SESSION_KEY]
            return get_response(request)
        if request.path in map(reverse, OPEN):
            response = get_response(request)
            if response.get("Location") == reverse("admin:password_change_done"):
                messages.success(request, "Your password is set.")
                return HttpResponseRedirect(reverse("admin:index"))
            return response
        messages.warning(request, SAID)
        return HttpResponseRedirect(reverse("admin:password_change"))

    return middleware
