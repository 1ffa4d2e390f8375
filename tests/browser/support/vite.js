// The development server of the demonstration's application.

import { fileURLToPath } from "node:url";

import { freePorts } from "./demo.js";
import { Process } from "./process.js";

const folder = fileURLToPath(new URL("../../../clients/demo/", import.meta.url));
const program = fileURLToPath(new URL("../../../clients/node_modules/vite/bin/vite.js", import.meta.url));

export class Vite {
  #process;

  /** Starts it beside a system; `url` is where it answers. */
  static async start(system) {
    const vite = new Vite();
    const port = await freePorts(1);
    vite.url = `http://127.0.0.1:${port}`;
    vite.#process = new Process(process.execPath, [program, "--port", String(port), "--strictPort"], {
      cwd: folder,
      env: { ...process.env, DEMO_SYSTEM: system },
      signal: "SIGTERM",
    });
    const answers = async () => (await fetch(vite.url, { signal: AbortSignal.timeout(5_000) })).ok;
    await vite.#process.isReady("the development server answers", answers, 60_000);
    return vite;
  }

  stop() {
    return this.#process.stop();
  }
}
