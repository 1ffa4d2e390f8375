from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.shortcuts import render
from rest_framework import serializers, viewsets

from .models import Space


class SpaceSerializer(serializers.ModelSerializer):
    class Meta:
        model = Space
        fields = ["id", "slug", "topic"]


class SpaceViewSet(viewsets.ModelViewSet):
    queryset = Space.objects.all()
    serializer_class = SpaceSerializer

    def perform_create(self, serializer):
        self.announce("created", serializer.save())

    def perform_update(self, serializer):
        self.announce("updated", serializer.save())

    def perform_destroy(self, instance):
        self.announce("deleted", instance)
        instance.delete()

    def announce(self, action, space):
        data = {"action": action, **SpaceSerializer(space).data}
        async_to_sync(get_channel_layer().group_send)("presence_lobby", {"type": "space.changed", "space": data})


def page(request, slug):
    return render(request, "presence/page.html", {"slug": slug})
