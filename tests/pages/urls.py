"""The addresses of the project, and the page of the design, which is there while DEBUG is on."""

from django.contrib import admin
from django.test import override_settings
from django.urls import path

from project import urls
from project.urls import handler400, handler403, handler404, handler500

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]

with override_settings(DEBUG=True):
    _of_the_admin = admin.site.urls
urlpatterns = [*urls.urlpatterns[:-1], path("admin/", _of_the_admin)]
