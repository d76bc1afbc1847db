"""Addresses for programs."""

from django.urls import path

from serving.api.app import api
from serving.api.health import healthz, readyz
from serving.api.metrics import metrics

urlpatterns = [
    path("api/v1/", api.urls),
    path("healthz", healthz),
    path("readyz", readyz),
    path("metrics", metrics),
]
