from rest_framework import serializers, viewsets

from visitors import services
from visitors.models import Client, ClientVisit


class ClientSerializer(serializers.ModelSerializer):
    class Meta:
        model = Client
        fields = "__all__"


class ClientVisitSerializer(serializers.ModelSerializer):
    class Meta:
        model = ClientVisit
        fields = "__all__"


class ClientViewSet(viewsets.ModelViewSet):
    queryset = Client.objects.order_by("id")
    serializer_class = ClientSerializer


class ClientVisitViewSet(viewsets.ModelViewSet):
    queryset = ClientVisit.objects.order_by("id")
    serializer_class = ClientVisitSerializer

    def perform_create(self, serializer):
        services.count_visit(serializer.validated_data["client"], serializer.save)
