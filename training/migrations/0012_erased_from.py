"""Datasets that had seen people who were erased since; their texts may be rewritten for that."""

import django.db.models.deletion
from django.db import migrations, models

import project.clock

# Only a transaction that erases a person sets `seedbed.erasing`, and it passes texts alone: no
# number of rows, no verdict, no stage, no version.
FORWARD = """
CREATE OR REPLACE FUNCTION training_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    free text[] := TG_ARGV;
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION '% rows are kept for ever', TG_TABLE_NAME
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF current_setting('seedbed.erasing', true) = 'on' THEN
        free := free || ARRAY['files', 'recipe', 'lineage', 'vocabulary', 'report', 'dropped',
            'histograms', 'gates', 'comparisons', 'parameters', 'importance', 'curves',
            'reason', 'override_reason', 'confirmation_reason'];
    END IF;
    IF training_without_signatures(to_jsonb(NEW) - free)
        <> training_without_signatures(to_jsonb(OLD) - free) THEN
        RAISE EXCEPTION '% % was written and never changes; make a new version',
            TG_TABLE_NAME, OLD.id USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
"""
REVERSE = """
CREATE OR REPLACE FUNCTION training_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION '% rows are kept for ever', TG_TABLE_NAME
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF training_without_signatures(to_jsonb(NEW) - TG_ARGV)
        <> training_without_signatures(to_jsonb(OLD) - TG_ARGV) THEN
        RAISE EXCEPTION '% % was written and never changes; make a new version',
            TG_TABLE_NAME, OLD.id USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("training", "0011_removed_models")]

    operations = [
        migrations.CreateModel(
            name="ErasedFrom",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("people", models.PositiveIntegerField(default=1)),
                (
                    "at",
                    models.DateTimeField(default=project.clock.now, verbose_name="last erased at"),
                ),
                (
                    "dataset",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="erased",
                        to="training.dataset",
                    ),
                ),
            ],
            options={"default_permissions": ()},
        ),
        migrations.RunSQL(FORWARD, REVERSE),
    ]
