"""Whoever manages accounts manages the keys of applications."""

from django.db import migrations

from overview.migrations._grants import give_rights

GRANTS = {
    "Administrator": ["serving.view_apikey", "serving.add_apikey", "serving.change_apikey"],
}


class Migration(migrations.Migration):
    dependencies = [("overview", "0001_roles"), ("serving", "0001_keys")]

    operations = [
        migrations.RunPython(give_rights(GRANTS), migrations.RunPython.noop, elidable=False),
    ]
