"""The project's application: routers, middleware of Channels and of the project."""

from channels.auth import AuthMiddlewareStack
from channels.routing import ChannelNameRouter, ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.core.asgi import get_asgi_application
from django.urls import path, re_path

from channelgate import bridge
from channelgate.worker import GateConsumer
from project import broken, by_hand, consumers, handshakes, surroundings
from project.middleware import Gate, Shout, Slow, Tag, Token, Traced
from project.shared import Shared

routes = [
    path("sync/<str:room>/", consumers.SyncChat.as_asgi()),
    path("keeper/<int:pk>/<uuid:u>/", consumers.Keeper.as_asgi(limit=7)),
    path("keeper-small/<int:pk>/<uuid:u>/", consumers.Keeper.as_asgi(limit=1)),
    path("refuses/", handshakes.Refuses.as_asgi()),
    path("refuses-loudly/", handshakes.RefusesLoudly.as_asgi()),
    path("denies/", handshakes.Denies.as_asgi()),
    path("accepts/", handshakes.Accepts.as_asgi()),
    path("not-handled/", handshakes.NotHandled.as_asgi()),
    path("accepts-and-closes/", handshakes.AcceptsAndCloses.as_asgi()),
    path("closes/", handshakes.Closes.as_asgi()),
    path("fails-at-once/", handshakes.FailsAtOnce.as_asgi()),
    path("fails-accepted/", handshakes.FailsAccepted.as_asgi()),
    path("fails-to-leave/", handshakes.FailsToLeave.as_asgi()),
    path("too-early/", handshakes.SendsTooEarly.as_asgi()),
    path("accepts-twice/", handshakes.AcceptsTwice.as_asgi()),
    path("empty/", consumers.Empty.as_asgi()),
    path("json/", consumers.JsonEcho.as_asgi()),
    path("binary/", consumers.Binary.as_asgi()),
    path("no-handler/", consumers.NoHandler.as_asgi()),
    path("database/<str:room>/", consumers.Database.as_asgi()),
    path("values/", consumers.Values.as_asgi()),
    path("groups/", consumers.Groups.as_asgi()),
    path("raw/", by_hand.Raw.as_asgi()),
    path("raw-sync/", by_hand.RawSync.as_asgi()),
    path("dispatcher/", by_hand.Dispatcher.as_asgi()),
    path("short/", surroundings.Short.as_asgi()),
    path("gathers/", surroundings.Gathers.as_asgi()),
    path("streams/", surroundings.Streams.as_asgi()),
    path("query/", consumers.Query.as_asgi()),
    path("changes-scope/", consumers.ChangesScope.as_asgi()),
    path("logs-in/", consumers.LogsIn.as_asgi()),
    path("wraps-in-call/", by_hand.WrapsInCall.as_asgi()),
    path("made/", by_hand.made),
    path("made-late/", by_hand.factory("hi")),
    path("surrounded/", Traced(surroundings.Surrounded.as_asgi())),
    path("surrounded-sync/", Traced(surroundings.SyncSurrounded.as_asgi())),
    path("comes-and-goes/", surroundings.ComesAndGoes.as_asgi()),
    path("leaves/", surroundings.Leaves.as_asgi()),
    path("offline/", surroundings.Offline.as_asgi()),
    path("slow-message/<str:name>/", consumers.Slow.as_asgi()),
    path("flood/", consumers.Flood.as_asgi()),
    path("denier/", handshakes.Denier.as_asgi()),
    path("rooms/", consumers.Rooms.as_asgi()),
    path("exports/", consumers.Exports.as_asgi()),
    path("token/", Token(consumers.Exports.as_asgi())),
    path("shout/", Shout(consumers.JsonEcho.as_asgi())),
    path("tag/", Tag(consumers.Query.as_asgi())),
    path("gate/", Gate(consumers.JsonEcho.as_asgi())),
    path("slow/", Slow(consumers.JsonEcho.as_asgi())),
    path("nested/", URLRouter([re_path(r"^(?P<room>\w+)/$", consumers.Query.as_asgi())])),
    re_path(r"^re/(?P<room>[a-z]+)/$", consumers.Query.as_asgi()),
    path("shared/<str:room>/", Shared.as_asgi()),
    path("shared-too/<str:room>/", Shared.as_asgi()),
    path("shared-other/<str:room>/", Shared.as_asgi(code=1)),
    path("loop/", broken.Loop.as_asgi()),
    path("loop-in-message/", broken.LoopInMessage.as_asgi()),
    path("thread/", broken.Thread.as_asgi()),
    path("thread-class/", broken.ThreadClass.as_asgi()),
    path("thread-timer/", broken.ThreadTimer.as_asgi()),
    path("in-executor/", broken.InExecutor.as_asgi()),
    path("loop-timer/", broken.LoopTimer.as_asgi()),
    path("unkept/", broken.Unkept.as_asgi()),
    path("event/", broken.Event.as_asgi()),
    path("big/", broken.Big.as_asgi()),
    path("receives/", broken.Receives.as_asgi()),
    path("keys/", broken.Keys.as_asgi()),
    path("demultiplexer/", broken.Demultiplexer.as_asgi()),
    path("call-demultiplexer/", broken.CallDemultiplexer.as_asgi()),
    path("registered/", broken.Registered.as_asgi()),
    path("registered-by-class/", broken.RegisteredByClass.as_asgi()),
    path("registered-weakly/", broken.RegisteredWeakly.as_asgi()),
    path("listening/", broken.Listening.as_asgi()),
    path("on-signal/", broken.OnSignal.as_asgi()),
    path("on-signal-by-closure/", broken.OnSignalByClosure.as_asgi()),
    path("plain/", broken.plain),
    path("swallowing/", broken.swallowing),
    path("lazy/", broken.lazy),
]

application = bridge(
    ProtocolTypeRouter(
        {
            "http": get_asgi_application(),
            "websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter(routes))),
            "channel": ChannelNameRouter({"gate": GateConsumer.as_asgi()}),
        }
    )
)
