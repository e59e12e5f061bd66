import { connect } from "node:http2";
import type { Protocol } from "../workloads.ts";
import type { Answer } from "./exchange.ts";
import { fieldsOf } from "./http2-request.ts";
import { isSecure, serverName } from "./load.ts";

/** Sends one request in HTTP/2 on a connection of its own and reads the answer. */
export function exchangeHttp2(
  port: number,
  protocol: Protocol,
  request: string,
  timeoutMillis = 2000,
): Promise<Answer> {
  const scheme = isSecure(protocol) ? "https" : "http";
  const session = connect(`${scheme}://127.0.0.1:${port}`, {
    rejectUnauthorized: false,
    servername: serverName,
  });
  const answer = new Promise<Answer>((resolve, reject) => {
    session.setTimeout(timeoutMillis, () => reject(new Error("no answer in time")));
    session.on("error", reject);
    session.on("close", () => reject(new Error("closed without a whole answer")));
    // A list of names and values: fields may come more than once.
    const stream = session.request([...fieldsOf(request), [":scheme", scheme] as const].flat());
    let status = 0;
    let bodyBytes = 0;
    stream.on("response", (head) => {
      status = head[":status"] ?? 0;
    });
    stream.on("data", (bytes: Buffer) => {
      bodyBytes += bytes.length;
    });
    stream.on("error", reject);
    stream.on("end", () => resolve({ status, bodyBytes }));
    stream.end();
  });
  return answer.finally(() => session.destroy());
}
