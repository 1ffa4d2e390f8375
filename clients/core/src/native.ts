// React Native: whether the app is looked at, and whether the device has a network. It names nothing of a page, and
// imports nothing: the app hands in what it has.

import type { Lifecycle } from "./types.js";

/** What is used of React Native's `AppState`. */
export interface AppStateLike {
  readonly currentState: string | null;
  addEventListener(type: "change", listener: (state: string) => void): { remove(): void };
}

/** What is used of `@react-native-community/netinfo`. */
export interface NetInfoLike {
  addEventListener(listener: (state: { readonly isConnected: boolean | null }) => void): () => void;
}

/** The lifecycle of an app. Without `NetInfo` it is not known whether the device has a network. */
export function fromAppState(AppState: AppStateLike, NetInfo?: NetInfoLike): Lifecycle {
  let online: boolean | null = null;
  // "inactive" is a moment in which something lies over the app: a call, the list of apps.
  const isHidden = () => AppState.currentState === "background";
  return {
    online: () => online,
    hidden: isHidden,
    watch(on) {
      let hidden = isHidden();
      const app = AppState.addEventListener("change", (state) => {
        const was = hidden;
        if (state === "active") hidden = false;
        if (state === "background") hidden = true;
        if (hidden !== was) on(hidden ? "hidden" : "visible");
      });
      const end = NetInfo?.addEventListener(({ isConnected }) => {
        const was = online;
        online = isConnected;
        if (online !== null && online !== was) on(online ? "online" : "offline");
      });
      return () => {
        app.remove();
        end?.();
      };
    },
  };
}
