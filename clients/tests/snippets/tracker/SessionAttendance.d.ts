// Types of the snippet beside it.

import type { FC } from "react";

declare const SessionAttendance: FC<{ sessionId: string | number }>;
export default SessionAttendance;
