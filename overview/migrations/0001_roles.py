"""Viewer, Operator, Approver and Administrator."""

import django.db.models.deletion
from django.db import migrations, models

from overview.migrations._grants import make_roles

LOOK = (
    *("matching.view_seeduser", "matching.view_travelgroup", "matching.view_travelsession"),
    *("matching.view_word", "matching.view_eventbatch", "matching.view_matchevent"),
    *("matching.view_rejectedevent", "matching.view_eventchange"),
    "matching.view_refusedprofile",
    *("feedback.view_feedbacksource", "feedback.view_collectionrun"),
    *("feedback.view_feedbackchange", "feedback.view_qualityfeedback"),
    *("feedback.view_explanation", "feedback.view_abtestresult"),
    *("feedback.view_rejectedrecord", "feedback.report_feedback"),
    *("training.view_dataset", "training.view_modelversion", "training.view_promotion"),
    *("jobs.view_job", "jobs.view_schedule", "mappings.view_importmapping"),
)
OPERATE = (
    *("matching.add_seeduser", "matching.change_seeduser"),
    *("matching.add_travelgroup", "matching.change_travelgroup"),
    *("matching.add_travelsession", "matching.change_travelsession"),
    *("matching.add_word", "matching.change_word"),
    *("matching.generate_events", "matching.import_events", "matching.export_events"),
    *("matching.change_rejectedevent", "matching.retry_rejectedevent"),
    *("matching.change_refusedprofile", "matching.retry_refusedprofile"),
    *("feedback.collect_feedback", "feedback.import_feedback"),
    *("feedback.change_rejectedrecord", "feedback.retry_rejectedrecord"),
    *("training.build_dataset", "training.download_dataset"),
    *("training.train_model", "training.rebuild_model"),
    *("jobs.stop_job", "jobs.retry_job"),
    *("jobs.add_schedule", "jobs.change_schedule", "jobs.delete_schedule", "jobs.run_schedule"),
    "mappings.change_importmapping",
)
APPROVE = (
    *("training.promote_model", "training.override_refusal"),
    *("training.export_model", "training.download_dataset", "matching.export_events"),
)
ADMINISTER = (
    *("matching.delete_seeduser", "matching.delete_travelgroup", "matching.delete_travelsession"),
    *("matching.delete_word", "matching.delete_eventbatch", "matching.delete_refusedprofile"),
    *("feedback.add_feedbacksource", "feedback.change_feedbacksource"),
    *("feedback.delete_feedbacksource", "jobs.delete_job", "mappings.delete_importmapping"),
    *("auth.view_user", "auth.add_user", "auth.change_user", "auth.delete_user"),
    *("auth.view_group", "auth.add_group", "auth.change_group", "auth.delete_group"),
    "audit.view_auditentry",
)
GRANTS = {
    "Viewer": LOOK,
    "Operator": (*LOOK, *OPERATE),
    "Approver": (*LOOK, *APPROVE),
    "Administrator": (*LOOK, *OPERATE, *APPROVE, *ADMINISTER),
}


class Migration(migrations.Migration):
    initial = True
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("audit", "0002_queue"),
        ("jobs", "0005_process_works_as"),
        ("mappings", "0002_as_proposed"),
        ("matching", "0013_refused_profiles"),
        ("feedback", "0011_refused_rows_name_their_column"),
        ("training", "0008_vocabulary"),
    ]

    operations = [
        migrations.CreateModel(
            name="Role",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=40, unique=True)),
                (
                    "group",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="auth.group",
                    ),
                ),
            ],
            options={"default_permissions": ()},
        ),
        migrations.RunPython(make_roles(GRANTS), migrations.RunPython.noop, elidable=False),
    ]
