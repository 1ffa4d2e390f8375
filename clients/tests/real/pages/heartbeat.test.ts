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
  link.halfOpen();
  const { reasons, lost } = await tab.until("the loss", (facts) => facts.lost.length > 0, 60_000);
  expect(reasons).toEqual(["heartbeat"]);
  // By the page's own clock, from the last frame on. A busy machine may stop it.
  const [{ silence, stopped } = { silence: 0, stopped: 0 }] = lost;
  expect(silence).toBeGreaterThanOrEqual(35_000);
  expect(silence - stopped).toBeLessThanOrEqual(36_000);
  await tab.until("open and live", ({ snapshot }) => snapshot.status === "open" && snapshot.recovery === "live");
  await tab.close();
});
