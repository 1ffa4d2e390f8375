from rest_framework import serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response

from tracker import services
from tracker.models import Attendance, Session


class SessionSerializer(serializers.ModelSerializer):
    class Meta:
        model = Session
        fields = "__all__"


class AttendanceSerializer(serializers.ModelSerializer):
    class Meta:
        model = Attendance
        fields = "__all__"


class AnnouncementSerializer(serializers.Serializer):
    event = serializers.CharField(max_length=100)
    data = serializers.JSONField()


class SessionViewSet(viewsets.ModelViewSet):
    queryset = Session.objects.order_by("id")
    serializer_class = SessionSerializer

    @action(detail=True, methods=["post"], permission_classes=[IsAuthenticated])
    def announce(self, request, pk=None):
        """Any event for everyone in the session's room."""
        session = self.get_object()
        announcement = AnnouncementSerializer(data=request.data)
        announcement.is_valid(raise_exception=True)
        services.send(session, **announcement.validated_data)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @action(detail=True)
    def roster(self, request, pk=None):
        """Who is expected and who has come, and the figures."""
        session = self.get_object()
        return Response({"seats": services.roster(session), "stats": services.stats(session)})


class SessionAttendanceViewSet(viewsets.ModelViewSet):
    queryset = Attendance.objects.order_by("id")
    serializer_class = AttendanceSerializer
