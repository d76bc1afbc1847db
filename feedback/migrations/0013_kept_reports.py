"""Reports are kept as they were counted; triggers tell when the rows they were counted from moved."""

from django.db import migrations, models

TABLES = {
    "quality_feedback": "feedback_qualityfeedback",
    "explanations": "feedback_explanation",
    "ab_testing": "feedback_abtestresult",
}
# Of each source once a statement, in the order of sources, so that two cannot wait for each other.
FUNCTION = """
CREATE FUNCTION feedback_rows_moved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO feedback_rowsstate AS s (source_id, "table", revision, rows)
        SELECT source_id, TG_ARGV[0], 1, count(*) FROM came GROUP BY source_id ORDER BY source_id
        ON CONFLICT (source_id, "table") DO UPDATE
        SET revision = s.revision + 1, rows = s.rows + EXCLUDED.rows;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO feedback_rowsstate AS s (source_id, "table", revision, rows)
        SELECT source_id, TG_ARGV[0], 1, -count(*) FROM went GROUP BY source_id ORDER BY source_id
        ON CONFLICT (source_id, "table") DO UPDATE
        SET revision = s.revision + 1, rows = s.rows + EXCLUDED.rows;
    ELSIF TG_OP = 'TRUNCATE' THEN
        UPDATE feedback_rowsstate SET revision = revision + 1, rows = 0 WHERE "table" = TG_ARGV[0];
    ELSE
        INSERT INTO feedback_rowsstate AS s (source_id, "table", revision, rows)
        SELECT source_id, TG_ARGV[0], 1, sum(n) FROM (
            SELECT source_id, 1 AS n FROM came UNION ALL SELECT source_id, -1 FROM went
        ) moved GROUP BY source_id ORDER BY source_id
        ON CONFLICT (source_id, "table") DO UPDATE
        SET revision = s.revision + 1, rows = s.rows + EXCLUDED.rows;
    END IF;
    RETURN NULL;
END $$;
"""
# A trigger is there before its table is counted, and keeps others from writing until all of this
# is committed: no row is missed, none counted twice.
TRIGGERS = """
CREATE TRIGGER rows_came AFTER INSERT ON {name} REFERENCING NEW TABLE AS came
    FOR EACH STATEMENT EXECUTE FUNCTION feedback_rows_moved('{table}');
CREATE TRIGGER rows_went AFTER DELETE ON {name} REFERENCING OLD TABLE AS went
    FOR EACH STATEMENT EXECUTE FUNCTION feedback_rows_moved('{table}');
CREATE TRIGGER rows_changed AFTER UPDATE ON {name}
    REFERENCING OLD TABLE AS went NEW TABLE AS came
    FOR EACH STATEMENT EXECUTE FUNCTION feedback_rows_moved('{table}');
CREATE TRIGGER rows_emptied AFTER TRUNCATE ON {name}
    FOR EACH STATEMENT EXECUTE FUNCTION feedback_rows_moved('{table}');
INSERT INTO feedback_rowsstate (source_id, "table", revision, rows)
    SELECT source_id, '{table}', 1, count(*) FROM {name} GROUP BY source_id;
"""
NO_TRIGGERS = """
DROP TRIGGER rows_emptied ON {name};
DROP TRIGGER rows_changed ON {name};
DROP TRIGGER rows_went ON {name};
DROP TRIGGER rows_came ON {name};
"""
FORWARD = FUNCTION + "".join(TRIGGERS.format(table=t, name=n) for t, n in TABLES.items())
REVERSE = (
    "".join(NO_TRIGGERS.format(name=n) for n in TABLES.values())
    + "DROP FUNCTION feedback_rows_moved();"
)


class Migration(migrations.Migration):
    dependencies = [("feedback", "0012_lists_by_index")]

    operations = [
        migrations.CreateModel(
            name="KeptReport",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "key",
                    models.CharField(
                        help_text="Digest of what was asked.", max_length=64, unique=True
                    ),
                ),
                ("kind", models.CharField(max_length=16)),
                ("state", models.TextField(help_text="Of the rows, read before they were.")),
                ("as_of", models.DateTimeField(help_text="When counting began.")),
                (
                    "content",
                    models.BinaryField(
                        help_text="JSON in UTF-8; the order of groups is part of it."
                    ),
                ),
            ],
            options={"ordering": ["-as_of"], "default_permissions": ()},
        ),
        migrations.CreateModel(
            name="RowsState",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("source_id", models.BigIntegerField()),
                (
                    "table",
                    models.CharField(
                        choices=[
                            ("quality_feedback", "Quality feedback"),
                            ("explanations", "Explanations"),
                            ("ab_testing", "A/B testing"),
                        ],
                        max_length=16,
                    ),
                ),
                (
                    "revision",
                    models.BigIntegerField(
                        help_text="Raised by each statement that changes rows."
                    ),
                ),
                (
                    "rows",
                    models.BigIntegerField(
                        help_text="All that are stored, gone and shared ones too."
                    ),
                ),
            ],
            options={
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("source_id", "table"), name="rowsstate_once"
                    )
                ]
            },
        ),
        migrations.RunSQL(FORWARD, REVERSE),
    ]
