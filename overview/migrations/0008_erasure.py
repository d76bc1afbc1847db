"""Who keeps the installation says how long raw things are kept, and erases people."""

from django.db import migrations

from overview.migrations._grants import give_rights

GRANTS = {"Administrator": ["removal.apply_retention"]}


class Migration(migrations.Migration):
    dependencies = [
        ("overview", "0007_imported_files"),
        ("removal", "0002_apply_retention"),
        ("matching", "0024_erased_people"),
        ("training", "0012_erased_from"),
        ("audit", "0006_erasure"),
    ]

    operations = [
        migrations.RunPython(give_rights(GRANTS), migrations.RunPython.noop, elidable=False),
    ]
