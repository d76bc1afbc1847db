"""Whoever may look sees which files of people, groups and trips were imported."""

from django.db import migrations

from overview.migrations._grants import give_rights

GRANTS = {
    role: ["matching.view_profileimport"]
    for role in ("Viewer", "Operator", "Approver", "Administrator")
}


class Migration(migrations.Migration):
    dependencies = [("overview", "0006_exports"), ("matching", "0023_imported_in")]

    operations = [
        migrations.RunPython(give_rights(GRANTS), migrations.RunPython.noop, elidable=False),
    ]
