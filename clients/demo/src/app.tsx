// The demonstration: five systems over one origin, and the shell that shows how events reach them.

import { Fragment, Suspense, useDeferredValue, useEffect, type JSX, type ReactNode } from "react";

import { loadPages, PAGES } from "./pages";
import { useRoute } from "./route";
import { SessionProvider, useSession } from "./session";
import { Shell } from "./shell";
import { StreamProvider } from "./stream/provider";
import { Systems } from "./systems";
import { Boundary } from "./ui/boundary";

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
            <Boundary key={shown}>
              <Suspense>
                <OfPerson>
                  <Page />
                </OfPerson>
              </Suspense>
            </Boundary>
          </Shell>
        </StreamProvider>
      </Systems>
    </SessionProvider>
  );
}

/** What is shown to one person begins anew for another one. The shell stays. */
const OfPerson = ({ children }: { children: ReactNode }): JSX.Element => <Fragment key={useSession().person.username}>{children}</Fragment>;
