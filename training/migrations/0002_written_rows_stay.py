"""Finished rows never change: the database refuses it, whoever asks."""

from django.db import migrations

# Accounts may go (SET NULL on the link, the name stays in text); a model may change its stage.
FORWARD = """
CREATE FUNCTION training_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION '% rows are kept for ever', TG_TABLE_NAME
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF to_jsonb(NEW) - TG_ARGV <> to_jsonb(OLD) - TG_ARGV THEN
        RAISE EXCEPTION '% % was written and never changes; make a new version',
            TG_TABLE_NAME, OLD.id USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER written_stays BEFORE UPDATE ON training_dataset
    FOR EACH ROW EXECUTE FUNCTION training_refuse_change('created_by_id');
CREATE TRIGGER written_stays BEFORE UPDATE ON training_modelversion
    FOR EACH ROW EXECUTE FUNCTION training_refuse_change('created_by_id', 'stage');
CREATE TRIGGER written_stays BEFORE UPDATE OR DELETE ON training_promotion
    FOR EACH ROW EXECUTE FUNCTION training_refuse_change('by_id');
"""
REVERSE = """
DROP TRIGGER written_stays ON training_promotion;
DROP TRIGGER written_stays ON training_modelversion;
DROP TRIGGER written_stays ON training_dataset;
DROP FUNCTION training_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("training", "0001_initial")]

    operations = [migrations.RunSQL(FORWARD, REVERSE)]
