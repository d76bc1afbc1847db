"""Batches say how many of their people were erased."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("matching", "0023_imported_in")]

    operations = [
        migrations.AddField(
            model_name="eventbatch",
            name="erased_people",
            field=models.PositiveIntegerField(
                db_default=0,
                default=0,
                editable=False,
                help_text="People of its population who were erased since: their events cannot be "
                "computed again.",
            ),
        ),
    ]
