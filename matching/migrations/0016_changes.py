"""Notes who changed, so that the directory of everybody follows without reading everybody.

A row holds the external id of a traveller whose features may be others now, with the transaction
that changed it: who reads asks for those that became visible since. 0017 removes old ones.
"""

from django.db import migrations

TABLE = """
CREATE TABLE matching_change (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    at timestamptz NOT NULL DEFAULT now(),
    external_id varchar(100) NOT NULL
);
CREATE INDEX matching_change_xid ON matching_change (xid);
"""

FUNCTIONS = """
CREATE FUNCTION matching_note_travellers() RETURNS trigger LANGUAGE plpgsql AS $$
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
CREATE FUNCTION matching_note_members() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO matching_change (external_id)
        SELECT external_id FROM matching_travelgroup
        WHERE id IN (SELECT travelgroup_id FROM new_rows);
    END IF;
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO matching_change (external_id)
        SELECT external_id FROM matching_travelgroup
        WHERE id IN (SELECT travelgroup_id FROM old_rows);
    END IF;
    RETURN NULL;
END $$;
"""

WATCHED = {
    "matching_seeduser": "matching_note_travellers",
    "matching_travelgroup": "matching_note_travellers",
    "matching_travelsession": "matching_note_travellers",
    "matching_travelgroup_members": "matching_note_members",
}
ROWS = {
    "insert": "NEW TABLE AS new_rows",
    "update": "OLD TABLE AS old_rows NEW TABLE AS new_rows",
    "delete": "OLD TABLE AS old_rows",
}


def forward():
    """Return the statements that make the table, and what writes into it."""
    for table, function in WATCHED.items():
        for event, rows in ROWS.items():
            yield (
                f"CREATE TRIGGER {table}_{event}_noted AFTER {event} ON {table} "
                f"REFERENCING {rows} FOR EACH STATEMENT EXECUTE FUNCTION {function}();"
            )


def back():
    """Return the statements that take both away."""
    for table in WATCHED:
        for event in ROWS:
            yield f"DROP TRIGGER {table}_{event}_noted ON {table};"
    yield "DROP FUNCTION matching_note_members(); DROP FUNCTION matching_note_travellers();"
    yield "DROP TABLE matching_change;"


class Migration(migrations.Migration):

    dependencies = [("matching", "0015_refused_groups_and_trips")]

    operations = [
        migrations.RunSQL("\n".join([TABLE, FUNCTIONS, *forward()]), "\n".join(back())),
    ]
