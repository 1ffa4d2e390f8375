"""For the scenarios: rows are made and read, and functions of the document are run, in this process."""

import json

from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.http import HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from office.sections import function, handled


def alive(request):
    return HttpResponse("alive")


@csrf_exempt
def make(request, model):
    """A row; a list is of the primary keys of a relation to many."""
    fields = json.loads(request.body)
    many = {name: fields.pop(name) for name in list(fields) if isinstance(fields[name], list)}
    row = apps.get_model(model).objects.create(**fields)
    for name, keys in many.items():
        getattr(row, name).set(keys)
    return JsonResponse({"id": row.pk})


@csrf_exempt
def rows(request, model):
    """The rows with these values, in the order of their keys."""
    found = apps.get_model(model).objects.filter(**json.loads(request.body)).order_by("pk")
    return JsonResponse({"rows": list(found.values())})


@csrf_exempt
def run(request, number, name):
    """A function of a section; on the bridge what stands below its configuration comes first."""
    modules = ["beside", "consumers"] if settings.BRIDGE else ["consumers", "beside"]
    arguments = json.loads(request.body)
    if "user" in arguments:
        arguments["user"] = get_user_model().objects.get(pk=arguments["user"])
    return JsonResponse({"result": function(number, name, *modules)(**arguments)})


def count(request, method):
    """How often a consumer's method has run."""
    return JsonResponse({"count": handled[method]})


urlpatterns = [
    path("alive/", alive),
    path("make/<str:model>/", make),
    path("rows/<str:model>/", rows),
    path("count/<str:method>/", count),
    path("run/<int:number>/<str:name>/", run),
]
