from channelgate import disconnect
from channelgate.tokens import revoke_ws_token
from django.contrib.auth import get_user_model
from rest_framework import serializers, status
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView


class RegisterSerializer(serializers.ModelSerializer):
    class Meta:
        model = get_user_model()
        fields = ["id", "username", "password"]
        extra_kwargs = {"password": {"write_only": True}}

    def create(self, validated_data):
        return get_user_model().objects.create_user(**validated_data)


class RegisterView(APIView):
    def post(self, request):
        serializer = RegisterSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        serializer.save()
        return Response(serializer.data, status=status.HTTP_201_CREATED)


class LogoutView(APIView):
    """Ends a user's connections: by deleting the ws-token, or all of them by an order in Redis."""

    permission_classes = [IsAuthenticated]

    def post(self, request, what):
        if what == "ws-token":
            revoke_ws_token(user=request.user)
        else:
            disconnect(request.user, reason="logged out")
        return Response(status=status.HTTP_204_NO_CONTENT)
