// The admin API, as this operator.

/** How long an answer is awaited, in ms. A node that stands still would leave a button without an answer for minutes. */
const PATIENCE = 10_000;

/** Calls the API under `/api/websocket/` with the operator's token or key. */
export class Api extends EventTarget {
  authorization = "";
  #patience;

  constructor(patience = PATIENCE) {
    super();
    this.#patience = patience;
  }

  get(path) {
    return this.#ask(path, {});
  }

  post(path, body) {
    return this.#ask(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  }

  /** Resolves with `{ ok, message, data, silent, field }`; it never throws. A refused token is also the event `refused`. */
  async #ask(path, options) {
    const headers = { ...options.headers, Authorization: `Bearer ${this.authorization}` };
    let response;
    let body;
    try {
      response = await fetch(`/api/websocket/${path}`, { ...options, headers, cache: "no-store", signal: AbortSignal.timeout(this.#patience) });
      body = await response.json();
    } catch ({ name }) {
      if (name === "TimeoutError") return { ok: false, message: `The node did not answer within ${this.#patience / 1000} s` };
      return { ok: false, message: response ? `The node answered HTTP ${response.status}` : "The node cannot be reached" };
    }
    const { message = "", data, silent = [], field } = body;
    if (response.status === 401 || response.status === 403) this.dispatchEvent(new CustomEvent("refused", { detail: message }));
    return { ok: response.ok, message, data, silent, field };
  }
}
