from django.urls import path
from rest_framework.routers import SimpleRouter

from strategies import api, backtest_api, forward_api

router = SimpleRouter()
router.register("tournaments", api.TournamentViewSet, basename="api-tournament")
router.register("strategies", api.StrategyViewSet, basename="api-strategy")
router.register("performances", api.PerformanceViewSet, basename="api-performance")
router.register("looks", api.LookViewSet, basename="api-look")
router.register("champions", api.ChampionViewSet, basename="api-champion")
router.register("forward-records", forward_api.ForwardRecordViewSet, basename="api-forward-record")
urlpatterns = [
    path("signals/", api.SignalView.as_view(), name="api-signals"),
    path("backtests/", backtest_api.BacktestView.as_view(), name="api-backtests"),
    path("backtests/equity.csv", backtest_api.EquityCsvView.as_view(), name="api-backtest-equity"),
    path(
        "backtests/equity.parquet",
        backtest_api.EquityParquetView.as_view(),
        name="api-backtest-equity-parquet",
    ),
    path(
        "backtests/trades.parquet",
        backtest_api.TradesParquetView.as_view(),
        name="api-backtest-trades-parquet",
    ),
    path("backtests/trades.csv", backtest_api.TradesCsvView.as_view(), name="api-backtest-trades"),
    *router.urls,
]
