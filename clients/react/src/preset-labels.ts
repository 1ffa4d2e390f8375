// The words of the five systems and of browser notifications in English.

import { english, plural, type Labels } from "./labels.js";

/** Every word in English. */
export const allEnglish: Labels = /* @__PURE__ */ (() => {
  const count = plural("en");
  return {
    ...english,
    total: "Total",
    present: "Present",
    late: "Late",
    absent: "Absent",
    attendance: "Live attendance",
    noUpdates: "No updates yet",
    lastUpdate: (time) => `Last update ${time}`,
    markAttendance: "Mark attendance",
    updating: "Updating",
    typing: (names, n) => `${names} ${n > 1 ? "are" : "is"} typing`,
    newAttendance: count({ one: "# new attendance update", other: "# new attendance updates" }),
    newNotifications: count({ one: "# new notification", other: "# new notifications" }),
    newWorkOrders: count({ one: "# work order updated", other: "# work orders updated" }),
    notifyMe: "Notify me in the background",
    notifyOn: "Background notifications are on",
    notifyBlocked: "Notifications are blocked in the browser's settings",
  };
})();
