// A real node on a loopback port of its own.

import { type ChildProcess, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { end, freePort, isGone, run } from "./children.js";
import { until } from "./until.js";

const root = new URL("../../../../", import.meta.url);

export interface GateOptions {
  /** The configuration as TOML. Without it the node serves all presets. */
  config?: string;
  /** Only these presets. */
  presets?: readonly string[];
  /** The Redis of the channel layer, the cache and the cluster. Without it the node has the embedded layer. */
  redisUrl?: string;
  /** Further variables, such as CHANNELGATE__SERVER__DRAIN_GRACE. */
  env?: Readonly<Record<string, string>>;
  port?: number;
}

/** CHANNELGATE_BIN, or the debug build. */
export function binary(): string {
  const path = process.env["CHANNELGATE_BIN"] ?? fileURLToPath(new URL("target/debug/channelgate", root));
  if (!existsSync(path)) throw new Error(`there is no ${path}: run \`cargo build\`, or set CHANNELGATE_BIN`);
  return path;
}

export class Gate {
  readonly #options: GateOptions;
  readonly #folder = mkdtempSync(join(tmpdir(), "channelgate-"));
  #child: ChildProcess | undefined;
  #log = "";

  private constructor(
    readonly port: number,
    options: GateOptions,
  ) {
    this.#options = options;
    if (options.config !== undefined) writeFileSync(join(this.#folder, "channelgate.toml"), options.config);
  }

  static async start(options: GateOptions = {}): Promise<Gate> {
    const gate = new Gate(options.port ?? (await freePort()), options);
    await gate.start();
    return gate;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/`;
  }

  get log(): string {
    return this.#log;
  }

  readonly key = "the-key-of-the-tests";

  /** Nothing of the caller's own set-up (REDIS_URL, keys) may reach the node. */
  get #variables(): NodeJS.ProcessEnv {
    const { config, presets, redisUrl, env } = this.#options;
    return {
      ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(CHANNELGATE|REDIS_|DJANGO_|RUST_LOG)/.test(name))),
      CHANNELGATE_LISTEN: `127.0.0.1:${this.port}`,
      CHANNELGATE_API_KEY: this.key,
      CHANNELGATE_ALLOWED_ORIGINS: "localhost,127.0.0.1",
      DJANGO_SECRET_KEY: "a secret of the tests, 32 bytes and more",
      // A restart is what is tested, not how patient it is.
      CHANNELGATE__SERVER__DRAIN_DELAY: "0s",
      CHANNELGATE__SERVER__DRAIN_PERIOD: "200ms",
      CHANNELGATE__SERVER__DRAIN_GRACE: "1s",
      // actix-http looks at its timer before it reads: a node that was stopped for so long answers 408 to a whole request.
      CHANNELGATE__SERVER__HANDSHAKE_TIMEOUT: "60s",
      RUST_LOG: "info",
      ...(config === undefined ? {} : { CHANNELGATE_CONFIG: join(this.#folder, "channelgate.toml") }),
      ...(presets === undefined ? {} : { CHANNELGATE__PRESETS: presets.join(",") }),
      ...(redisUrl === undefined ? {} : { REDIS_URL: redisUrl }),
      ...env,
    };
  }

  /** Starts the node, also again on the same port, and waits until it is ready. */
  async start(): Promise<void> {
    const child = run(binary(), ["serve"], { env: this.#variables, stdio: ["ignore", "pipe", "pipe"] });
    this.#child = child;
    child.stdout?.on("data", (data: Buffer) => (this.#log += data.toString()));
    child.stderr?.on("data", (data: Buffer) => (this.#log += data.toString()));
    try {
      await until("the node is ready, or has ended", async () => isGone(child) || (await fetch(`${this.url}health/ready`)).ok, 40_000);
      if (isGone(child)) throw new Error("the node has ended");
    } catch (error) {
      child.kill("SIGKILL");
      throw new Error(`${(error as Error).message}\n${this.#log}`, { cause: error });
    }
  }

  /** Ends the node as an operator does: it drains its connections with 1012. */
  stop(): Promise<void> {
    return end(this.#child, "SIGTERM");
  }

  kill(): Promise<void> {
    return end(this.#child, "SIGKILL");
  }

  /** Stops the process without ending it, as a machine that hangs. */
  freeze(): void {
    this.#child?.kill("SIGSTOP");
  }

  thaw(): void {
    this.#child?.kill("SIGCONT");
  }

  async close(): Promise<void> {
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #post(path: string, body: unknown): Promise<unknown> {
    const headers = { "Content-Type": "application/json", Authorization: `Bearer ${this.key}` };
    const response = await fetch(`${this.url}${path}`, { method: "POST", headers, body: JSON.stringify(body) });
    if (!response.ok) throw new Error(`${path}: HTTP ${response.status} ${await response.text()}`);
    return response.json();
  }

  /** Publishes by the node's API: one event, or several in one request. */
  publish(group: string, ...events: readonly unknown[]): Promise<unknown> {
    return this.#post("api/publish", events.length === 1 ? { group, event: events[0] } : events.map((event) => ({ group, event })));
  }

  /** Ends connections: `{ user }`, `{ token }` (which is refused from now on), `{ jti }` or `{ socket }`. */
  disconnect(what: Readonly<Record<string, unknown>>): Promise<unknown> {
    return this.#post("api/websocket/disconnect", what);
  }

  /** A token: `access` (simplejwt), `ws` (needs Redis) or `jwt:KIND`, as the command line mints it. */
  token(user: string | number, { kind = "access", lifetime = "5m", claims = {} }: { kind?: string; lifetime?: string; claims?: Readonly<Record<string, unknown>> } = {}): string {
    const args = ["token", "--user", String(user), "--kind", kind, "--lifetime", lifetime];
    for (const [name, value] of Object.entries(claims)) args.push("--claim", `${name}=${JSON.stringify(value)}`);
    const minted = spawnSync(binary(), args, { env: this.#variables, encoding: "utf8", timeout: 30_000 });
    if (minted.status !== 0) throw new Error(`channelgate token: ${minted.stderr}`);
    return minted.stdout.trim();
  }

  /** The number of a metric: all its labels added up, or those with this text, `outcome="accepted"` for instance. */
  async metric(name: string, label = ""): Promise<number> {
    const response = await fetch(`${this.url}metrics`, { headers: { Authorization: `Bearer ${this.key}` } });
    if (!response.ok) throw new Error(`metrics: HTTP ${response.status}`);
    let sum = 0;
    for (const line of (await response.text()).split("\n")) {
      if ((line.startsWith(`${name} `) || line.startsWith(`${name}{`)) && line.includes(label)) sum += Number(line.slice(line.lastIndexOf(" ")));
    }
    return sum;
  }
}
