"""REST, and the calls of Channelgate."""

from channelgate.tokens import WsTokenView
from django.urls import include, path
from rest_framework.routers import DefaultRouter
from rest_framework_simplejwt.views import TokenObtainPairView, TokenRefreshView

from accounts.views import LogoutView, RegisterView
from attendance.views import AttendanceViewSet
from parking.views import NotificationViewSet, ParkingLotViewSet, ReservationViewSet
from repairs.views import NotificationViewSet as RepairNotificationViewSet
from repairs.views import TicketViewSet, WorkOrderViewSet
from staff.views import EmployeeAttendanceViewSet, EmployeeViewSet
from tracker.views import SessionAttendanceViewSet, SessionViewSet
from visitors.views import ClientViewSet, ClientVisitViewSet

router = DefaultRouter()
router.register("clients", ClientViewSet)
router.register("visits", ClientVisitViewSet)
router.register("employees", EmployeeViewSet)
router.register("employee-attendances", EmployeeAttendanceViewSet)
router.register("attendance", AttendanceViewSet)
router.register("parking/lots", ParkingLotViewSet)
router.register("parking/reservations", ReservationViewSet, basename="reservation")
router.register("parking/notifications", NotificationViewSet, basename="notification")
router.register("tracker/sessions", SessionViewSet)
router.register("tracker/attendances", SessionAttendanceViewSet, basename="session-attendance")
router.register("repairs/work-orders", WorkOrderViewSet)
router.register("repairs/tickets", TicketViewSet)
router.register("repairs/notifications", RepairNotificationViewSet, basename="repair-notification")

urlpatterns = [
    path("channelgate/", include("channelgate.urls")),
    path("api/", include(router.urls)),
    path("api/token/", TokenObtainPairView.as_view()),
    path("api/token/refresh/", TokenRefreshView.as_view()),
    path("api/user/register/", RegisterView.as_view()),
    path("api/user/logout/<str:what>/", LogoutView.as_view()),
    path("api/user/ws-token/", WsTokenView.as_view()),
]
