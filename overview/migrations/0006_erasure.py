"""Who keeps the installation says how long raw things are kept, and erases people."""

from django.db import migrations

from overview.migrations._grants import give_rights

GRANTS = {"Administrator": ["removal.apply_retention"]}


class Migration(migrations.Migration):
    dependencies = [
        ("overview", "0005_removal"),
        ("removal", "0002_apply_retention"),
        ("matching", "0021_erased_people"),
        ("training", "0012_erased_from"),
        ("audit", "0005_erasure"),
    ]

    operations = [
        migrations.RunPython(give_rights(GRANTS), migrations.RunPython.noop, elidable=False),
    ]
