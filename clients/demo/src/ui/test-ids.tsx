// Test ids inside of the package's components, whose elements have `data-cg` and no other name.

import { useCallback, type JSX, type ReactNode } from "react";

export interface TestIdsProps {
  /** The kind of element: a value of `data-cg`. */
  part: string;
  /** Of an element; defined outside of components. */
  idOf: (element: HTMLElement) => string;
  className?: string | undefined;
  children: ReactNode;
}

export function TestIds({ part, idOf, className, children }: TestIdsProps): JSX.Element {
  const attach = useCallback(
    (root: HTMLDivElement | null) => {
      if (!root) return undefined;
      const mark = () => {
        for (const element of root.querySelectorAll<HTMLElement>(`[data-cg="${part}"]:not([data-testid])`)) element.dataset["testid"] = idOf(element);
      };
      mark();
      const observer = new MutationObserver(mark);
      observer.observe(root, { childList: true, subtree: true });
      return () => observer.disconnect();
    },
    [part, idOf],
  );
  return (
    <div ref={attach} className={className}>
      {children}
    </div>
  );
}
