import { Clients } from "./clients";

export default function Page() {
  return <Clients />;
}
