import json

from django.contrib.auth import logout
from django.http import JsonResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_http_methods

from .models import Order


def page(request):
    return render(request, "orders/page.html", {"order": Order.objects.filter(customer_id=request.user.pk).first()})


@require_http_methods(["POST"])
def create(request):
    order = Order.objects.create(customer=request.user, total=json.loads(request.body).get("total", "0"))
    return JsonResponse(order.as_dict(), status=201)


@require_http_methods(["PATCH", "DELETE"])
def detail(request, pk):
    order = get_object_or_404(Order, pk=pk)
    if request.method == "DELETE":
        order.delete()
        return JsonResponse({}, status=200)
    for field, value in json.loads(request.body).items():
        setattr(order, field, value)
    order.save()
    return JsonResponse(order.as_dict())


@require_http_methods(["POST"])
def leave(request):
    logout(request)
    return JsonResponse({})
