"""What a site does with its users: log them in and out, change their passwords, close their accounts."""

from datetime import timedelta

from django.contrib import auth
from django.contrib.auth import get_user_model
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from knox.models import AuthToken
from rest_framework.authtoken.models import Token


@csrf_exempt
def login(request, name):
    """A session of this user, who is made if there is none; by a badge, if the query says so."""
    user, _ = get_user_model().objects.get_or_create(username=name)
    backend = "logins.backends.BadgeBackend" if request.GET else "django.contrib.auth.backends.ModelBackend"
    auth.login(request, user, backend)
    # As Django makes it for a response; the test reads the key instead of a cookie.
    request.session.save()
    token, _ = Token.objects.get_or_create(user=user)
    return JsonResponse({"id": user.pk, "session": request.session.session_key, "token": token.key})


@csrf_exempt
def knox_token(request, name):
    """A token of knox for this user, which ends so many seconds from now."""
    user, _ = get_user_model().objects.get_or_create(username=name)
    _, token = AuthToken.objects.create(user, expiry=timedelta(seconds=int(request.GET.get("seconds", 600))))
    return JsonResponse({"token": token})


@csrf_exempt
def logout(request):
    auth.logout(request)
    return HttpResponse(status=204)


@csrf_exempt
def change(request, name):
    """Another password, or an account that is closed; the user's session is not told."""
    user = get_user_model().objects.get(username=name)
    if "password" in request.GET:
        user.set_password(request.GET["password"])
    if "active" in request.GET:
        user.is_active = request.GET["active"] == "1"
    user.save()
    return HttpResponse(status=204)


@csrf_exempt
def visit(request):
    """The session of a visitor who has not logged in."""
    session = SessionStore()
    session["cart"] = [1]
    session.set_expiry(int(request.GET.get("seconds", 600)))
    session.save()
    return JsonResponse({"session": session.session_key})


@csrf_exempt
def end(request, name):
    """A session of this user that ends so many seconds from now."""
    session = SessionStore(request.GET["session"])
    session.set_expiry(int(request.GET["seconds"]))
    session.save()
    return HttpResponse(status=204)
