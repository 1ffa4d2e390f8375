// Messages that wait for the connection: bounded in number, size and age, and each one that is lost is counted.

/** A message that has not been written; `size` is the length of its JSON. */
export interface Queued {
  readonly event: string;
  readonly data: unknown;
  readonly size: number;
  readonly at: number;
}

export interface OutboxLimits {
  readonly messages: number;
  readonly bytes: number;
  readonly age: number;
}

/** The messages that may go on waiting: the newest within the limits. The others, the oldest first, are lost. */
export function kept(queue: readonly Queued[], now: number, limits: OutboxLimits): readonly Queued[] {
  let bytes = 0;
  let from = queue.length;
  for (; from > 0 && queue.length - from < limits.messages; from -= 1) {
    const { size, at } = queue[from - 1] as Queued;
    bytes += size;
    if (bytes > limits.bytes || now - at >= limits.age) break;
  }
  return from === 0 ? queue : queue.slice(from);
}
