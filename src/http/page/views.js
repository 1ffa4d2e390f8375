// The two views of the page, Try and Operate, by the address: `#operate` is the second one. Its scripts are loaded when it
// is opened for the first time.

export class Views {
  #hasPrinted;
  #key;
  #operate;

  /** `hasPrinted`: whether the node has made a key and printed it; `key()`: that key, as far as this tab has it. */
  constructor({ hasPrinted, key }) {
    this.#hasPrinted = hasPrinted;
    this.#key = key;
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
    else void this.#operate?.then((view) => view.close());
  }

  async #open() {
    this.#operate ??= import("./operate/view.js").then(({ OperateView }) => {
      const [root, status] = ["operate-view", "operate-stream"].map((id) => document.getElementById(id));
      return new OperateView(root, status, this.#hasPrinted);
    });
    const view = await this.#operate;
    if (new URLSearchParams(location.hash.slice(1)).has("operate")) view.open(this.#hasPrinted ? this.#key() : undefined);
  }
}
