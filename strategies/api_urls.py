from django.urls import path
from rest_framework.routers import SimpleRouter

from strategies import api

router = SimpleRouter()
router.register("tournaments", api.TournamentViewSet, basename="api-tournament")
router.register("strategies", api.StrategyViewSet, basename="api-strategy")
router.register("performances", api.PerformanceViewSet, basename="api-performance")
router.register("looks", api.LookViewSet, basename="api-look")
router.register("champions", api.ChampionViewSet, basename="api-champion")
urlpatterns = [path("signals/", api.SignalView.as_view(), name="api-signals"), *router.urls]
