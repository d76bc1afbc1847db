"""Who keeps the installation takes records out of it; whoever may look sees what was taken."""

from django.db import migrations

from overview.migrations._grants import give_rights

LOOK = ["removal.view_receipt"]
GRANTS = {
    "Viewer": LOOK,
    "Operator": LOOK,
    "Approver": LOOK,
    "Administrator": [
        *LOOK,
        *("training.delete_dataset", "training.delete_modelversion"),
        *("feedback.delete_collectionrun", "feedback.delete_rejectedrecord"),
        "matching.delete_rejectedevent",
    ],
}


class Migration(migrations.Migration):
    dependencies = [
        ("overview", "0004_make_backup"),
        ("removal", "0001_receipts"),
        ("matching", "0020_removal"),
        ("feedback", "0015_removal"),
        ("training", "0011_removed_models"),
    ]

    operations = [
        migrations.RunPython(give_rights(GRANTS), migrations.RunPython.noop, elidable=False),
    ]
