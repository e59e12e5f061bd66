import { connect } from "node:net";
import { MessageReader } from "./message-reader.ts";

export interface Answer {
  readonly status: number;
  readonly bodyBytes: number;
}

/** Sends one request, byte for byte, on a connection of its own and reads the answer. */
export function exchange(port: number, request: Buffer, timeoutMillis = 2000): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const reader = new MessageReader();
    const socket = connect({ port, host: "127.0.0.1" });
    socket.setTimeout(timeoutMillis, () => socket.destroy(new Error("no answer in time")));
    socket.on("connect", () => socket.write(request));
    socket.on("error", reject);
    socket.on("close", () => reject(new Error("closed without a whole answer")));
    socket.on("data", (bytes: Buffer) => {
      if (!reader.feed(bytes)) return;
      resolve({ status: reader.status, bodyBytes: reader.bodyBytes });
      socket.destroy();
    });
  });
}
