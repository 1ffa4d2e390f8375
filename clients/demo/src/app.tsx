// The demonstration: five systems over one origin, and the shell that shows how events reach them.

import { Suspense, useDeferredValue, useEffect, type JSX } from "react";

import { loadPages, PAGES } from "./pages";
import { useRoute } from "./route";
import { SessionProvider } from "./session";
import { Shell } from "./shell";
import { StreamProvider } from "./stream/provider";
import { Systems } from "./systems";

export function App(): JSX.Element {
  const page = useRoute();
  // The former page stays until the next one is loaded.
  const shown = useDeferredValue(page);
  const Page = PAGES[shown];
  useEffect(loadPages, []);
  return (
    <SessionProvider>
      <Systems>
        <StreamProvider page={page}>
          <Shell page={page}>
            <Suspense>
              <Page />
            </Suspense>
          </Shell>
        </StreamProvider>
      </Systems>
    </SessionProvider>
  );
}
