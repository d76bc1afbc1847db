"""Histories name who did it: those of before from the account, where there was one."""

import project.acting
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("matching", "0007_origin"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="historicalseeduser",
            name="history_actor",
            field=models.CharField("by", default="", editable=False, max_length=200),
            preserve_default=False,
        ),
        migrations.RunSQL(
            "UPDATE matching_historicalseeduser SET history_actor = auth_user.username FROM auth_user "
            "WHERE auth_user.id = matching_historicalseeduser.history_user_id",
            migrations.RunSQL.noop,
        ),
        migrations.AlterField(
            model_name="historicalseeduser",
            name="history_actor",
            field=models.CharField(
                "by", default=project.acting.current_actor_name, editable=False, max_length=200
            ),
        ),
        migrations.AddField(
            model_name="historicaltravelgroup",
            name="history_actor",
            field=models.CharField("by", default="", editable=False, max_length=200),
            preserve_default=False,
        ),
        migrations.RunSQL(
            "UPDATE matching_historicaltravelgroup SET history_actor = auth_user.username FROM auth_user "
            "WHERE auth_user.id = matching_historicaltravelgroup.history_user_id",
            migrations.RunSQL.noop,
        ),
        migrations.AlterField(
            model_name="historicaltravelgroup",
            name="history_actor",
            field=models.CharField(
                "by", default=project.acting.current_actor_name, editable=False, max_length=200
            ),
        ),
        migrations.AddField(
            model_name="historicaltravelsession",
            name="history_actor",
            field=models.CharField("by", default="", editable=False, max_length=200),
            preserve_default=False,
        ),
        migrations.RunSQL(
            "UPDATE matching_historicaltravelsession SET history_actor = auth_user.username FROM auth_user "
            "WHERE auth_user.id = matching_historicaltravelsession.history_user_id",
            migrations.RunSQL.noop,
        ),
        migrations.AlterField(
            model_name="historicaltravelsession",
            name="history_actor",
            field=models.CharField(
                "by", default=project.acting.current_actor_name, editable=False, max_length=200
            ),
        ),
    ]
