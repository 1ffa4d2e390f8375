// What compiles with the presets' events, and what does not. typed.test.ts judges it, and `npm run types`.

import {
  useRealTimeAttendance,
  useWebSocket as useDashboard,
  type Attendance,
  type AttendanceDeleted,
  type AttendanceEvents,
  type AttendanceSaved,
  type DashboardEvents,
  type DashboardMessages,
} from "@channelgate/react/dashboard";
import {
  feedClient,
  useClients,
  useEmployees,
  useFeed,
  useFeedEvent,
  type Client,
  type Employee,
  type EmployeeAttendance,
  type FeedEvents,
  type Visit,
} from "@channelgate/react/feed";
import { parkingClient, useNotifications, type Notification, type ParkingMessages, type WebSocketMessage } from "@channelgate/react/parking";
import {
  useRealTimeWorkOrder,
  useWebSocket as useShop,
  type RepairShopEvents,
  type RepairShopMessages,
  type UserOnline,
  type WorkOrder,
} from "@channelgate/react/repair-shop";
import {
  socketService,
  trackerClient,
  useSocket,
  type AttendanceUpdate,
  type TrackerEvents,
  type TrackerMessages,
} from "@channelgate/react/tracker";
import { expectTypeOf } from "vitest";

export function Feed(): void {
  useFeedEvent("client_create", (client) => expectTypeOf(client).toEqualTypeOf<Client>());
  useFeedEvent("client_visit_delete", (visit) => expectTypeOf(visit).toEqualTypeOf<Visit>());
  // @ts-expect-error there is no such event
  useFeedEvent("client_created", () => undefined);
  // @ts-expect-error a deleted client has nothing but its id
  useFeedEvent("client_delete", ({ age }) => age);
  // @ts-expect-error a device has a number or a name
  useFeedEvent("employee_attendance", ({ device_id }) => device_id.toFixed());
  // @ts-expect-error this schedule is not in every project
  useFeedEvent("employee_create", ({ working_graphic }) => working_graphic.toFixed());
  const { lastEvent } = useFeed();
  if (lastEvent?.event === "employee_attendance") expectTypeOf(lastEvent.data).toEqualTypeOf<EmployeeAttendance>();
  // @ts-expect-error which data it has depends on the event
  expectTypeOf(lastEvent?.data).toEqualTypeOf<EmployeeAttendance>();
  expectTypeOf(useClients().items).toEqualTypeOf<readonly Client[]>();
  expectTypeOf(useEmployees().items).toEqualTypeOf<readonly Employee[]>();
  feedClient().on("gap", (gap) => expectTypeOf(gap).toEqualTypeOf<FeedEvents["gap"]>());
  // @ts-expect-error the client knows the same events
  feedClient().on("client_created", () => undefined);
}

export function Dashboard(): void {
  const { realTimeData } = useRealTimeAttendance("7");
  expectTypeOf(realTimeData).toEqualTypeOf<Attendance | null>();
  useDashboard().subscribeToAttendanceUpdates(7, (update) => expectTypeOf(update).toEqualTypeOf<Attendance>());
  // @ts-expect-error a status may be missing
  useDashboard().subscribeToGeneralAttendanceUpdates(({ status }) => status.length);
  expectTypeOf<DashboardEvents["general_attendance_update"]["employee_id"]>().toEqualTypeOf<string | null>();
  expectTypeOf<AttendanceEvents["attendance_update"]["data"]>().toEqualTypeOf<AttendanceSaved | AttendanceDeleted>();
  ({ employee_id: 7 }) satisfies DashboardMessages["join_attendance_room"];
  // @ts-expect-error an employee has a number or text
  ({ employee_id: null }) satisfies DashboardMessages["join_attendance_room"];
}

export function Tracker(): void {
  const { onEvent, markAttendance } = useSocket();
  onEvent("attendanceUpdate", (update) => expectTypeOf(update).toEqualTypeOf<AttendanceUpdate>());
  socketService.on("attendanceStats", ({ stats }) => expectTypeOf(stats[0]?.status).toEqualTypeOf<"present" | "late" | "absent" | undefined>());
  // @ts-expect-error a name may be missing
  onEvent("userJoined", ({ userName }) => userName.length);
  // An event of the project's own: nothing is known of it.
  onEvent("session-closed", (data) => expectTypeOf(data).toBeUnknown());
  expectTypeOf<TrackerEvents["sessionUpdated"]["title"]>().toBeUnknown();
  markAttendance(7, { latitude: 7.07, longitude: 125.6, accuracy: 5 });
  // @ts-expect-error a location has both
  markAttendance(7, { latitude: 7.07 });
  // @ts-expect-error the client knows the same events
  trackerClient().on("attendanceUpdated", () => undefined);
  ({ sessionId: 7, location: null }) satisfies TrackerMessages["markAttendance"];
}

export function RepairShop(): void {
  const { on, connectedUsers } = useShop();
  expectTypeOf(connectedUsers).toEqualTypeOf<readonly UserOnline[]>();
  expectTypeOf(useRealTimeWorkOrder({ id: 7, status: "pending" } as WorkOrder).workOrder).toEqualTypeOf<WorkOrder | null>();
  on("work_order_updated", (update) => {
    expectTypeOf(update).toEqualTypeOf<RepairShopEvents["work_order_updated"]>();
    if (update.action === "assigned") expectTypeOf(update.data.technicianId).toEqualTypeOf<number | null>();
    // @ts-expect-error only an assignment has a technician
    else expectTypeOf(update.data.technicianId).toEqualTypeOf<number | null>();
  });
  // @ts-expect-error a message may be missing
  on("user_typing_start", ({ message }) => message.length);
  // An event of the project's own: nothing is known of it.
  on("chat", (data) => expectTypeOf(data).toBeUnknown());
  ({ roomName: "work_order_7" }) satisfies RepairShopMessages["typing_start"];
}

export function Parking(): void {
  expectTypeOf<Notification>().toExtend<WebSocketMessage>();
  expectTypeOf(useNotifications(["reservation"]).notifications[0]?.message).toEqualTypeOf<string | undefined>();
  parkingClient().on("notification", (one) => expectTypeOf(one).toEqualTypeOf<Notification>());
  // @ts-expect-error there is no such event
  parkingClient().on("new_reservation", () => undefined);
  // @ts-expect-error what Django sends with it has to be looked at first
  parkingClient().on("notification", ({ data }) => data["reservation_id"].toFixed());
  ({ notification_types: ["reservation"] }) satisfies ParkingMessages["subscribe"];
}
