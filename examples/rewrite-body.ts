/**
 * A body that is rewritten on its way: JSON answers lose what nobody outside should read. Other answers stream through.
 *
 *     sluice run examples/rewrite-body.ts --bind 127.0.0.1:6188
 */
import { defineProxy, HttpPeer } from "sluice";

const origin = new HttpPeer(process.env.ORIGIN ?? "127.0.0.1:3000");
const SECRETS = new Set(["password", "token"]);
const LIMIT = 1024 * 1024;

interface Context {
  /** What came of a JSON body so far; null for other bodies. */
  json: Buffer[] | null;
  size: number;
}

export default defineProxy({
  newContext: (): Context => ({ json: null, size: 0 }),

  upstreamPeer: () => origin,

  upstreamRequestFilter(_session, request) {
    // A compressed body would have to be unpacked first.
    request.headers.delete("Accept-Encoding");
  },

  responseFilter({ context }, response) {
    if (response.headers.get("content-type")?.startsWith("application/json") !== true) return;
    context.json = [];
    // The new body has another length, which is not known before its end. And it is another body.
    response.headers.delete("Content-Length");
    response.headers.delete("ETag");
  },

  responseBodyFilter({ context }, chunk, endOfStream) {
    if (context.json === null) return undefined;
    if (chunk !== null) context.json.push(chunk);
    context.size += chunk?.length ?? 0;
    if (context.size > LIMIT) throw new Error(`A JSON body of more than ${LIMIT} bytes`);
    // Null: nothing goes out for this chunk.
    return endOfStream ? redact(Buffer.concat(context.json)) : null;
  },
});

function redact(body: Buffer): string {
  const hide = (key: string, value: unknown): unknown => (SECRETS.has(key) ? "…" : value);
  return JSON.stringify(JSON.parse(body.toString(), hide));
}
