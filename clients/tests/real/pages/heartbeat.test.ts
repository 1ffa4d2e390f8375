// How long a dead link stays unnoticed with the numbers that are set: no frame for 25 s, and no answer within 10 s.

import { expect, it, onTestFinished } from "vitest";

import { Chaos } from "../support/chaos.js";
import { Gate } from "../support/gate.js";
import { launch, Tab } from "./support/page.js";

it("finds a dead link within 36 s", async () => {
  const [browser, gate] = await Promise.all([launch(), Gate.start({ presets: ["feed"] })]);
  onTestFinished(() => Promise.all([browser.close(), gate.close()]).then(() => undefined));
  const link = await Chaos.start(gate.port);
  onTestFinished(() => link.close());
  const tab = await Tab.open(browser);
  await tab.start({ url: `${link.url}ws/`, components: 0 });
  await tab.until("the node's name", ({ snapshot }) => snapshot.node !== null);
  const began = performance.now();
  link.halfOpen();
  const { reasons } = await tab.until("the loss", ({ statuses }) => statuses.length > 2, 40_000);
  const seconds = (performance.now() - began) / 1_000;
  expect(reasons).toEqual(["heartbeat"]);
  expect(seconds).toBeGreaterThan(30);
  expect(seconds).toBeLessThanOrEqual(36);
  await tab.until("open and live", ({ snapshot }) => snapshot.status === "open" && snapshot.recovery === "live");
  await tab.close();
}, 60_000);
