import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type Handlers,
  type Http1Server,
  type ServedRequest,
  startHttp1Server,
} from "../kit/http1-server.ts";
import { connectRaw } from "../kit/raw-client.ts";
import { mutate, requestSeeds } from "./mutations.ts";
import { Random } from "./random.ts";
import { type Message, readRequests } from "./reference-parser.ts";

/*
 * FUZZ_ITERATIONS=100000 FUZZ_SEED=7 node --test test/fuzz/server-connection.test.ts
 *
 * Streams of requests, broken and unbroken, in random pieces over a socket, to an application that pauses and answers
 * when it likes: it must see the messages that a plain parser finds, and the client one answer for each.
 */
const iterations = Math.min(Number(process.env["FUZZ_ITERATIONS"] ?? 400), 100_000);
const firstSeed = Number(process.env["FUZZ_SEED"] ?? 1);

/** An application that does everything at a random moment. */
function moody(random: Random): Handlers {
  const soon = (run: () => void): void => {
    const choice = random.below(4);
    if (choice === 0) setImmediate(run);
    else if (choice === 1) queueMicrotask(run);
    else if (choice === 2) process.nextTick(run);
    else run();
  };
  const hesitate = ({ connection }: ServedRequest): void => {
    if (random.below(3) > 0) return;
    connection.pauseRequest();
    soon(() => connection.resumeRequest());
  };
  return {
    onStart: (request) => {
      if (request.head.expectsContinue) request.connection.sendInformational(request.continueHead());
      hesitate(request);
      request.onBody = () => hesitate(request);
    },
    onComplete: (request) => soon(() => answer(request, random)),
    onError: (request) => request.connection.abort(),
  };
}

function answer(request: ServedRequest, random: Random): void {
  // Of an unknown length it would end an HTTP/1.0 connection.
  const isPlain = random.below(3) > 0 || request.head.protocol === "HTTP/1.0";
  if (isPlain) request.answer(request.target, { headers: { "X-Seen": "1" } });
  else {
    request.sendHead(random.below(2) === 0 ? "unknown" : request.target.length, {
      headers: { "X-Seen": "1" },
    });
    const bytes = Buffer.from(request.target, "latin1");
    for (const byte of bytes.keys()) request.connection.sendBody(bytes, byte, byte + 1);
    request.connection.sendEnd(null);
  }
}

/** The messages up to the one that ends its connection. */
function untilClose(messages: readonly Message[]): readonly Message[] {
  const last = messages.findIndex(({ start, fields }) => {
    const options = fields
      .filter(([name]) => name.toLowerCase() === "connection")
      .flatMap(([, value]) => value.split(","))
      .map((option) => option.replace(/^[ \t]+|[ \t]+$/g, "").toLowerCase());
    return options.includes("close") || (start[2] === "0" && !options.includes("keep-alive"));
  });
  return last === -1 ? messages : messages.slice(0, last + 1);
}

function originForm(method: string, target: string): string {
  if (!/^https?:/i.test(target) || method === "CONNECT") return target;
  const rest = target.replace(/^https?:\/\/[^/?]*/i, "");
  if (rest === "" && method === "OPTIONS") return "*";
  return rest.startsWith("/") ? rest : `/${rest}`;
}

async function exchange(server: Http1Server, text: string, random: Random): Promise<string> {
  await using client = await connectRaw(server.port);
  const cuts = Array.from({ length: random.below(8) }, () => random.below(text.length + 1));
  // The server may hang up before all of it is written.
  await client
    .writePieces(
      text,
      cuts.sort((a, b) => a - b),
    )
    .catch(() => {});
  client.end();
  return (await client.readToEnd().catch(() => client.unread)).toString("latin1");
}

test("an application sees what a plain parser reads, and each message is answered", async () => {
  for (let i = 0; i < iterations; i++) {
    const seed = firstSeed + i;
    const random = new Random(seed);
    const text = mutate(requestSeeds, random);
    const { messages, end } = readRequests(text);
    const expected = untilClose(messages);
    const context = `seed ${seed}: ${JSON.stringify(text)}`;

    await using server = await startHttp1Server(moody(random));
    const responses = await exchange(server, text, random);
    const complete = server.requests.filter((request) => request.complete);
    assert.deepEqual(
      complete.map(({ method, target, body }) => [method, target, body]),
      expected.map(({ start, body }) => [start[0], originForm(start[0]!, start[1]!), body]),
      context,
    );
    assert.ok(server.requests.length <= expected.length + 1, context);
    for (const { events } of complete) assert.deepEqual(events.slice(0, 2), ["start", "end"], context);
    assert.equal(responses.match(/X-Seen: 1/g)?.length ?? 0, expected.length, context);
    if (end === "clean" || expected.length < messages.length) assert.deepEqual(server.refused, [], context);
  }
});
