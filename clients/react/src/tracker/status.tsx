"use client";
// The state of the tracker's connection, and what was missed.

import type { JSX } from "react";

import { ConnectionStatus, type ConnectionStatusProps } from "../components/index.js";
import { useMissed as useMissedOf } from "../hooks/missed.js";
import { trackerClient } from "./service.js";

export const WebSocketStatus = (props: Omit<ConnectionStatusProps, "of">): JSX.Element => <ConnectionStatus {...props} of={trackerClient()} />;

/** Loads anew what may have been missed. */
export const useMissed: typeof useMissedOf = (handler) => useMissedOf(handler, trackerClient());
