import assert from "node:assert/strict";
import { createServer, type IncomingMessage } from "node:http";
import { duplexPair } from "node:stream";
import { text as readText } from "node:stream/consumers";
import { describe, test } from "node:test";
import { withDeadline } from "../kit/deadline.ts";
import { MessageReader } from "./message-reader.ts";
import { mutate, requestSeeds } from "./mutations.ts";
import { Random } from "./random.ts";
import type { Message } from "./reference-parser.ts";

const iterations = Math.min(Number(process.env["FUZZ_ITERATIONS"] ?? 1500), 50_000);
const firstSeed = Number(process.env["FUZZ_SEED"] ?? 1);

/** The first message as Node's own HTTP server reads it; null when it is refused or unfinished. */
async function readWithNode(bytes: Buffer): Promise<Message | null> {
  const server = createServer({ requireHostHeader: false });
  const { promise, resolve } = Promise.withResolvers<Message | null>();
  const [client, served] = duplexPair();
  let isFirst = true;
  const take = (read: (request: IncomingMessage) => Promise<Message>) => (request: IncomingMessage) => {
    if (isFirst) read(request).then(resolve, () => resolve(null));
    isFirst = false;
  };
  for (const event of ["request", "checkContinue", "checkExpectation"]) server.on(event, take(readMessage));
  for (const event of ["upgrade", "connect"])
    server.on(
      event,
      take(async (request) => toMessage(request, "")),
    );
  server.on("clientError", () => resolve(null));
  server.emit("connection", served);
  client.on("error", () => {});
  client.resume();
  client.end(bytes);
  // A message that breaks off is reported as an error at the end of its connection.
  served.on("close", () => setImmediate(resolve, null));
  const message = await withDeadline(promise, 5000, () => JSON.stringify(bytes.toString("latin1")));
  client.destroy();
  served.destroy();
  return message;
}

async function readMessage(request: IncomingMessage): Promise<Message> {
  request.setEncoding("latin1");
  return toMessage(request, await readText(request));
}

function toMessage(request: IncomingMessage, body: string): Message {
  const { method = "", url = "", httpVersionMinor, rawHeaders, rawTrailers } = request;
  const start = [method, url, String(httpVersionMinor)];
  return { start, fields: pairs(rawHeaders), body, trailers: pairs(rawTrailers) };
}

function pairs(flat: readonly string[]): [string, string][] {
  return Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i]!, flat[2 * i + 1]!]);
}

/** Node keeps nothing of a body whose request upgrades. */
function comparable({ start, fields, body, trailers }: Message): unknown {
  const isUpgrade = start[0] === "CONNECT" || fields.some(([name]) => name.toLowerCase() === "upgrade");
  return isUpgrade ? { start, fields } : { start, fields, body, trailers };
}

describe("what both accept, Node's parser reads as this one does", () => {
  test("requests", async () => {
    let agreed = 0;
    for (let i = 0; i < iterations; i++) {
      const seed = firstSeed + i;
      const bytes = Buffer.from(mutate(requestSeeds, new Random(seed)), "latin1");
      const ours = MessageReader.read("request", bytes, [], true).messages[0];
      if (ours === undefined) continue;
      const theirs = await readWithNode(bytes);
      if (theirs === null) continue;
      agreed++;
      const context = `seed ${seed}: ${JSON.stringify(bytes.toString("latin1"))}`;
      assert.deepEqual(comparable(theirs), comparable(ours), context);
    }
    assert.ok(agreed > iterations / 4, `${agreed} messages compared`);
  });
});
