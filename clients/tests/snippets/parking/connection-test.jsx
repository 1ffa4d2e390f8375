// Smart parking, "Connection Test", which is the inside of a component. Added: the component around it, and imports.
import { useWebSocket } from "@channelgate/react/parking";

export function Snippet() {
const { isConnected } = useWebSocket();
console.log('WebSocket connected:', isConnected);
return null;
}
