"""The site."""

from django.urls import include, path

from logins import views

urlpatterns = [
    path("login/<str:name>/", views.login),
    path("logout/", views.logout),
    path("change/<str:name>/", views.change),
    path("visit/", views.visit),
    path("end/<str:name>/", views.end),
    path("knox/token/<str:name>/", views.knox_token),
    path("knox/", include("knox.urls")),
]
