"""A page with a group for whoever is logged in, and the login itself."""

from django.contrib.auth import login
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import path


def log_in(request, name):
    """Without a password: what counts is the session."""
    user, _ = User.objects.get_or_create(username=name)
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    return HttpResponse(str(user.pk))


def board(request, name):
    """`expires` as in the query."""
    return render(request, "board.html", {"board": name, "expires": float(request.GET.get("expires", 3600))})


urlpatterns = [path("login/<str:name>/", log_in), path("board/<str:name>/", board)]
