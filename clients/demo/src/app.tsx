// The demonstration: five systems over one origin, and the shell that shows how events reach them.

import type { JSX } from "react";

import { Class } from "./pages/class";
import { Manager } from "./pages/manager";
import { Parking } from "./pages/parking";
import { Visitors } from "./pages/visitors";
import { Workshop } from "./pages/workshop";
import { useRoute } from "./route";
import { SessionProvider } from "./session";
import { Shell } from "./shell";
import { Systems, type SystemId } from "./systems";

const PAGES: Record<SystemId, () => JSX.Element> = { visitors: Visitors, parking: Parking, manager: Manager, class: Class, workshop: Workshop };

export function App(): JSX.Element {
  const page = useRoute();
  const Page = PAGES[page];
  return (
    <SessionProvider>
      <Systems>
        <Shell page={page}>
          <Page />
        </Shell>
      </Systems>
    </SessionProvider>
  );
}
