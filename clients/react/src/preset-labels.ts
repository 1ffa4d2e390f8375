// The words of the five systems and of browser notifications in English. Each preset loads its own.

import { english, type ComponentLabels, type Labels, type PresetLabels } from "./labels.js";

/** English has two forms, by one rule; `plural` is for languages with more. */
const s = (n: number): string => (n === 1 ? "" : "s");

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
  newAttendance: (n) => `${n} new attendance update${s(n)}`,
}))();

export const trackerEnglish: typeof attendanceEnglish & Words<"markAttendance"> = /* @__PURE__ */ (() => ({
  ...attendanceEnglish,
  markAttendance: "Mark attendance",
}))();

export const shopEnglish: Words<"newNotifications"> = /* @__PURE__ */ (() => ({
  ...english,
  newNotifications: (n) => `${n} new notification${s(n)}`,
}))();

/** Every word in English. */
export const allEnglish: Labels = /* @__PURE__ */ (() => ({
  ...dashboardEnglish,
  ...trackerEnglish,
  ...shopEnglish,
  updating: "Updating",
  typing: (names: string, n: number) => `${names} ${n > 1 ? "are" : "is"} typing`,
  newWorkOrders: (n) => `${n} work order${s(n)} updated`,
  notifyMe: "Notify me in the background",
  notifyOn: "Background notifications are on",
  notifyBlocked: "Notifications are blocked in the browser's settings",
}))();
