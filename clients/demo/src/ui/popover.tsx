// A button with a panel below it: closed by Escape, by a click beside it, or when the focus leaves both.

import { useEffect, useId, useRef, useState, type JSX, type ReactNode } from "react";

import "./popover.css";

export interface PopoverProps {
  /** Of the button; the panel has this name, too. */
  label: string;
  button: ReactNode;
  className?: string;
  testid: string;
  children: (close: () => void) => ReactNode;
  onOpen?: () => void;
}

export function Popover({ label, button, className = "", testid, children, onOpen }: PopoverProps): JSX.Element {
  const [isOpen, setOpen] = useState(false);
  const id = useId();
  const root = useRef<HTMLDivElement>(null);
  const opener = useRef<HTMLButtonElement>(null);
  const panel = useRef<HTMLDivElement>(null);

  useEffect(() => {
    if (!isOpen) return undefined;
    panel.current?.querySelector<HTMLElement>("button:not(:disabled), [href], input")?.focus({ preventScroll: true });
    const outside = ({ target }: Event) => {
      if (target instanceof Node && !root.current?.contains(target)) setOpen(false);
    };
    document.addEventListener("pointerdown", outside);
    document.addEventListener("focusin", outside);
    const button = opener.current;
    return () => {
      // The focus was in the panel, which is gone.
      if (document.activeElement === document.body) button?.focus({ preventScroll: true });
      document.removeEventListener("pointerdown", outside);
      document.removeEventListener("focusin", outside);
    };
  }, [isOpen]);

  const close = () => setOpen(false);
  return (
    <div className="popover" ref={root} onKeyDown={({ key }) => key === "Escape" && isOpen && close()}>
      <button
        ref={opener}
        type="button"
        className={className}
        aria-label={label}
        aria-expanded={isOpen}
        aria-controls={isOpen ? id : undefined}
        data-testid={testid}
        onClick={() => {
          if (!isOpen) onOpen?.();
          setOpen(!isOpen);
        }}
      >
        {button}
      </button>
      {isOpen && (
        <div className="popover-panel" id={id} ref={panel} role="group" aria-label={label}>
          {children(close)}
        </div>
      )}
    </div>
  );
}
