// What the snippets use of packages that the tests do not install: their shapes, as these document them.

declare module "react-native" {
  type AppStateStatus = "active" | "background" | "inactive" | "unknown" | "extension";

  export const AppState: {
    readonly currentState: AppStateStatus;
    addEventListener(type: "change" | "memoryWarning" | "blur" | "focus", listener: (state: AppStateStatus) => void): { remove(): void };
  };
}

declare module "@react-native-community/netinfo" {
  interface NetInfoState {
    readonly isConnected: boolean | null;
    readonly isInternetReachable: boolean | null | undefined;
  }

  const NetInfo: { addEventListener(listener: (state: NetInfoState) => void): () => void };
  export default NetInfo;
}
