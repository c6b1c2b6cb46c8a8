from trainingday.charts import Chart, Trace


def test_a_chart_without_points_still_has_an_axis_to_append_to() -> None:
    spec = Chart("Generation", "Fitness", [Trace("best", [], []), Trace("band", [1], [2.0], low=[1.5])]).spec
    assert spec["traces"][0]["x"] == spec["traces"][0]["y"] == []
    assert "low" not in spec["traces"][0] and spec["traces"][1]["low"] == [1.5]
