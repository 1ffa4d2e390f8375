// The words of the five systems and of browser notifications in English. Each preset loads its own.

import { english, plural, type ComponentLabels, type Labels, type PresetLabels } from "./labels.js";

type Words<K extends keyof PresetLabels> = ComponentLabels & Pick<PresetLabels, K>;

export const attendanceEnglish: Words<"present" | "late" | "absent" | "attendance"> = /* @__PURE__ */ (() => ({
  ...english,
  present: "Present",
  late: "Late",
  absent: "Absent",
  attendance: "Live attendance",
}))();

export const dashboardEnglish: typeof attendanceEnglish & Words<"total" | "noUpdates" | "lastUpdate" | "newAttendance"> = /* @__PURE__ */ (() => ({
  ...attendanceEnglish,
  total: "Total",
  noUpdates: "No updates yet",
  lastUpdate: (time: string) => `Last update ${time}`,
  newAttendance: plural("en")({ one: "# new attendance update", other: "# new attendance updates" }),
}))();

export const trackerEnglish: typeof attendanceEnglish & Words<"markAttendance"> = /* @__PURE__ */ (() => ({
  ...attendanceEnglish,
  markAttendance: "Mark attendance",
}))();

export const shopEnglish: Words<"newNotifications"> = /* @__PURE__ */ (() => ({
  ...english,
  newNotifications: plural("en")({ one: "# new notification", other: "# new notifications" }),
}))();

/** Every word in English. */
export const allEnglish: Labels = /* @__PURE__ */ (() => ({
  ...dashboardEnglish,
  ...trackerEnglish,
  ...shopEnglish,
  updating: "Updating",
  typing: (names: string, n: number) => `${names} ${n > 1 ? "are" : "is"} typing`,
  newWorkOrders: plural("en")({ one: "# work order updated", other: "# work orders updated" }),
  notifyMe: "Notify me in the background",
  notifyOn: "Background notifications are on",
  notifyBlocked: "Notifications are blocked in the browser's settings",
}))();
