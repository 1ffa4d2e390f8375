"""A Django project of one file whose view answers as its caller asks: in time, late, busy, broken, or not at all.

Run under Daphne (`python -m daphne rig.moods:application`). Beside the view there are Channels consumers that refuse
in each way that Channels has.
"""

import asyncio
import json

from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpResponseRedirect, JsonResponse
from django.urls import path

import django

settings.configure(
    SECRET_KEY="of the moods", ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, INSTALLED_APPS=["channels"], LOGGING={}
)
django.setup()


async def admit(request, action):
    mood = json.loads(request.body)["data"]
    match mood:
        case "fine":
            return JsonResponse({"id": 7})
        case "large":
            return JsonResponse({"text": "x" * 20_000})
        case "hangs":
            print("hangs", flush=True)
            await asyncio.sleep(3600)
        case "raises":
            raise ValueError(mood)
        case "redirects":
            return HttpResponseRedirect("/elsewhere/")
        case "nonsense":
            return JsonResponse(["no user"], safe=False)
        case "tomorrow":
            return JsonResponse({}, status=503, headers={"Retry-After": "86400"})
        case "a date":
            return JsonResponse({}, status=503, headers={"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"})
    status, _, after = mood.partition(" ")
    return JsonResponse({}, status=int(status), headers={"Retry-After": after} if after else {})


urlpatterns = [path("channelgate/<str:action>", admit)]


class Refuses(AsyncWebsocketConsumer):
    async def connect(self):
        match self.scope["url_route"]["kwargs"]["how"]:
            case "closes":
                await self.close()
            case "accepts":
                await self.accept()
                await self.close(code=4001)
            case "says why":
                await self.accept()
                await self.close(code=4404, reason="no such board")
            case "stays":
                await self.accept()

    async def receive(self, text_data=None, bytes_data=None):
        await self.close(code=4000, reason=f"bye {json.loads(text_data)['who']}")


application = ProtocolTypeRouter(
    {"http": get_asgi_application(), "websocket": URLRouter([path("oracle/<str:how>/", Refuses.as_asgi())])}
)
