from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.shortcuts import render
from rest_framework import serializers, viewsets

from .models import Post


class PostSerializer(serializers.ModelSerializer):
    class Meta:
        model = Post
        fields = ["id", "team", "text"]


class PostViewSet(viewsets.ModelViewSet):
    queryset = Post.objects.all()
    serializer_class = PostSerializer

    def perform_create(self, serializer):
        post = serializer.save(author=self.request.user)
        self.tell("post.created", post)

    def perform_update(self, serializer):
        post = serializer.save()
        # A draft is shown to its author only.
        self.tell("post.updated", post, **({"only": [post.author_id]} if post.text.startswith("draft") else {}))

    def perform_destroy(self, instance):
        self.tell("post.deleted", instance)
        instance.delete()

    def tell(self, op, post, **more):
        event = {"type": "team.post", "op": op, "post": PostSerializer(post).data, **more}
        async_to_sync(get_channel_layer().group_send)(f"team_{post.team_id}", event)


def page(request):
    return render(request, "teams/page.html")
