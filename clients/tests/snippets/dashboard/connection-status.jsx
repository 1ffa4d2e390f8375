// Dashboard, "Displaying Connection Status". Changed: the import. Added: the export.
import { WebSocketStatus } from '@channelgate/react/dashboard';

const Header = () => {
  return (
    <header>
      <WebSocketStatus showDetails={true} />
    </header>
  );
};

export { Header };
