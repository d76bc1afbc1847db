"""Refused rows name the column at fault."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("feedback", "0010_refused_runs")]

    operations = [
        migrations.AddField(
            model_name="rejectedrecord",
            name="field",
            field=models.CharField(
                blank=True,
                help_text="What is at fault; empty where all of the row is.",
                max_length=200,
                default="",
            ),
            preserve_default=False,
        ),
        migrations.AlterField(
            model_name="rejectedrecord",
            name="correction",
            field=models.JSONField(
                blank=True,
                default=dict,
                help_text="Values that replace those of the row when it is tried again.",
            ),
        ),
    ]
