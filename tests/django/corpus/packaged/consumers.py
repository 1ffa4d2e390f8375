"""Consumers of djangochannelsrestframework and of channels-rpc, as their users write them."""

from channels.db import database_sync_to_async
from channels_rpc import AsyncJsonRpcWebsocketConsumer
from djangochannelsrestframework import mixins, permissions
from djangochannelsrestframework.decorators import action
from djangochannelsrestframework.generics import GenericAsyncAPIConsumer
from djangochannelsrestframework.observer import model_observer
from djangochannelsrestframework.observer.generics import ObserverModelInstanceMixin

from .models import Project, Todo
from .serializers import ProjectSerializer, TodoSerializer


class ProjectConsumer(
    mixins.ListModelMixin,
    mixins.RetrieveModelMixin,
    mixins.CreateModelMixin,
    mixins.PatchModelMixin,
    mixins.DeleteModelMixin,
    GenericAsyncAPIConsumer,
):
    """The five actions of a REST API."""

    queryset = Project.objects.filter(name__startswith="library")
    serializer_class = ProjectSerializer
    permission_classes = (permissions.IsAuthenticated,)


class TodoConsumer(ObserverModelInstanceMixin, mixins.CreateModelMixin, GenericAsyncAPIConsumer):
    """Subscribes to single rows by an action of the library."""

    queryset = Todo.objects.all()
    serializer_class = TodoSerializer

    @action()
    def count(self, project, **kwargs):
        return {"count": Todo.objects.filter(project_id=project).count()}, 200

    @action()
    async def whoami(self, request_id, **kwargs):
        await self.send_json({"request_id": request_id, "user": self.scope["user"].username})


class TodoFeedConsumer(GenericAsyncAPIConsumer):
    """Subscribes to all rows of a project by an observer with its own groups and serializer."""

    queryset = Project.objects.all()
    serializer_class = ProjectSerializer

    @model_observer(Todo)
    async def todo_activity(self, message, subscribing_request_ids=(), **kwargs):
        for request_id in subscribing_request_ids:
            await self.send_json({"request_id": request_id, **message})

    @todo_activity.groups_for_signal
    def todo_activity(self, instance: Todo, **kwargs):
        yield f"project__{instance.project_id}"

    @todo_activity.groups_for_consumer
    def todo_activity(self, project=None, **kwargs):
        if project is not None:
            yield f"project__{project}"

    @todo_activity.serializer
    def todo_activity(self, instance: Todo, action, **kwargs):
        return {"action": action.value, "todo": TodoSerializer(instance).data}

    @action()
    async def subscribe_to_project(self, pk, request_id, **kwargs):
        project = await database_sync_to_async(self.get_object)(pk=pk)
        await self.todo_activity.subscribe(project=project.pk, request_id=request_id)
        await self.reply(action="subscribe_to_project", data={"name": project.name}, request_id=request_id)

    @action()
    async def unsubscribe_from_project(self, pk, request_id, **kwargs):
        await self.todo_activity.unsubscribe(project=pk, request_id=request_id)
        await self.reply(action="unsubscribe_from_project", data={}, request_id=request_id)


class CalculatorConsumer(AsyncJsonRpcWebsocketConsumer):
    """JSON-RPC with a counter of its own."""

    calls = 0

    async def connect(self):
        await self.channel_layer.group_add("calculators", self.channel_name)
        await self.accept()


@CalculatorConsumer.rpc_method()
async def add(a: int, b: int):
    return a + b


@CalculatorConsumer.rpc_method("todos.count")
async def count_todos(project: int):
    return await Todo.objects.filter(project_id=project).acount()


@CalculatorConsumer.rpc_method()
async def fail():
    raise RuntimeError("inside the method")
