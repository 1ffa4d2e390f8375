// The focus of a card: it goes with one column and comes again in another, and somebody may be writing.

interface Left {
  readonly id: number;
  /** The `data-focus` of what had the focus. */
  readonly name: string;
  readonly caret: number | null;
}

/** From the card that goes to the same card that comes, in the same commit of React. */
let left: Left | null = null;

/** Gives the focus back to what had it in the former column, or to the card's name. Returns what remembers it for the next one. */
export function keepFocus(card: HTMLElement | null, id: number): () => void {
  if (left?.id === id) {
    const { name, caret } = left;
    left = null;
    const target = card?.querySelector<HTMLElement>(`[data-focus="${name}"]`) ?? card?.querySelector<HTMLElement>('[data-focus="open"]');
    target?.focus({ preventScroll: name === "note" });
    if (target instanceof HTMLInputElement) target.setSelectionRange(caret, caret);
  }
  return () => {
    const active = document.activeElement;
    if (!card?.contains(active) || !(active instanceof HTMLElement)) return;
    left = { id, name: active.dataset["focus"] ?? "open", caret: active instanceof HTMLInputElement ? active.selectionStart : null };
    // A card that does not come again at once was not moved.
    queueMicrotask(() => (left = null));
  };
}
