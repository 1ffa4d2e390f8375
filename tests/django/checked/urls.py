"""The site: pages that are the same for every path, and the calls of nodes."""

from channelgate.views import answer
from django.http import HttpResponse
from django.urls import path, re_path

urlpatterns = [
    path("channelgate/<str:name>", answer),
    re_path("^page/", lambda request: HttpResponse("<!doctype html><title>A page</title>")),
]
