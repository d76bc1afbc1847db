"""Texts of earlier lines may be rewritten by who erases a person; nothing else of them is."""

from django.db import migrations

# Only a transaction that erases a person sets `seedbed.erasing`. Who did what to which record and
# when stays: of a line only the words may change, and no line goes.
FORWARD = """
CREATE OR REPLACE FUNCTION audit_only_added_to() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND current_setting('seedbed.erasing', true) = 'on' THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'The audit list is only added to: % is refused.', TG_OP
        USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE FUNCTION audit_only_words_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF to_jsonb(NEW) - ARRAY['title', 'detail', 'object_id']
        <> to_jsonb(OLD) - ARRAY['title', 'detail', 'object_id'] THEN
        RAISE EXCEPTION 'The audit list is only added to: more than words would change.'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER audit_only_words_change BEFORE UPDATE ON audit_auditentry
    FOR EACH ROW EXECUTE FUNCTION audit_only_words_change();
"""
REVERSE = """
DROP TRIGGER audit_only_words_change ON audit_auditentry;
DROP FUNCTION audit_only_words_change();
CREATE OR REPLACE FUNCTION audit_only_added_to() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'The audit list is only added to: % is refused.', TG_OP
        USING ERRCODE = 'insufficient_privilege';
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0005_former_names")]

    operations = [migrations.RunSQL(FORWARD, REVERSE)]
