from django.urls import path

from . import views

urlpatterns = [
    path("feed/", views.page),
    path("feed/logout/", views.leave),
    path("api/feed/", views.entries),
    path("api/feed/<int:pk>/", views.entry),
]
