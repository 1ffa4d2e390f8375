"use client";
// The state of the feed's connection.

import type { JSX } from "react";

import { ConnectionStatus, type ConnectionStatusProps } from "../components/index.js";
import { feedClient } from "./feed.js";

export const WebSocketStatus = (props: Omit<ConnectionStatusProps, "of">): JSX.Element => <ConnectionStatus {...props} of={feedClient()} />;
