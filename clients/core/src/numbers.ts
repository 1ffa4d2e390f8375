// The numbers of the client, in milliseconds if nothing else is said; those with options are defaults (client.ts).

/** No two attempts are closer than this. */
export const APART = 250;
/** Clients that come back, or load anew, for the same reason are spread over this time. */
export const SOON = 2_000;
/** At least this long after "try again later". */
export const LATER = 5_000;
/** A hidden tab, and a client that has failed, make one attempt in this time. */
export const MINUTE = 60_000;
/** A token has to be there within this time. */
export const TOKEN = 10_000;
/** "Expired" again in this time after a fresh token: it does not help. */
export const DOUBT = 10_000;
/** A connection that lives this long counts as open. */
export const SHOWN = 30;
/** A tab that was hidden, or a timer that is late, for this long has slept. */
export const SLEEP = 30_000;
/** After waking, an open connection has this long to answer: somebody looks at the page. */
export const WAKE = 5_000;
/** After waking, a waiting client tries within this time. */
export const WAKING = 500;
/** Another tab writes to the storage as often as it likes. */
export const STORAGE = 2_000;
/** Handlers of `onMissed` that have failed wait at least this long. */
export const AGAIN = 1_000;
/** Losses are logged once in this time. */
export const LOG = 10_000;
/** An acknowledgement has to be there within this time. */
export const REQUEST = 10_000;
/** Attempts in a row that never opened, until the reason says what to look at. */
export const REFUSED = 3;
/** Retries after a code from 3000 on that the table does not have; then `failed`. */
export const UNKNOWN = 3;
/** No timer is set for longer: `setTimeout` takes 2³¹ ms at most. */
export const FOREVER = 1e9;
