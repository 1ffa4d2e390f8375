import json

from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render

from .models import Ticket


@login_required
def tickets(request):
    ticket = Ticket.objects.create(reporter=request.user, subject=json.loads(request.body)["subject"])
    return JsonResponse({"id": ticket.pk}, status=201)


@login_required
def ticket(request, pk):
    found = get_object_or_404(Ticket, pk=pk)
    if request.method == "DELETE":
        found.delete()
        return HttpResponse(status=204)
    found.state = json.loads(request.body)["state"]
    found.save()
    return JsonResponse({"id": found.pk, "state": found.state})


def page(request, pk):
    return render(request, "helpdesk/page.html", {"pk": pk})


def leave(request):
    logout(request)
    return HttpResponse(status=204)
