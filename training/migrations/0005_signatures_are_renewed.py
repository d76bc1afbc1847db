"""What was written never changes, but it may be signed with another key."""

from django.db import migrations

# A signature is of the digest, which stays: with it every byte of the file.
FORWARD = """
CREATE FUNCTION training_without_signatures(written jsonb) RETURNS jsonb LANGUAGE sql AS $$
    SELECT CASE WHEN jsonb_typeof(written -> 'files') = 'object' THEN
        jsonb_set(written, '{files}', (
            SELECT coalesce(jsonb_object_agg(key, CASE jsonb_typeof(value)
                WHEN 'object' THEN value - 'hmac_sha256' ELSE value END), '{}')
            FROM jsonb_each(written -> 'files')))
        ELSE written END
$$;
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
REVERSE = """
CREATE OR REPLACE FUNCTION training_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
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
DROP FUNCTION training_without_signatures(jsonb);
"""


class Migration(migrations.Migration):
    dependencies = [("training", "0004_origin")]

    operations = [migrations.RunSQL(FORWARD, REVERSE)]
