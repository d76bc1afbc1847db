from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('training', '0008_vocabulary'),
    ]

    operations = [
        migrations.AddField(
            model_name='modelversion',
            name='curves',
            field=models.JSONField(default=dict, help_text='What the charts of its validation rows are drawn from; empty before this was kept.'),
        ),
    ]
