"""Give profiles of which only the label was known the extraversion that a label has everywhere.

They were stored as the middle of the label's range, 1/6, 1/2 and 5/6, while a label that came
without a number counted as 0, 1/2 and 1. No other way leads to these very numbers: what is drawn is
rounded to three digits. Each change stands in the history of its profile.
"""

from django.db import migrations
from django.utils import timezone

OLD_AND_NEW = (("introvert", 1 / 6, 0.0), ("extrovert", 5 / 6, 1.0))
REASON = "A label alone means 0 or 1"


def apply(apps, schema_editor):
    users = apps.get_model("matching", "SeedUser")
    history = apps.get_model("matching", "HistoricalSeedUser")
    told = {field.attname for field in history._meta.concrete_fields}
    kept = [f.attname for f in users._meta.concrete_fields if f.attname in told]
    now = timezone.now()
    for label, old, new in OLD_AND_NEW:
        found = list(users.objects.filter(personality=label, extraversion=old))
        for user in found:
            user.extraversion = new
            user.updated_at = now
        users.objects.bulk_update(found, ["extraversion", "updated_at"], batch_size=500)
        history.objects.bulk_create(
            [
                history(
                    **{name: getattr(user, name) for name in kept},
                    history_date=now,
                    history_type="~",
                    history_change_reason=REASON,
                )
                for user in found
            ],
            batch_size=500,
        )


class Migration(migrations.Migration):
    dependencies = [("matching", "0005_feature_revision")]

    operations = [migrations.RunPython(apply, migrations.RunPython.noop)]
