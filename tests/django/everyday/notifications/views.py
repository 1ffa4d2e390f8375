import json

from django.contrib.auth import logout
from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404
from django.views import View
from django.views.generic import TemplateView

from .models import Notification


class Page(TemplateView):
    template_name = "notifications/page.html"


class Notifications(LoginRequiredMixin, View):
    def post(self, request):
        data = json.loads(request.body)
        row = Notification.objects.create(recipient_id=data.pop("recipient", request.user.pk), **data)
        return JsonResponse(row.to_json(), status=201)


class Detail(LoginRequiredMixin, View):
    def patch(self, request, pk):
        row = get_object_or_404(Notification, pk=pk)
        row.title = json.loads(request.body)["title"]
        row.save(update_fields=["title"])
        return JsonResponse(row.to_json())

    def delete(self, request, pk):
        get_object_or_404(Notification, pk=pk).delete()
        return HttpResponse(status=204)


class Logout(View):
    def post(self, request):
        logout(request)
        return HttpResponse(status=204)
