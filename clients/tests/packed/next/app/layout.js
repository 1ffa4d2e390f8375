// A server component: the package's "use client" makes client components of the provider and what is inside.

import "@channelgate/react/styles.css";
import { ChannelgateProvider } from "@channelgate/react";
import { ConnectionStatus } from "@channelgate/react/components";

export const dynamic = "force-dynamic";
export const metadata = { title: "Next.js", icons: { icon: "data:," } };

export default function Layout({ children }) {
  return (
    <html lang="en">
      <body>
        <ChannelgateProvider url={process.env.GATE_URL}>
          <ConnectionStatus />
          {children}
        </ChannelgateProvider>
      </body>
    </html>
  );
}
