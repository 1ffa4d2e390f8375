// A server component that renders the provider: the package's "use client" makes it a client component.

import "@channelgate/react/styles.css";
import { ChannelgateProvider } from "@channelgate/react";

export const dynamic = "force-dynamic";
export const metadata = { title: "Next.js", icons: { icon: "data:," } };

export default function Layout({ children }) {
  return (
    <html lang="en">
      <body>
        <ChannelgateProvider url={process.env.GATE_URL}>{children}</ChannelgateProvider>
      </body>
    </html>
  );
}
