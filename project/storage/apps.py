"""Registers the store with Django, and gives each database the id of its installation."""

from typing import Any

from django.apps import AppConfig
from django.db import connections
from django.db.models.signals import post_migrate


class StorageConfig(AppConfig):
    """Artefact files, and the id that stands in the database and in their folder."""

    name = "project.storage"
    label = "storage"
    verbose_name = "Storage"

    def ready(self) -> None:
        # Not in a migration: a database that was flushed gets its new id here as well.
        post_migrate.connect(_give_id, sender=self, dispatch_uid="storage.installation")


def _give_id(sender: AppConfig, using: str, **_: Any) -> None:
    installations = sender.get_model("Installation")
    connection = connections[using]
    # It is not there while another app is migrated before this one, or after this one was undone.
    if installations._meta.db_table in connection.introspection.table_names():
        rows = installations._default_manager.using(using)
        rows.bulk_create([installations()], ignore_conflicts=True)
