"""Who operates takes people, feedback and scores away, as events before; who approves sees files."""

from django.db import migrations

from overview.migrations._grants import give_rights

TAKE_AWAY = [
    "exports.view_export",
    "matching.export_people",
    "feedback.export_feedback",
    "serving.export_scores",
]
GRANTS = {
    "Operator": TAKE_AWAY,
    "Approver": ["exports.view_export"],
    "Administrator": TAKE_AWAY,
}


class Migration(migrations.Migration):
    dependencies = [
        ("overview", "0005_removal"),
        ("exports", "0001_initial"),
        ("matching", "0022_exports"),
        ("feedback", "0016_exports"),
        ("serving", "0006_exports"),
    ]

    operations = [
        migrations.RunPython(give_rights(GRANTS), migrations.RunPython.noop, elidable=False),
    ]
