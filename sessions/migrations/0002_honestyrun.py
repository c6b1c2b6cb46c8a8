from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("training_sessions", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="HonestyRun",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("parts", models.JSONField(help_text="Of models, tournaments and patterns.")),
                ("n_markets", models.PositiveIntegerField(help_text="Null and planted markets for each part.")),
                (
                    "n_trained",
                    models.PositiveIntegerField(default=0, help_text="Markets on which models were trained."),
                ),
                ("seed", models.BigIntegerField()),
                ("results", models.JSONField(help_text="Lines with rates, intervals and rules.")),
                ("has_passed", models.BooleanField()),
                ("seconds", models.FloatField()),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={"db_table": "honesty_runs", "ordering": ["-created_at", "-pk"]},
        ),
    ]
