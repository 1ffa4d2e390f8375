// How numbers and times read. Pure.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const fine = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const finer = new Intl.NumberFormat("en", { maximumFractionDigits: 2 });
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });

/** 12,345; a dash where nothing is known. */
export const count = (number) => (number === null || number === undefined ? "–" : whole.format(number));

/** A rate or a mean: 0.25, 9.8, 128, 1,234. */
export function rate(number) {
  if (number === null || number === undefined) return "–";
  if (number > 0 && number < 1) return finer.format(Math.max(number, 0.01));
  return (number < 100 ? fine : whole).format(number);
}

/** For axes: 0.5, 20, 1.5K, 2M. */
export const short = (number) => (number < 1000 ? finer.format(number) : compact.format(number));

const two = (number) => String(number).padStart(2, "0");

/** Unix seconds as 17:35:20 in this browser's time zone. */
export function clock(seconds, withSeconds = true) {
  const date = new Date(seconds * 1000);
  return `${two(date.getHours())}:${two(date.getMinutes())}${withSeconds ? `:${two(date.getSeconds())}` : ""}`;
}

/** The time since `started`, in the two largest units: 3 d 4 h, 12 min, 40 s. */
export function since(started, now) {
  const seconds = Math.max(0, Math.round(now - started));
  if (seconds < 60) return `${seconds} s`;
  const all = Math.floor(seconds / 60);
  const [days, hours, minutes] = [Math.floor(all / 1440), Math.floor(all / 60) % 24, all % 60];
  if (days) return hours ? `${days} d ${hours} h` : `${days} d`;
  return hours ? (minutes ? `${hours} h ${minutes} min` : `${hours} h`) : `${minutes} min`;
}

/** Microseconds: 340 µs, 1.2 ms, 2.5 s. */
export function micros(us) {
  if (us < 1000) return `${whole.format(us)} µs`;
  return us < 1_000_000 ? `${fine.format(us / 1000)} ms` : `${fine.format(us / 1_000_000)} s`;
}

/** a, b and c. */
export const listed = (texts) => (texts.length < 2 ? texts.join("") : `${texts.slice(0, -1).join(", ")} and ${texts.at(-1)}`);
