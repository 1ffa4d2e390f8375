// The application's own hook, which the document imports.

export const useAuth = () => ({ token: globalThis.trackerToken });
