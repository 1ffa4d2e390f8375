// Waiting for a condition with a deadline, never for luck. The deadline only ends a test that hangs: a busy machine may stop a
// process for ten seconds, and a figure of the operators' page may take 18 s.

/** Resolves with the first truthy answer of `condition`; after `ms` it fails and says what was awaited. */
export async function until(what, condition, ms = 60_000) {
  const deadline = performance.now() + ms;
  let last;
  while (performance.now() < deadline) {
    try {
      const answer = await condition();
      if (answer) return answer;
      last = answer;
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => void setTimeout(resolve, 20));
  }
  throw new Error(`not within ${ms} ms: ${what}`, { cause: last });
}
