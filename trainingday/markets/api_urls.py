from django.urls import path
from rest_framework.routers import SimpleRouter

from trainingday.markets import api
from trainingday.markets.bar_export import CONTENT_TYPES

router = SimpleRouter()
router.register("markets", api.MarketViewSet, basename="api-market")
router.register("datasets", api.DatasetViewSet, basename="api-dataset")
router.register("import-profiles", api.ImportProfileViewSet, basename="api-import-profile")
bars = api.DatasetViewSet.as_view({"get": "bars"}, content_negotiation_class=api.AsIs)
urlpatterns = [
    *(
        path(f"datasets/<int:pk>/bars.{kind}", bars, {"kind": kind}, f"api-bars-{kind}")
        for kind in CONTENT_TYPES
    ),
    *router.urls,
]
