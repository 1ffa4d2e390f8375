// Details beside the page: a drawer at the right, on a phone a sheet.

import { useEffect, useId, useRef, type JSX, type ReactNode } from "react";

import "./drawer.css";

export interface DrawerProps {
  title: string;
  onClose: () => void;
  children: ReactNode;
}

/** Takes the focus when it opens and gives it back; Escape closes it. The page beside it stays usable. */
export function Drawer({ title, onClose, children }: DrawerProps): JSX.Element {
  const heading = useId();
  const close = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    const before = document.activeElement;
    close.current?.focus({ preventScroll: true });
    return () => {
      if (before instanceof HTMLElement) before.focus({ preventScroll: true });
    };
  }, []);
  return (
    <aside className="drawer" aria-labelledby={heading} onKeyDown={({ key }) => key === "Escape" && onClose()}>
      <header className="drawer-head">
        <h2 id={heading}>{title}</h2>
        <button ref={close} type="button" className="quiet" onClick={onClose}>
          Close
        </button>
      </header>
      <div className="drawer-body">{children}</div>
    </aside>
  );
}
