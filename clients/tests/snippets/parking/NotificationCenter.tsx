// Smart parking, "Notification Component". Changed: the import of useWebSocket.
// components/NotificationCenter.tsx
import React from 'react';
import { useWebSocket } from '@channelgate/react/parking';

export const NotificationCenter: React.FC = () => {
  const { isConnected, messages } = useWebSocket();

  return (
    <div className="notification-center">
      <div className="connection-status">
        Status: {isConnected ? 'Connected' : 'Disconnected'}
      </div>
      
      <div className="notifications">
        {messages.map((msg, index) => (
          <div key={index} className={`notification ${msg.type}`}>
            <h4>{msg.message}</h4>
            {msg.data && (
              <pre>{JSON.stringify(msg.data, null, 2)}</pre>
            )}
          </div>
        ))}
      </div>
    </div>
  );
};
