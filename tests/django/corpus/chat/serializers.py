from rest_framework import serializers

from .models import Message


class MessageSerializer(serializers.ModelSerializer):
    author = serializers.CharField(source="author.username", default=None)
    room = serializers.SlugRelatedField(slug_field="name", read_only=True)

    class Meta:
        model = Message
        fields = ["id", "room", "author", "content", "timestamp", "edited"]
