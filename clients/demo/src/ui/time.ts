// Times of day, as the browser's language writes them.

const LONG = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const SHORT = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });

const EXACT = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3 });

/** With milliseconds. */
export const exactTime = (at: number): string => EXACT.format(at);

/** With seconds. */
export const clock = (at: number | Date): string => LONG.format(at);

/** An instant of Django, without seconds; a dash where there was none. */
export const shortTime = (at: string | null | undefined): string => (at ? SHORT.format(Date.parse(at)) : "–");
