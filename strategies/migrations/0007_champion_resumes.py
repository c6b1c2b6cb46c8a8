"""A roll-back names the reign whose place it took; until now its text alone told it from a promotion by hand."""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import F


def tell_roll_backs_apart(apps, schema_editor):
    champions = apps.get_model("strategies", "Champion").objects.using(schema_editor.connection.alias)
    again = champions.filter(restores__isnull=False)
    again.exclude(reason__startswith="Promoted again by ").update(resumes=F("restores"))


class Migration(migrations.Migration):

    dependencies = [
        ("strategies", "0006_latest_walks"),
    ]

    operations = [
        migrations.AddField(
            model_name="champion",
            name="resumes",
            field=models.ForeignKey(blank=True, help_text="The reign whose place in the succession a roll-back took; a promotion begins its own.", null=True, on_delete=django.db.models.deletion.PROTECT, related_name="resumed_by", to="strategies.champion"),
        ),
        migrations.AlterField(
            model_name="champion",
            name="restores",
            field=models.ForeignKey(blank=True, help_text="The earned reign on whose evidence it rests, where a person took it up again.", null=True, on_delete=django.db.models.deletion.PROTECT, related_name="restored_by", to="strategies.champion"),
        ),
        migrations.RunPython(tell_roll_backs_apart, migrations.RunPython.noop),
    ]
