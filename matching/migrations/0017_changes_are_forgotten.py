"""Notes of changes are removed by who writes others, a day later: whoever follows, or nobody."""

from django.db import migrations

FORGET = """
CREATE FUNCTION matching_forget_changes(written bigint) RETURNS void LANGUAGE sql AS $$
    DELETE FROM matching_change WHERE id IN (
        SELECT id FROM (
            SELECT id, at FROM matching_change ORDER BY id LIMIT 2 * written + 10
            FOR UPDATE SKIP LOCKED) oldest
        WHERE at < clock_timestamp() - interval '1 day');
$$;
CREATE OR REPLACE FUNCTION matching_note_travellers() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    written bigint;
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO matching_change (external_id) SELECT external_id FROM new_rows;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO matching_change (external_id) SELECT external_id FROM old_rows;
    ELSE
        INSERT INTO matching_change (external_id)
        SELECT external_id FROM new_rows UNION SELECT external_id FROM old_rows;
    END IF;
    GET DIAGNOSTICS written = ROW_COUNT;
    PERFORM matching_forget_changes(written);
    RETURN NULL;
END $$;
ALTER TABLE matching_change ALTER COLUMN at SET DEFAULT clock_timestamp();
"""

# As 0016 made it.
KEEP = """
ALTER TABLE matching_change ALTER COLUMN at SET DEFAULT now();
CREATE OR REPLACE FUNCTION matching_note_travellers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO matching_change (external_id) SELECT external_id FROM new_rows;
    END IF;
    IF TG_OP = 'DELETE' THEN
        INSERT INTO matching_change (external_id) SELECT external_id FROM old_rows;
    ELSIF TG_OP = 'UPDATE' THEN
        INSERT INTO matching_change (external_id)
        SELECT external_id FROM old_rows EXCEPT SELECT external_id FROM new_rows;
    END IF;
    RETURN NULL;
END $$;
DROP FUNCTION matching_forget_changes(bigint);
"""


class Migration(migrations.Migration):

    dependencies = [("matching", "0016_changes")]

    operations = [migrations.RunSQL(FORGET, KEEP)]
