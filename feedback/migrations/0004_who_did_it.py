"""Histories name who did it: those of before from the account, where there was one."""

import project.acting
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("feedback", "0003_bind_passwords"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="historicalfeedbacksource",
            name="history_actor",
            field=models.CharField("by", default="", editable=False, max_length=200),
            preserve_default=False,
        ),
        migrations.RunSQL(
            "UPDATE feedback_historicalfeedbacksource SET history_actor = auth_user.username FROM auth_user "
            "WHERE auth_user.id = feedback_historicalfeedbacksource.history_user_id",
            migrations.RunSQL.noop,
        ),
        migrations.AlterField(
            model_name="historicalfeedbacksource",
            name="history_actor",
            field=models.CharField(
                "by", default=project.acting.current_actor_name, editable=False, max_length=200
            ),
        ),
    ]
