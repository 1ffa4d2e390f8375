"""The project's pages."""

from django.urls import path, re_path

from . import views

urlpatterns = [
    path("", views.page),
    path("upload/", views.upload),
    path("download/<int:size>/", views.download),
    path("events/<str:who>/", views.events),
    path("never/<str:who>/", views.never),
    path("redirect/", views.redirect),
    re_path("^seen/", views.seen),
]
