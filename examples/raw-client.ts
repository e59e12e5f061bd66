/**
 * Raw connections that are kept: HTTP in front of a server that answers each line with a line.
 *
 *     sluice run examples/raw-client.ts --bind 127.0.0.1:6188
 */
import { once } from "node:events";
import type { Socket } from "node:net";
import { HttpPeer, httpService, TcpConnector } from "sluice";

const connector = new TcpConnector({ size: 16, idleTimeout: 30_000 });
const server = new HttpPeer(process.env.LINES ?? "127.0.0.1:6142", { connectTimeout: 1_000 });

export default httpService({
  async handler({ request }) {
    const socket = await connector.connect(server);
    try {
      const answer = await ask(socket, request.path.slice(1));
      // All was said on both sides: the next request can use the connection.
      connector.release(server, socket);
      return { status: 200, body: answer };
    } catch (error) {
      socket.destroy();
      throw error;
    }
  },
});

/** Sends a line and reads one. Rejects when the connection breaks meanwhile. */
async function ask(socket: Socket, question: string): Promise<string> {
  socket.write(`${question}\n`);
  let answer = "";
  while (!answer.endsWith("\n")) {
    const chunk: Buffer | null = socket.read();
    if (chunk !== null) answer += chunk.toString();
    else if (socket.readableEnded) throw new Error("The server left");
    else await Promise.race([once(socket, "readable"), once(socket, "end")]);
  }
  return answer;
}
