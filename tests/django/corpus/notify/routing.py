from django.urls import path, re_path

from . import consumers

websocket_urlpatterns = [
    path("ws/notify/unread/", consumers.UnreadConsumer.as_asgi()),
    path("ws/notify/user/", consumers.UserConsumer.as_asgi()),
    path("ws/notify/announcements/", consumers.AnnouncementConsumer.as_asgi()),
    path("ws/notify/feed/", consumers.FeedConsumer.as_asgi()),
    path("ws/notify/orders/<int:order_id>/", consumers.OrderConsumer.as_asgi()),
    path("ws/notify/dashboard/", consumers.DashboardConsumer.as_asgi()),
    path("ws/notify/quiet/", consumers.QuietConsumer.as_asgi()),
    re_path(r"^ws/notify/tickets/(?:(?P<board>\w+)/)?$", consumers.TicketBoardConsumer.as_asgi()),
    path("ws/notify/guard/", consumers.SessionGuardConsumer.as_asgi()),
    path("ws/notify/throttled/<str:name>/", consumers.ThrottledConsumer.as_asgi()),
]
