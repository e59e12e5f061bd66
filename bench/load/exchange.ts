import type { Protocol } from "../workloads.ts";
import { dial } from "./dial.ts";
import { isSecure } from "./load.ts";
import { MessageReader } from "./message-reader.ts";

export interface Answer {
  readonly status: number;
  readonly bodyBytes: number;
}

/** Sends one request of HTTP/1, byte for byte, on a connection of its own and reads the answer. */
export function exchange(
  port: number,
  protocol: Protocol,
  request: string,
  timeoutMillis = 2000,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const reader = new MessageReader();
    const socket = dial(port, protocol);
    socket.setTimeout(timeoutMillis, () => socket.destroy(new Error("no answer in time")));
    socket.on(isSecure(protocol) ? "secureConnect" : "connect", () => socket.write(request, "latin1"));
    socket.on("error", reject);
    socket.on("close", () => reject(new Error("closed without a whole answer")));
    socket.on("data", (bytes: Buffer) => {
      if (!reader.feed(bytes)) return;
      resolve({ status: reader.status, bodyBytes: reader.bodyBytes });
      socket.destroy();
    });
  });
}
