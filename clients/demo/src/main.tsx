// The first of all modules: Socket.IO keeps the WebSocket that it finds when it is loaded, so the network comes before it.

import "./stream/network";

void import("./start");
