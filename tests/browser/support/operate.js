// The operator's view in a real Chromium, and real clients of the nodes that it shows.

import { randomBytes } from "node:crypto";
import { connect } from "node:net";

import { Live } from "./live.js";
import { until } from "./until.js";

export class Operator extends Live {
  /** Opens the view of a node; `key` is put into the address, as the node prints it. */
  static async open(browser, gate, { key, ...options } = {}) {
    const operator = await super.open(browser, `${gate.url}page/#operate${key ? `&key=${key}` : ""}`, options);
    operator.page.setDefaultTimeout(60_000);
    return operator;
  }

  async ready() {
    await this.page.locator("[data-testid=operate][data-state]").waitFor();
  }

  async signIn(credential) {
    await this.test("op-signin-token").fill(credential);
    await this.test("op-signin-send").click();
  }

  /** Signs in and waits for the figures. */
  async enter(credential) {
    await this.signIn(credential);
    await this.test("op-board").waitFor();
  }

  text(id) {
    return this.test(id).first().textContent();
  }

  says(id, pattern, ms) {
    return until(`${id} says ${pattern}`, async () => {
      const text = await this.text(id);
      return pattern.test(text) && text;
    }, ms);
  }

  /** Presses a button until its answer says this: a node that stands still for 2 s is left out of one, and the text stays. */
  answers(id, press, pattern) {
    return until(`${id} answers ${pattern}`, async () => {
      await press();
      const text = await this.says(id, /^(?!Asking)/);
      return pattern.test(text) && text;
    });
  }

  /** Looks a user up until the answer says this. */
  find(user, pattern) {
    const press = async () => {
      await this.test("op-user").fill(user);
      await this.test("op-user-find").click();
    };
    return this.answers("op-user-status", press, pattern);
  }

  /** A row of a table, by what it is about. */
  row(table, key) {
    return this.page.locator(`[data-testid="${table}"] tbody tr[data-key="${key}"]`);
  }

  async rowSays(table, key, pattern, ms) {
    return until(`${key} says ${pattern}`, async () => {
      const row = this.row(table, key);
      return (await row.count()) === 1 && pattern.test(await row.textContent());
    }, ms);
  }

  /** The records of the tail that are shown: `[{ kind, group, text }]`. */
  records() {
    return this.page.locator("[data-testid=op-record]:visible").evaluateAll((rows) =>
      rows.map((row) => ({ kind: row.dataset.kind, group: row.querySelector(".group").textContent, text: row.textContent })));
  }

  /** Waits for a record of the tail that says this. */
  record(pattern) {
    return until(`a record ${pattern}`, async () => (await this.records()).find(({ text }) => pattern.test(text))?.text);
  }
}

/** A page of a node with clients in it: `open(path)` and `io(auth)` resolve with the number of a client. */
export class Clients {
  static async open(browser, gate) {
    const context = await browser.newContext();
    const page = await context.newPage();
    page.setDefaultTimeout(20_000);
    await page.goto(`${gate.url}page/icon.svg`);
    await page.evaluate(() => (window.clients = []));
    return Object.assign(new Clients(), { context, page });
  }

  /** Opens `count` plain WebSockets at this path and resolves when they are open. */
  plain(path, count = 1) {
    return this.page.evaluate(
      ([target, many]) =>
        Promise.all(
          Array.from({ length: many }, () =>
            new Promise((resolve, reject) => {
              const socket = new WebSocket(target);
              const client = { socket, got: [], close: undefined };
              socket.onopen = () => resolve();
              socket.onmessage = ({ data }) => client.got.push(data);
              socket.onclose = ({ code, reason }) => {
                client.close = { code, reason };
                reject(new Error(`closed ${code}`));
              };
              window.clients.push(client);
            }),
          ),
        ).then(() => undefined),
      [path, count],
    );
  }

  /** Connects a Socket.IO client and resolves when it is connected. */
  socketIo(token) {
    return this.page.evaluate(async (credential) => {
      const { io } = await import("/page/vendor/socket.io.esm.min.js");
      const socket = io({ auth: { token: credential }, transports: ["websocket"], forceNew: true, reconnection: false });
      const client = { socket, got: [], close: undefined };
      socket.onAny((event, ...args) => client.got.push([event, ...args]));
      socket.on("disconnect", (reason) => (client.close = { reason }));
      window.clients.push(client);
      await new Promise((resolve, reject) => {
        socket.on("connect", () => void resolve());
        socket.on("connect_error", (error) => void reject(error));
      });
    }, token);
  }

  /** What every client got so far, and how it ended. */
  all() {
    return this.page.evaluate(() => window.clients.map(({ got, close }) => ({ got, close: close ?? null })));
  }

  close() {
    return this.context.close();
  }
}

/** Opens a plain WebSocket that reads nothing after the handshake; resolves with its TCP socket. */
export async function idle(port, path) {
  const socket = connect(port, "127.0.0.1");
  const key = randomBytes(16).toString("base64");
  socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`);
  await new Promise((resolve, reject) => {
    socket.on("error", reject);
    socket.once("data", (data) => {
      socket.pause();
      if (data.toString("latin1").startsWith("HTTP/1.1 101")) resolve();
      else reject(new Error(data.toString("latin1")));
    });
  });
  return socket;
}
