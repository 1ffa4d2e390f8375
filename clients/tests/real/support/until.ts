// Waiting for a condition with a deadline, never for luck. The deadline only ends a test that hangs: a busy machine may stop a
// process for ten seconds, and what is promised in time is measured otherwise. It stays below 25 s, after which clients notice
// a dead link anyway.

/** Resolves with the first truthy answer of `condition`; after `ms` it fails and says what was awaited. */
export async function until<T>(what: string, condition: () => T | Promise<T>, ms = 20_000): Promise<NonNullable<T>> {
  const deadline = performance.now() + ms;
  let last: unknown;
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
  throw new Error(`not within ${ms} ms: ${what} (last: ${last instanceof Error ? last.message : JSON.stringify(last)})`);
}
