// What a button does: one thing at a time, and what fails is shown beside it.

import { useState } from "react";

export interface Acting {
  readonly isBusy: boolean;
  /** Why the last one failed. */
  readonly error: string | null;
}

export type Act = (what: () => Promise<unknown>) => Promise<void>;

/** `show` gets what the button shows. While one thing is done, another one is not begun. */
export function createAct(show: (now: Acting) => void): Act {
  let isBusy = false;
  return async (what) => {
    if (isBusy) return;
    isBusy = true;
    show({ isBusy, error: null });
    let error: string | null = null;
    try {
      await what();
    } catch (thrown) {
      error = thrown instanceof Error ? thrown.message : String(thrown);
    }
    isBusy = false;
    show({ isBusy, error });
  };
}

/** A button that is disabled meanwhile would lose the focus: give it `aria-disabled`. */
export function useAct(): Acting & { readonly act: Act } {
  const [now, show] = useState<Acting>({ isBusy: false, error: null });
  const [act] = useState(() => createAct(show));
  return { ...now, act };
}
