// The two views of the page, Try and Operate, by the address: `#operate` is the second one. Its scripts are loaded when it
// is opened for the first time.

/** Under which name the token or key of an operator is kept for this tab. */
export const OPERATOR = "channelgate-operator";

export class Views {
  #printed;
  #operate;

  /** `printed`: undefined, or, if the node has made a key and printed it: `key()`, as far as this tab has it, and `forget()`. */
  constructor(printed) {
    this.#printed = printed;
  }

  /** Shows the view of the address. */
  show() {
    const isOperate = new URLSearchParams(location.hash.slice(1)).has("operate");
    const shown = isOperate ? "operate" : "try";
    for (const part of document.querySelectorAll("[data-of]")) part.hidden = part.dataset.of !== shown;
    for (const link of document.querySelectorAll("[data-view]")) {
      if (link.dataset.view === shown) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    document.title = isOperate ? "Channelgate, operate" : "Channelgate, live";
    if (isOperate) void this.#open();
    else void this.#operate?.then((view) => view?.close());
  }

  async #open() {
    this.#operate ??= this.#load();
    const view = await this.#operate;
    if (new URLSearchParams(location.hash.slice(1)).has("operate")) view?.open();
  }

  /** Resolves with undefined if the node cannot be reached. A browser may remember that, so that only a reload helps. */
  async #load() {
    const [root, status] = ["operate-view", "operate-stream"].map((id) => document.getElementById(id));
    let part;
    try {
      part = await import("./operate/view.js");
    } catch {
      this.#operate = undefined;
      const failure = document.createElement("p");
      failure.className = "failure";
      failure.setAttribute("role", "alert");
      failure.textContent = "The operators' view could not be loaded. Reload the page to try again.";
      root.replaceChildren(failure);
      return undefined;
    }
    return new part.OperateView(root, status, OPERATOR, this.#printed);
  }
}
