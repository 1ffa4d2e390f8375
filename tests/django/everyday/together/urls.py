from django.http import JsonResponse
from django.urls import include, path

from . import NAMES

urlpatterns = [
    path("alive/", lambda request: JsonResponse({})),
    *(path("", include(f"{name}.urls")) for name in NAMES),
]
