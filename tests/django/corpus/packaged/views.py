import json

from django.http import JsonResponse

from .models import Todo


def change_task(request, pk):
    """Changes a row; consumers hear of it by an observer of the model."""
    if request.method == "DELETE":
        Todo.objects.get(pk=pk).delete()
        return JsonResponse({"deleted": pk})
    todo = Todo.objects.get(pk=pk)
    for key, value in json.loads(request.body).items():
        setattr(todo, key, value)
    todo.save()
    return JsonResponse({"id": todo.pk})
