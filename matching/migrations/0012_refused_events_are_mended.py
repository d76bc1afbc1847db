"""Refused lines of event logs are kept whole, corrected and tried again."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("matching", "0011_words")]

    operations = [
        migrations.RenameField("rejectedevent", "excerpt", "text"),
        migrations.AlterField(
            model_name="rejectedevent",
            name="text",
            field=models.TextField(
                help_text="The line as it came; the row of a table as JSON. Whole up to 64 KiB."
            ),
        ),
        migrations.AddField(
            model_name="rejectedevent",
            name="is_whole",
            field=models.BooleanField(
                default=False, help_text="Whether that is all of it, to the letter."
            ),
        ),
        migrations.AddField(
            model_name="rejectedevent",
            name="field",
            field=models.CharField(
                blank=True,
                default="",
                help_text="What is at fault; empty where all of the row is.",
                max_length=200,
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="rejectedevent",
            name="correction",
            field=models.JSONField(
                blank=True,
                default=dict,
                help_text="Values that replace those of the row when it is tried again.",
            ),
        ),
        migrations.AddField(
            model_name="rejectedevent",
            name="resolved_at",
            field=models.DateTimeField(
                blank=True, help_text="When the row landed.", null=True
            ),
        ),
        migrations.AlterModelOptions(
            name="rejectedevent",
            options={
                "ordering": ["batch", "line"],
                "permissions": [("retry_rejectedevent", "Can retry rejected events")],
            },
        ),
        # Of lines of before the first 200 characters were kept: all of a shorter one.
        migrations.RunSQL(
            "UPDATE matching_rejectedevent SET is_whole = true WHERE length(text) < 200 "
            "AND strpos(text, U&'\\FFFD') = 0",
            migrations.RunSQL.noop,
        ),
    ]
