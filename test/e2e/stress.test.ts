import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay, setImmediate as nextTurn } from "node:timers/promises";
import type { ProxyPhases } from "../../src/proxy/phases.ts";
import { HttpPeer } from "../../src/upstream/peer.ts";
import { until } from "../kit/deadline.ts";
import { patternBytes } from "../kit/pattern.ts";
import { createRandom, type Random } from "../kit/random.ts";
import type { RawClient } from "../kit/raw-client.ts";
import type { RawConnection } from "../kit/raw-origin.ts";
import { ok, type ProxyUnderTest, startProxy } from "./proxy.ts";

const SEED = 4711;
const CLIENTS = 24;
const MILLISECONDS = 4000;
/** Milliseconds after which it is enough whatever was seen. */
const LONGEST = 30_000;

interface Tally {
  /** Exchanges whose every byte was right. */
  intact: number;
  /** Responses of the proxy's own: 5xx. */
  failed: number;
  /** Responses that broke off, and were seen to. */
  cut: number;
  /** Connections that the client itself broke. */
  left: number;
}

function sizeOf(random: Random): number {
  return random.pick([0, 1, 100, 5000, 70_000, 400_000]) + random.below(100);
}

/** Sends a body in pieces of random sizes, framed as the head says. */
async function sendBody(
  to: RawClient | RawConnection,
  body: Buffer,
  isChunked: boolean,
  random: Random,
): Promise<void> {
  for (let sent = 0; sent < body.length; ) {
    const piece = body.subarray(sent, sent + 1 + random.below(100_000));
    sent += piece.length;
    if (isChunked) void to.write(`${piece.length.toString(16)}\r\n`);
    void to.write(piece);
    if (isChunked) void to.write("\r\n");
    if (random.below(4) === 0) await nextTurn();
  }
  if (isChunked) void to.write("0\r\n\r\n");
}

/** A server that answers, and now and then does what servers shouldn't. */
async function serve(connection: RawConnection, random: Random, problems: string[]): Promise<void> {
  for (;;) {
    const { target, body } = await connection.readRequest();
    const [id, up, down] = target.slice(1).split("-").map(Number) as [number, number, number];
    if (!body.equals(patternBytes(up, 0, id))) problems.push(`the request ${target} came with another body`);
    const mood = random.below(30);
    if (mood === 0) return connection.reset();
    if (mood === 1) return connection.end();
    if (mood < 6) await delay(random.below(20));
    const answer = patternBytes(down, 0, id + 1);
    const isChunked = random.below(2) === 0;
    const untilEnd = mood === 7;
    const framing = isChunked ? "Transfer-Encoding: chunked" : `Content-Length: ${down}`;
    void connection.write(
      `HTTP/1.1 200 OK\r\n${untilEnd ? "Connection: close" : framing}\r\nX-Id: ${id}\r\n\r\n`,
    );
    const cut = mood === 8 || mood === 9 ? answer.subarray(0, random.below(down + 1)) : answer;
    await sendBody(connection, cut, isChunked && !untilEnd, random);
    if (cut !== answer && !isChunked) return mood === 8 ? connection.end() : connection.reset();
    if (untilEnd) return connection.end();
  }
}

/** One connection of a client, with some requests and perhaps a sudden end. */
async function visit(
  proxy: ProxyUnderTest,
  random: Random,
  ids: { next: number },
  tally: Tally,
): Promise<void> {
  const client = await proxy.connect();
  const leaves = random.below(4) === 0;
  if (leaves) {
    const how = random.pick(["reset", "destroy", "end"] as const);
    setTimeout(() => client[how](), random.below(30)).unref();
  }
  try {
    for (let i = random.below(5); i >= 0; i--) {
      const [id, up, down] = [ids.next++, sizeOf(random), sizeOf(random)];
      const isChunked = random.below(2) === 0;
      const framing = isChunked ? "Transfer-Encoding: chunked" : `Content-Length: ${up}`;
      void client.write(`PUT /${id}-${up}-${down} HTTP/1.1\r\nHost: a\r\n${framing}\r\n\r\n`);
      void sendBody(client, patternBytes(up, 0, id), isChunked, random);
      if (random.below(5) === 0) {
        client.pause();
        setTimeout(() => client.resume(), random.below(20));
      }
      const response = await client.readResponse();
      if (response.status !== 200) {
        assert.ok([502, 504].includes(response.status), String(response.status));
        tally.failed++;
        if (response.header("connection") === "close") break;
        continue;
      }
      assert.equal(response.header("x-id"), String(id), "the answer to another request");
      if (response.body.length === down) assert.ok(response.body.equals(patternBytes(down, 0, id + 1)));
      // A server's body until the end of its connection has no other length.
      else assert.equal(response.framing, "chunked");
      tally.intact++;
    }
  } catch (error) {
    if (error instanceof assert.AssertionError) throw error;
    if (leaves) tally.left++;
    else tally.cut++;
  } finally {
    client.destroy();
  }
}

