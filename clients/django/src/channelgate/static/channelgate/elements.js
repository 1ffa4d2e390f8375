/**
 * Connections written in HTML, for pages with little or no script of their own, and for htmx.
 *
 *     <section id="order" cg-connect="/ws/orders/7/">
 *       <div hx-get="/orders/7/row/" hx-trigger="cg:order.status from:#order, cg:missed from:#order">
 *
 * An element with `cg-connect` gets a DOM event `cg:<name>` for each event of the server (its data is `detail`),
 * `cg:missed` when something may be missing, and the attribute `cg-status`. `cg-token` is the address of ws-tokens.
 *
 * @module
 */

import { connect, wsToken } from "@channelgate/client";

/** @type {Map<Element, { url: string | null, client: ReturnType<typeof connect> }>} */
const clients = new Map();

/** @param {Element} element */
function begin(element) {
  if (clients.has(element)) return;
  const url = element.getAttribute("cg-connect");
  const token = element.getAttribute("cg-token");
  const client = connect(url ?? "", token === null ? {} : { token: wsToken(token || undefined) });
  clients.set(element, { url, client });
  /** @type {(name: string, detail: unknown) => void} */
  const tell = (name, detail) => void element.dispatchEvent(new CustomEvent(`cg:${name}`, { detail, bubbles: true }));
  client.on("*", (data, { event }) => tell(event || "message", data));
  client.onMissed((missed) => tell("missed", missed));
  const show = () => element.setAttribute("cg-status", client.snapshot().status);
  client.subscribe(show);
  show();
}

/** Connections of elements that have come, and the end of those that have gone: htmx exchanges parts of a page. */
function look() {
  for (const [element, { url, client }] of clients) {
    if (element.isConnected && element.getAttribute("cg-connect") === url) continue;
    client.disconnect();
    clients.delete(element);
  }
  for (const element of document.querySelectorAll("[cg-connect]")) begin(element);
}

new MutationObserver(look).observe(document.documentElement, { subtree: true, childList: true, attributeFilter: ["cg-connect"] });
look();
