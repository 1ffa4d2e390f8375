// Errors of the client, and those of the application's functions, which never stop it.

/** `request()` got no acknowledgement in time. */
export class TimedOut extends Error {}

/** `request()` had no connection, or lost it. */
export class Disconnected extends Error {}

/** Calls a function of the application. What it throws is reported as an uncaught error, and stops nothing. */
export function guarded<T>(call: () => T): T | undefined {
  try {
    return call();
  } catch (error) {
    setTimeout(() => {
      throw error;
    });
    return undefined;
  }
}
