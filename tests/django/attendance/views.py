from rest_framework import serializers, viewsets

from attendance.models import Attendance


class AttendanceSerializer(serializers.ModelSerializer):
    class Meta:
        model = Attendance
        fields = "__all__"


class AttendanceViewSet(viewsets.ModelViewSet):
    queryset = Attendance.objects.order_by("created_at")
    serializer_class = AttendanceSerializer
