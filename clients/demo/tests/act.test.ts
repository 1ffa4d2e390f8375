// What a button does: once at a time, and a failure is shown.

import { expect, test } from "vitest";

import { createAct, type Acting } from "../src/pages/act";

test("a second press meanwhile does nothing, and one afterwards does", async () => {
  const shown: Acting[] = [];
  const act = createAct((now) => shown.push(now));
  let done = 0;
  const what = () => Promise.resolve(++done);
  await Promise.all([act(what), act(what)]);
  expect(done).toBe(1);
  expect(shown).toEqual([{ isBusy: true, error: null }, { isBusy: false, error: null }]);
  await act(what);
  expect(done).toBe(2);
});

test("what is refused is shown and not thrown, until the next try", async () => {
  let shown: Acting | undefined;
  const act = createAct((now) => (shown = now));
  await act(() => Promise.reject(new Error("Django answered 403")));
  expect(shown).toEqual({ isBusy: false, error: "Django answered 403" });
  const next = act(() => Promise.resolve());
  expect(shown).toEqual({ isBusy: true, error: null });
  await next;
});
