import json

from django.http import JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from gateway import signature
from gateway.registry import answer


# No browser uses this, and the signature identifies the sender.
@csrf_exempt
@require_POST
def call(request, action):
    """`POST /channelgate/<action>` with `{"action", "data", "user", "connection", "consumer"}`."""
    if problem := signature.problem(request):
        status, message = problem
        return JsonResponse({"message": message}, status=status)
    try:
        message = json.loads(request.body)
    except ValueError:
        return JsonResponse({"message": "The body is not JSON"}, status=400)
    # The signature covers the body and not the path, so the body decides.
    if not isinstance(message, dict) or message.get("action") != action:
        return JsonResponse({"message": "The body is not a call of this action"}, status=400)
    status, body = answer(message)
    return JsonResponse(body, status=status, safe=False)
