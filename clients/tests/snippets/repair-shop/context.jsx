// Repair shop, "Using WebSocket Context in Components". Changed: the import. Added: the import of useEffect, and the export.
import { useEffect } from "react";
import { useWebSocket } from '@channelgate/react/repair-shop';

function MyComponent() {
  const { isConnected, joinRoom, leaveRoom, emit } = useWebSocket();
  
  useEffect(() => {
    if (isConnected) {
      joinRoom('work_order_123');
      
      return () => {
        leaveRoom('work_order_123');
      };
    }
  }, [isConnected, joinRoom, leaveRoom]);
  
  return (
    <div>
      Connection Status: {isConnected ? 'Connected' : 'Disconnected'}
    </div>
  );
}

export { MyComponent };
