// Cuts this page's sockets off, as a lost network does: each ends without a close frame that the page could read, new ones
// fail, and the page gets the event `offline`. The clients of the five systems notice nothing of the demonstration:
// what they do then is what they always do.
//
// Socket.IO keeps the WebSocket that it finds when it is loaded: main.tsx loads this module before all others.

const Real = globalThis.WebSocket;
const ours = new Set<WebSocket>();
let isCut = false;

/** A socket that never opens. */
class Unreachable extends EventTarget {
  readonly url: string;
  readonly protocol = "";
  readonly extensions = "";
  readonly bufferedAmount = 0;
  binaryType: BinaryType = "blob";
  readyState: number = Real.CONNECTING;
  onopen = null;
  onmessage = null;
  onerror: ((event: Event) => void) | null = null;
  onclose: ((event: CloseEvent) => void) | null = null;

  constructor(url: string | URL) {
    super();
    this.url = String(url);
    setTimeout(() => {
      if (this.readyState === Real.CLOSED) return;
      this.readyState = Real.CLOSED;
      this.onerror?.(new Event("error"));
      this.onclose?.(lost());
    }, 50);
  }

  send(): void {
    throw new DOMException("The socket is not open.", "InvalidStateError");
  }

  close(): void {
    this.readyState = Real.CLOSED;
  }
}

const lost = (): CloseEvent => new CloseEvent("close", { code: 1006, wasClean: false });

/** The development server has a socket of its own. */
const isOurs = (url: string | URL): boolean => /^\/(ws|socket\.io)\//.test(new URL(url, location.href).pathname);

globalThis.WebSocket = new Proxy(Real, {
  construct(target, [url, protocols]: [string | URL, (string | string[])?]) {
    if (!isOurs(url)) return new target(url, protocols);
    if (isCut) return new Unreachable(url);
    const socket = new target(url, protocols);
    ours.add(socket);
    socket.addEventListener("close", () => ours.delete(socket));
    return socket;
  },
});

function cut(): void {
  isCut = true;
  dispatchEvent(new Event("offline"));
  for (const socket of [...ours]) {
    const { onclose } = socket;
    socket.onopen = socket.onmessage = socket.onerror = socket.onclose = null;
    socket.close();
    ours.delete(socket);
    onclose?.call(socket, lost());
  }
}

function mend(): void {
  isCut = false;
  dispatchEvent(new Event("online"));
}

let timer: ReturnType<typeof setTimeout> | undefined;

/** Offline for so many milliseconds from now on. */
export function goOffline(ms: number): void {
  clearTimeout(timer);
  cut();
  timer = setTimeout(mend, ms);
}
