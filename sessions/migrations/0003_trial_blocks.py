from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("training_sessions", "0002_honestyrun"),
    ]

    operations = [
        migrations.AddField(
            model_name="trial",
            name="blocks",
            field=models.JSONField(
                blank=True,
                default=list,
                help_text="Bars, sum and sum of squares of validation returns by time block.",
            ),
        ),
    ]
