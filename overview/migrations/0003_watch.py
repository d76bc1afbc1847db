"""Who looks at models sees alarms; who operates may look for them."""

from django.db import migrations

from overview.migrations._grants import give_rights

GRANTS = {
    "Viewer": ["serving.view_alarm"],
    "Operator": ["serving.view_alarm", "serving.monitor_scores"],
    "Approver": ["serving.view_alarm"],
    "Administrator": ["serving.view_alarm", "serving.monitor_scores"],
}


class Migration(migrations.Migration):
    dependencies = [("overview", "0002_api_keys"), ("serving", "0003_score_log")]

    operations = [
        migrations.RunPython(give_rights(GRANTS), migrations.RunPython.noop, elidable=False),
    ]
