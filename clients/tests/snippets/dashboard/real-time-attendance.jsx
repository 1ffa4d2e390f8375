// Dashboard, "Using Real-time Attendance Hook". Changed: the import. Added: the export.
import { useRealTimeAttendance } from '@channelgate/react/dashboard';

const MyComponent = () => {
  const { realTimeData, isConnected, getConnectionStatus } = useRealTimeAttendance(employeeId);
  
  return (
    <div>
      <p>Status: {getConnectionStatus()}</p>
      {realTimeData && <p>Latest update: {realTimeData.status}</p>}
    </div>
  );
};

export { MyComponent };
