"""The history of mappings names who did it: that of before from the account, where there was
one, else who confirmed or proposed what stands there."""

from django.conf import settings
from django.db import migrations, models

import project.acting


class Migration(migrations.Migration):
    dependencies = [
        ("mappings", "0002_as_proposed"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="historicalimportmapping",
            name="history_actor",
            field=models.CharField("by", default="", editable=False, max_length=200),
            preserve_default=False,
        ),
        migrations.RunSQL(
            "UPDATE mappings_historicalimportmapping AS history SET history_actor = COALESCE("
            "(SELECT username FROM auth_user WHERE auth_user.id = history.history_user_id), "
            "NULLIF(history.confirmed_by, ''), history.proposed_by)",
            migrations.RunSQL.noop,
        ),
        migrations.AlterField(
            model_name="historicalimportmapping",
            name="history_actor",
            field=models.CharField(
                "by", default=project.acting.current_actor_name, editable=False, max_length=200
            ),
        ),
    ]
