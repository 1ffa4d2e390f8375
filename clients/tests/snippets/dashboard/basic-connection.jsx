// Dashboard, "Basic WebSocket Connection". Changed: the import. Added: the import of useEffect, and the export.
import { useEffect } from "react";
import { useWebSocket } from '@channelgate/react/dashboard';

const MyComponent = () => {
  const { isConnected, subscribeToAttendanceUpdates } = useWebSocket();
  
  useEffect(() => {
    if (isConnected) {
      subscribeToAttendanceUpdates(employeeId, (data) => {
        console.log('Attendance update:', data);
      });
    }
  }, [isConnected, employeeId]);
};

export { MyComponent };
