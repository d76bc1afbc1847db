"""The history of what was live names versions, and outlives the models that were removed."""

import django.db.models.deletion
from django.db import migrations, models

NAME_VERSIONS = """
SET CONSTRAINTS ALL IMMEDIATE;
ALTER TABLE training_promotion DISABLE TRIGGER written_stays;
UPDATE training_promotion p SET version = m.version
FROM training_modelversion m WHERE m.id = p.model_id;
UPDATE training_promotion p SET previous_version = m.version
FROM training_modelversion m WHERE m.id = p.previous_id;
SET CONSTRAINTS ALL DEFERRED;
ALTER TABLE training_promotion ENABLE TRIGGER written_stays;
"""

# A worker of the edition before, which goes on beside this one, does not know the columns.
FILL = """
CREATE FUNCTION training_name_versions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.version = 0 THEN
        SELECT version INTO NEW.version FROM training_modelversion WHERE id = NEW.model_id;
        SELECT version INTO NEW.previous_version
        FROM training_modelversion WHERE id = NEW.previous_id;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER names_versions BEFORE INSERT ON training_promotion
    FOR EACH ROW EXECUTE FUNCTION training_name_versions();
"""
FILL_REVERSE = """
DROP TRIGGER names_versions ON training_promotion;
DROP FUNCTION training_name_versions();
"""


class Migration(migrations.Migration):
    dependencies = [("training", "0010_one_clock")]

    operations = [
        migrations.AddField(
            model_name="promotion",
            name="version",
            field=models.PositiveIntegerField(
                db_default=0, default=0, help_text="Of the model."
            ),
        ),
        migrations.AddField(
            model_name="promotion",
            name="previous_version",
            field=models.PositiveIntegerField(
                null=True, blank=True, help_text="Of the model that was live until now."
            ),
        ),
        migrations.RunSQL(NAME_VERSIONS, migrations.RunSQL.noop),
        migrations.RunSQL(FILL, FILL_REVERSE),
        migrations.AlterField(
            model_name="promotion",
            name="model",
            field=models.ForeignKey(
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="promotions",
                to="training.modelversion",
                help_text="Live from now; it may have been removed since.",
            ),
        ),
        migrations.AlterField(
            model_name="promotion",
            name="previous",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="training.modelversion",
                help_text="Live until now; it may have been removed since.",
            ),
        ),
    ]
