/**
 * HTTPS with HTTP/2: a certificate for each customer's own name, found when somebody asks for it, and a part of the site that is
 * for those only who show who they are.
 *
 *     CERTS=certs sluice run examples/tls.ts --bind 127.0.0.1:8443
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { defineProxy, HttpPeer, httpProxy, type OwnCertificate } from "sluice";

const certs = process.env.CERTS ?? "certs";
const site = process.env.SITE ?? "127.0.0.1:3000";

/** The same object each time: it is made ready for TLS once. */
const customers = new Map<string, OwnCertificate>();

async function findCustomer(name: string): Promise<OwnCertificate | null> {
  const known = customers.get(name);
  if (known !== undefined) return known;
  // A name of letters, digits, dots and dashes: it can't lead out of the folder.
  const read = (ending: string): Promise<string> =>
    readFile(join(certs, `customer.${name}.${ending}`), "utf8");
  try {
    const found = { cert: await read("pem"), key: await read("key") };
    customers.set(name, found);
    return found;
  } catch {
    return null;
  }
}

export default httpProxy({
  tls: {
    // These files are watched, and exchanged while it runs.
    cert: join(certs, "site.pem"),
    key: join(certs, "site.key"),
    clientCertificates: { mode: "optional", ca: join(certs, "clients.pem") },
  },
  // Asked before the files above; null: those.
  certificateCallback: (serverName) => (serverName === "" ? null : findCustomer(serverName)),
  // The server gets X-Forwarded-Client-Cert, and never what a client writes into it.
  forwarding: { mode: "replace", xForwarded: true, clientCertificate: "xfcc" },
  phases: defineProxy({
    requestFilter(session) {
      const { request, client } = session;
      if (!request.path.startsWith("/staff/") || client.tls?.peerCertificate) return undefined;
      return session.respond({ status: 403, body: "Show who you are\n" });
    },
    upstreamPeer: () => new HttpPeer(site),
  }),
});
