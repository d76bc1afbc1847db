"""Call real, synthetic and combined an origin, as everywhere."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("training", "0003_feature_revision_and_inputs")]

    operations = [migrations.RenameField("dataset", "source", "origin")]
