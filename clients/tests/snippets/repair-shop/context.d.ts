// Types of the snippet beside it.

import type { FC } from "react";

export const MyComponent: FC;
