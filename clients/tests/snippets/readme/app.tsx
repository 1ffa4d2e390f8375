// README.md, "In the browser", word for word (tests/documents compares it).
import { ChannelgateProvider, useEvent, useLiveList, useStatus, type UseEvent } from "@channelgate/react";
type Order = { id: number; status: string };
const useOrderEvent: UseEvent<{ "order.status": Order; "order.gone": { id: number } }> = useEvent;
const load = async (signal: AbortSignal): Promise<Order[]> => (await fetch("/api/orders/", { signal })).json();

function Orders() {
  const { isConnected } = useStatus();
  useOrderEvent("order.status", (order) => console.log(order.status));   // names and data are checked
  const { items } = useLiveList<Order>({ load, key: (order) => order.id, events: { upsert: ["order.status"], remove: ["order.gone"] } });
  return <ul className={isConnected ? "live" : "waiting"}>{items.map(({ id, status }) => <li key={id}>{id}: {status}</li>)}</ul>;
}
export const App = () => <ChannelgateProvider url="/ws/orders/7/"><Orders /></ChannelgateProvider>;   // token={wsToken()}, if cookies do not count
