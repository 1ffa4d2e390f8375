// The real node, with the embedded layer, on a loopback port of its own.

import { spawn } from "node:child_process";
import { createHmac, randomUUID } from "node:crypto";
import { existsSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";

import { until } from "./until.js";

const root = new URL("../../../", import.meta.url);

/** CHANNELGATE_BIN, or the younger of the two builds. */
export function binary() {
  if (process.env.CHANNELGATE_BIN) return process.env.CHANNELGATE_BIN;
  const builds = ["release", "debug"]
    .map((profile) => fileURLToPath(new URL(`target/${profile}/channelgate`, root)))
    .filter(existsSync)
    .sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs);
  if (builds.length === 0) throw new Error("no channelgate binary: run `cargo build`, or set CHANNELGATE_BIN");
  return builds[0];
}

export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

export class Gate {
  #child;
  #log = "";

  constructor(port, environment) {
    this.port = port;
    this.url = `http://127.0.0.1:${port}/`;
    this.environment = environment;
  }

  /** Starts a node; `environment` adds variables, `port` asks for a port that was in use before. */
  static async start({ environment = {}, port } = {}) {
    const gate = new Gate(port ?? (await freePort()), environment);
    await gate.start();
    return gate;
  }

  /** Nothing of the caller's own set-up (REDIS_URL, keys) may reach the node. */
  get #variables() {
    const inherited = Object.entries(process.env).filter(([name]) => !/^(CHANNELGATE|REDIS_|DJANGO_|RUST_LOG)/.test(name));
    return {
      ...Object.fromEntries(inherited),
      CHANNELGATE_LISTEN: `127.0.0.1:${this.port}`,
      // A restart is what is tested, not how patient it is.
      CHANNELGATE__SERVER__DRAIN_DELAY: "0s",
      CHANNELGATE__SERVER__DRAIN_PERIOD: "200ms",
      CHANNELGATE__SERVER__DRAIN_GRACE: "1s",
      // actix-http looks at its timer before it reads: a node that was stopped for so long answers 408 to a whole request.
      CHANNELGATE__SERVER__HANDSHAKE_TIMEOUT: "60s",
      RUST_LOG: "info",
      ...this.environment,
    };
  }

  async start() {
    const child = spawn(binary(), ["serve"], { env: this.#variables, stdio: ["ignore", "pipe", "pipe"] });
    this.#child = child;
    child.ended = new Promise((resolve) => {
      child.once("exit", (code, signal) => resolve({ code, signal }));
      child.once("error", (error) => resolve({ code: -1, error }));
    });
    child.stdout.on("data", (data) => (this.#log += data));
    child.stderr.on("data", (data) => (this.#log += data));
    let ended;
    void child.ended.then((how) => (ended = how));
    await until("the node is ready", async () => {
      if (ended) throw new Error(`the node ended: ${JSON.stringify(ended)}\n${this.#log}`);
      const isTold = this.environment.CHANNELGATE_API_KEY || this.#log.includes("#key=");
      return isTold && (await fetch(`${this.url}health/ready`)).ok;
    }, 40_000).catch((error) => {
      child.kill("SIGKILL");
      throw new Error(`${error.message}\n${this.#log}`, { cause: error });
    });
  }

  get log() {
    return this.#log;
  }

  /** Stops the process where it stands (SIGSTOP), or lets it go on (SIGCONT). */
  signal(name) {
    this.#child.kill(name);
  }

  /** Ends the node as an operator would, and waits for it; by force after 30 s. */
  async stop() {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return child?.ended;
    // A process that stands still would not hear the other one.
    child.kill("SIGCONT");
    child.kill("SIGTERM");
    const force = setTimeout(() => child.kill("SIGKILL"), 30_000);
    const how = await child.ended;
    clearTimeout(force);
    return how;
  }

  /** The key: the one that was set, or the one that the node made and printed with the address of its page. */
  get key() {
    const [, made] = new RegExp(`${this.url}#key=(\\S+)`).exec(this.#log) ?? [];
    const key = this.environment.CHANNELGATE_API_KEY ?? made;
    if (!key) throw new Error(`no address with a key in the log:\n${this.#log}`);
    return key;
  }

  /** The address of the page with the key, as a node prints it. */
  get pageUrl() {
    return `${this.url}#key=${this.key}`;
  }

  get #headers() {
    return { "Content-Type": "application/json", Authorization: `Bearer ${this.key}` };
  }

  /** Publishes as any program may that has the key, past the page. */
  async publish(group, event) {
    const response = await fetch(`${this.url}api/publish`, {
      method: "POST",
      headers: this.#headers,
      body: JSON.stringify(Array.isArray(event) ? event.map((each) => ({ group, event: each })) : { group, event }),
    });
    if (!response.ok) throw new Error(`publish: HTTP ${response.status} ${await response.text()}`);
    return response.json();
  }

  /** A ws-token for a user, from the page's own route. */
  async token(userId) {
    const response = await fetch(`${this.url}page/token`, {
      method: "POST",
      headers: this.#headers,
      body: JSON.stringify({ user_id: userId }),
    });
    if (!response.ok) throw new Error(`token: HTTP ${response.status} ${await response.text()}`);
    return (await response.json()).ws_token;
  }

  /** An access token as simplejwt makes it, signed with the DJANGO_SECRET_KEY of the node; `lifetime` in seconds. */
  accessToken(userId, { lifetime = 3600, ...claims } = {}) {
    const now = Math.floor(Date.now() / 1000);
    const payload = { token_type: "access", exp: now + lifetime, iat: now, jti: randomUUID(), user_id: String(userId), ...claims };
    const text = [{ alg: "HS256", typ: "JWT" }, payload].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".");
    return `${text}.${createHmac("sha256", this.environment.DJANGO_SECRET_KEY).update(text).digest("base64url")}`;
  }

  /** A ws-token in its JWT form, fetched as a front end does: with an access token. */
  async jwtToken(userId) {
    const response = await fetch(`${this.url}api/user/ws-token/`, { headers: { Authorization: `Bearer ${this.accessToken(userId)}` } });
    if (!response.ok) throw new Error(`ws-token: HTTP ${response.status} ${await response.text()}`);
    return (await response.json()).ws_token;
  }
}