function hasSeenAll({ intact, failed, cut, left }: Tally): boolean {
  return intact > 100 && failed > 0 && cut > 0 && left > 0;
}

/** Phases that answer at once or later, as it happens. */
function mixedPhases(random: Random, port: () => number): ProxyPhases {
  const sometimes = (): Promise<undefined> | undefined =>
    random.below(3) === 0 ? nextTurn(undefined) : undefined;
  return {
    requestFilter: sometimes,
    upstreamPeer: () => new HttpPeer(`127.0.0.1:${port()}`, { firstByteTimeout: 2000, readTimeout: 2000 }),
    connectedToUpstream: sometimes as () => undefined,
    requestBodyFilter: sometimes,
    responseFilter: sometimes as () => undefined,
    responseBodyFilter: sometimes,
  };
}

for (const isFiltered of [false, true]) {
  test(`clients and servers that come and go${isFiltered ? ", through filters" : ""}: all intact or an error, nothing left`, async () => {
    const random = createRandom(SEED + Number(isFiltered));
    const problems: string[] = [];
    const tally: Tally = { intact: 0, failed: 0, cut: 0, left: 0 };
    const ids = { next: 1 };
    let port = 0;
    let logged = 0;
    const phases = isFiltered ? mixedPhases(random, () => port) : {};
    await using proxy = await startProxy({
      origin: (connection) => serve(connection, random, problems),
      phases: {
        ...phases,
        logging: () => {
          logged++;
        },
      },
    });
    port = proxy.origin.port;
    const begin = performance.now();
    // On a busy machine that time may be too short to meet everything.
    const isOver = (time: number): boolean => time > (hasSeenAll(tally) ? MILLISECONDS / 2 : LONGEST);
    const client = async (): Promise<void> => {
      while (!isOver(performance.now() - begin)) await visit(proxy, random, ids, tally);
    };
    await Promise.all(Array.from({ length: CLIENTS }, client));
    await proxy.settled();
    assert.deepEqual(problems, []);
    assert.ok(hasSeenAll(tally), JSON.stringify(tally));
    assert.equal(logged, proxy.count("requests"));
    // What stays are idle connections, and each of them is open at the server too.
    await until("only idle ones stay", () => proxy.connector.open === proxy.connector.pool.size);
    assert.ok(proxy.connector.open <= CLIENTS, `${proxy.connector.open} idle`);
  });
}

test("a well-behaved crowd loses nothing", async () => {
  const random = createRandom(SEED + 7);
  await using proxy = await startProxy({
    origin: async (connection) => {
      for (;;) {
        const { target, body } = await connection.readRequest();
        void connection.write(ok(`${target} ${body.length}`));
      }
    },
  });
  const client = async (seed: number): Promise<void> => {
    const one = await proxy.connect();
    for (let i = 0; i < 50; i++) {
      const size = random.below(3000);
      void one.write(`POST /${seed}-${i} HTTP/1.1\r\nHost: a\r\nContent-Length: ${size}\r\n\r\n`);
      const { body } = await one.exchange(patternBytes(size));
      assert.equal(body.toString(), `/${seed}-${i} ${size}`);
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, (_, seed) => client(seed)));
  assert.equal(proxy.count("responses2xx"), 50 * CLIENTS);
  assert.ok(proxy.connector.open <= CLIENTS);
  assert.deepEqual(proxy.reported, []);
});
