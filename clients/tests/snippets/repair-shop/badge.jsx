// Repair shop, "Real-Time Notification Badge". Changed: the import. Added: the export.
import { RealTimeNotificationBadge } from '@channelgate/react/repair-shop';

function Header() {
  return (
    <header>
      <RealTimeNotificationBadge onClick={() => navigate('/notifications')} />
    </header>
  );
}

export { Header };
