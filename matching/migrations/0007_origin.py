"""Call real and synthetic an origin, as everywhere; how a batch came about is its method."""

from django.db import migrations

RENAMED = ("eventbatch", "matchevent", "seeduser", "travelgroup", "travelsession")
WITH_HISTORY = ("historicalseeduser", "historicaltravelgroup", "historicaltravelsession")


class Migration(migrations.Migration):
    dependencies = [("matching", "0006_extraversion_of_labels")]

    operations = [
        migrations.RenameField("eventbatch", "origin", "method"),
        *(migrations.RenameField(name, "source", "origin") for name in (*RENAMED, *WITH_HISTORY)),
    ]
