from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("training", "0006_rows_by_origin")]

    operations = [
        migrations.AddField(
            model_name="promotion",
            name="confirmation_reason",
            field=models.TextField(
                blank=True,
                default="",
                help_text="How suspicious inputs are known before the answer.",
            ),
            preserve_default=False,
        ),
    ]
