// Smart parking, "Message Test", which is the inside of a component. Added: the component around it, and imports.
import { useEffect } from "react";
import { useWebSocket } from "@channelgate/react/parking";

export function Snippet() {
const { messages } = useWebSocket();
useEffect(() => {
  console.log('New message:', messages[messages.length - 1]);
}, [messages]);
return null;
}
