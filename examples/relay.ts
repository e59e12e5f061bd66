/**
 * A relay of one's own: joins every connection to one to a server, byte for byte, and counts.
 *
 *     SERVER=127.0.0.1:5432 sluice run examples/relay.ts --bind 127.0.0.1:6543
 */
import { pipeline } from "node:stream/promises";
import { HttpPeer, TcpConnector, tcpService } from "sluice";

const connector = new TcpConnector();
const server = new HttpPeer(process.env.SERVER ?? "127.0.0.1:5432", { connectTimeout: 1_000 });

export default tcpService({
  name: "relay",
  async handler(client, { address }) {
    const upstream = await connector.connect(server);
    // Each direction ends by itself: a client that has said everything still hears the answer.
    await Promise.all([pipeline(client, upstream), pipeline(upstream, client)]);
    console.log(`${address}: ${client.bytesRead} bytes up, ${upstream.bytesRead} bytes down`);
  },
});
