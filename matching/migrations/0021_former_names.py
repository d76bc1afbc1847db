"""Former names of people, and what keeps a name from being that of one and a former one of another.

Who adds people holds the names as they are until they have committed; who makes a former name has
them alone. So neither can slip in between the other's look and its commit.
"""

import django.core.validators
import django.db.models.deletion
import project.clock
from django.db import migrations, models

# As matching.services.identity has it.
LOCK = 0x5EED107

GUARD = f"""
CREATE FUNCTION matching_refuse_former(wanted varchar) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the name % is a former name of a person', wanted
        USING ERRCODE = 'unique_violation';
END $$;
CREATE FUNCTION matching_guard_added() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    taken varchar;
BEGIN
    PERFORM pg_advisory_xact_lock_shared({LOCK});
    SELECT external_id INTO taken FROM new_rows JOIN matching_personalias USING (external_id);
    IF FOUND THEN PERFORM matching_refuse_former(taken); END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION matching_guard_renamed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared({LOCK});
    IF EXISTS (SELECT FROM matching_personalias WHERE external_id = NEW.external_id) THEN
        PERFORM matching_refuse_former(NEW.external_id);
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION matching_guard_former() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock({LOCK});
    IF EXISTS (SELECT FROM matching_seeduser WHERE external_id = NEW.external_id) THEN
        RAISE EXCEPTION 'the former name % is that of a person', NEW.external_id
            USING ERRCODE = 'unique_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION matching_note_former() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO matching_change (external_id) SELECT external_id FROM matching_seeduser
        WHERE id IN (COALESCE(NEW.person_id, OLD.person_id), OLD.person_id);
    RETURN NULL;
END $$;
CREATE TRIGGER matching_seeduser_added_guarded AFTER INSERT ON matching_seeduser
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION matching_guard_added();
CREATE TRIGGER matching_seeduser_renamed_guarded AFTER UPDATE OF external_id ON matching_seeduser
    FOR EACH ROW WHEN (OLD.external_id IS DISTINCT FROM NEW.external_id)
    EXECUTE FUNCTION matching_guard_renamed();
CREATE TRIGGER matching_personalias_guarded AFTER INSERT OR UPDATE OF external_id
    ON matching_personalias FOR EACH ROW EXECUTE FUNCTION matching_guard_former();
CREATE TRIGGER matching_personalias_noted AFTER INSERT OR UPDATE OR DELETE
    ON matching_personalias FOR EACH ROW EXECUTE FUNCTION matching_note_former();
"""

UNGUARD = """
DROP TRIGGER matching_seeduser_added_guarded ON matching_seeduser;
DROP TRIGGER matching_seeduser_renamed_guarded ON matching_seeduser;
DROP TRIGGER matching_personalias_guarded ON matching_personalias;
DROP TRIGGER matching_personalias_noted ON matching_personalias;
DROP FUNCTION matching_note_former(); DROP FUNCTION matching_guard_former();
DROP FUNCTION matching_guard_renamed(); DROP FUNCTION matching_guard_added();
DROP FUNCTION matching_refuse_former(varchar);
"""


class Migration(migrations.Migration):

    dependencies = [
        ('matching', '0020_removal'),
    ]

    operations = [
        migrations.CreateModel(
            name='PersonAlias',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('external_id', models.CharField(max_length=100, unique=True, validators=[django.core.validators.RegexValidator('^[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}\\Z', "Expected 1 to 100 letters, digits, '_', '.', ':' or '-', such as seed_budget_traveler_001.")])),
                ('why', models.CharField(choices=[('renamed', 'Renamed'), ('merged', 'Merged')], max_length=7)),
                ('number', models.BigIntegerField(blank=True, help_text='Of the record that was merged: events of then may hold it.', null=True, unique=True)),
                ('since', models.DateTimeField(default=project.clock.now)),
                ('actor', models.CharField(help_text='Who renamed or merged.', max_length=200)),
                ('person', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='aliases', to='matching.seeduser')),
            ],
            options={
                'verbose_name': 'former name',
                'ordering': ['external_id'],
                'default_permissions': (),
            },
        ),
        migrations.AddField(
            model_name='eventbatch',
            name='merged_at',
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name='eventbatch',
            name='merged_events',
            field=models.PositiveBigIntegerField(db_default=0, default=0, editable=False, help_text='Its events that name somebody who was merged into somebody else since.'),
        ),
        migrations.RunSQL(GUARD, UNGUARD),
    ]
