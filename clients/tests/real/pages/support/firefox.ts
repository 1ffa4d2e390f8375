// Opens the page of these tests in Debian's Firefox, over WebDriver BiDi: Playwright drives only a Firefox of its own.

import type { ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, writeFileSync } from "node:fs";
import type { Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { WebSocket } from "ws";

import { end, removeProfile, run } from "../../support/children.js";
import { until } from "../../support/until.js";
import { serve } from "./page.js";
import { Watched } from "./watched.js";

/** FIREFOX_BIN (empty: none), or Debian's Firefox if it is installed. */
export const firefoxPath: string | undefined = process.env["FIREFOX_BIN"] === "" ? undefined : process.env["FIREFOX_BIN"] ?? ["/usr/bin/firefox-esr", "/usr/bin/firefox"].find((path) => existsSync(path));

/** It asks nothing of the network. */
const PREFERENCES = ["app.update.auto", "datareporting.policy.dataSubmissionEnabled", "network.captive-portal-service.enabled", "network.connectivity-service.enabled"];

interface Answer {
  readonly id: number | null;
  readonly error?: string;
  readonly message?: string;
  readonly result?: Record<string, unknown>;
}

export class Firefox {
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #id = 0;

  private constructor(
    private readonly child: ChildProcess,
    private readonly profile: string,
    private readonly socket: WebSocket,
  ) {
    socket.on("message", (data) => {
      const answer = JSON.parse(data.toString()) as Answer;
      if (answer.id !== null) this.#waiting.get(answer.id)?.(answer);
    });
  }

  static async launch(): Promise<Firefox> {
    if (firefoxPath === undefined) throw new Error("there is no Firefox");
    const profile = mkdtempSync(join(tmpdir(), "channelgate-firefox-"));
    writeFileSync(join(profile, "user.js"), PREFERENCES.map((name) => `user_pref("${name}", false);\n`).join(""));
    const child = run(firefoxPath, ["--headless", "--no-remote", "--profile", profile, "--remote-debugging-port", "0"], { stdio: ["ignore", "ignore", "pipe"] });
    let log = "";
    child.stderr?.on("data", (data: Buffer) => (log += data.toString()));
    const address = await until("the address of WebDriver BiDi", () => /BiDi listening on (ws:\S+)/.exec(log)?.[1], 40_000);
    const socket = new WebSocket(`${address}/session`);
    await new Promise((resolve, reject) => void socket.once("open", resolve).once("error", reject));
    const firefox = new Firefox(child, profile, socket);
    await firefox.send("session.new", { capabilities: {} });
    return firefox;
  }

  async send(method: string, params: Readonly<Record<string, unknown>>): Promise<Record<string, unknown>> {
    const id = ++this.#id;
    const answer = await new Promise<Answer>((resolve) => {
      this.#waiting.set(id, resolve);
      this.socket.send(JSON.stringify({ id, method, params }));
    });
    this.#waiting.delete(id);
    if (answer.error !== undefined) throw new Error(`${method}: ${answer.error} ${answer.message}`);
    return answer.result ?? {};
  }

  async close(): Promise<void> {
    this.socket.close();
    await end(this.child, "SIGTERM");
    await removeProfile(this.profile);
  }
}

export class FirefoxTab extends Watched {
  private constructor(
    private readonly firefox: Firefox,
    private readonly context: string,
    readonly url: string,
    private readonly server: Server,
  ) {
    super();
  }

  static async open(firefox: Firefox): Promise<FirefoxTab> {
    const { url, server } = await serve({ react: 19, production: false });
    const { context } = await firefox.send("browsingContext.create", { type: "tab" });
    const tab = new FirefoxTab(firefox, context as string, url, server);
    await tab.goto(url);
    return tab;
  }

  async goto(url: string): Promise<void> {
    await this.firefox.send("browsingContext.navigate", { context: this.context, url, wait: "complete" });
  }

  /** Arguments and the answer go as JSON. */
  protected async call(name: keyof Window["page"], ...args: readonly unknown[]): Promise<unknown> {
    const answer = await this.firefox.send("script.callFunction", {
      functionDeclaration: "(name, args) => JSON.stringify(window.page[name](...JSON.parse(args)))",
      arguments: [name, JSON.stringify(args)].map((value) => ({ type: "string", value })),
      target: { context: this.context },
      awaitPromise: true,
    });
    const { type, result, exceptionDetails } = answer as { type: string; result?: { value?: string }; exceptionDetails?: { text: string } };
    if (type !== "success") throw new Error(`${name}: ${exceptionDetails?.text}`);
    return result?.value === undefined ? undefined : JSON.parse(result.value);
  }

  async close(): Promise<void> {
    await this.firefox.send("browsingContext.close", { context: this.context });
    this.server.closeAllConnections();
    await new Promise((resolve) => void this.server.close(resolve));
  }
}
