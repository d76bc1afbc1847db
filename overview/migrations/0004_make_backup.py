"""Who keeps the installation makes backups of it."""

from django.db import migrations

from overview.migrations._grants import give_rights

GRANTS = {"Administrator": ["storage.make_backup"]}


class Migration(migrations.Migration):
    dependencies = [("overview", "0003_watch"), ("storage", "0004_make_backup")]

    operations = [
        migrations.RunPython(give_rights(GRANTS), migrations.RunPython.noop, elidable=False),
    ]
