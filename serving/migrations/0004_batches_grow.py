"""How much of each batch was looked through: one that takes more is looked through again.

What was known before goes: all batches are looked through once more, which gives no other outcome.
"""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [("serving", "0003_score_log")]

    operations = [
        migrations.RemoveField("watchstate", "batches"),
        migrations.AddField(
            "watchstate",
            "batches",
            models.JSONField(
                default=dict,
                help_text="Imported batch to its rows, and those that landed, when it was last "
                "looked through.",
            ),
        ),
    ]
