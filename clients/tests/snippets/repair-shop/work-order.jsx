// Repair shop, "Using Real-Time Work Order Hook". Changed: the import. Added: the export.
import { useRealTimeWorkOrder } from '@channelgate/react/repair-shop';

function WorkOrderDetail() {
  const { workOrder, isUpdating, isConnected } = useRealTimeWorkOrder(initialWorkOrder);
  
  return (
    <div>
      {isUpdating && <div>Updating...</div>}
      <div>Status: {workOrder?.status}</div>
      <div>Connection: {isConnected ? 'Live' : 'Offline'}</div>
    </div>
  );
}

export { WorkOrderDetail };
