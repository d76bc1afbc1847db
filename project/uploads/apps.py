"""Registers uploads with Django."""

from django.apps import AppConfig


class UploadsConfig(AppConfig):
    """Files on their way into a job."""

    name = "project.uploads"
    label = "uploads"
    verbose_name = "Uploads"
