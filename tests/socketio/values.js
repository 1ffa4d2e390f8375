// Bytes in JSON, as { "$bytes": "<base64>" }; and for Node, dates as { "$date": <milliseconds> }.

export function pack(value) {
  if (Buffer.isBuffer(value) || value instanceof Uint8Array || value instanceof ArrayBuffer) {
    return { $bytes: Buffer.from(value).toString("base64") };
  }
  return walk(value, pack);
}

export function unpack(value) {
  if (typeof value?.$bytes === "string") return Buffer.from(value.$bytes, "base64");
  if (typeof value?.$date === "number") return new Date(value.$date);
  return walk(value, unpack);
}

function walk(value, step) {
  if (Array.isArray(value)) return value.map(step);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, step(inner)]));
}
