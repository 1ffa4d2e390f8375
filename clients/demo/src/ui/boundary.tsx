// What fails while a part is loaded or rendered ends here: the rest stays, and another page can be opened.

import { Component, type ReactNode } from "react";

export class Boundary extends Component<{ children: ReactNode }, { readonly error: unknown }> {
  static getDerivedStateFromError = (error: unknown): { error: unknown } => ({ error });

  override state: { readonly error: unknown } = { error: null };

  override render(): ReactNode {
    const { error } = this.state;
    if (error === null) return this.props.children;
    return (
      <div className="note" role="alert">
        <p>{`It could not be shown: ${error instanceof Error ? error.message : String(error)}`}</p>
        <button type="button" onClick={() => location.reload()}>
          Load the page again
        </button>
      </div>
    );
  }
}
