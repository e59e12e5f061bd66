import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { until } from "../../../test/kit/deadline.ts";
import { connectRaw, type RawClient } from "../../../test/kit/raw-client.ts";
import { type RawOrigin, type RawScript, startRawOrigin } from "../../../test/kit/raw-origin.ts";
import { type CountedPlaces, countedPlaces } from "../../../test/kit/traffic.ts";
import { HttpPeer } from "../../upstream/peer.ts";
import { httpProxy } from "../http-proxy-service.ts";
import type { ProxyPhases } from "../phases.ts";
import { Server } from "../server.ts";

interface Stage extends AsyncDisposable {
  readonly origin: RawOrigin;
  readonly places: CountedPlaces;
  /** Sends a request for a path; the answer is the client's to read. */
  request(path: string, ...lines: readonly string[]): Promise<RawClient>;
}

async function stage(script: RawScript, phases: Partial<ProxyPhases<undefined>> = {}): Promise<Stage> {
  await using started = new AsyncDisposableStack();
  const origin = started.use(await startRawOrigin(script));
  const places = countedPlaces();
  const upstreamPeer = (): HttpPeer => new HttpPeer(origin.address);
  const proxy = httpProxy({ name: "web", listen: ["127.0.0.1:0"], phases: { upstreamPeer, ...phases } });
  const server = new Server([proxy], { traffic: places.book });
  await server.start();
  started.defer(() => server.destroy());
  const port = Number(server.addresses[0]!.split(":").at(-1));
  const end = started.move();
  return {
    origin,
    places,
    async request(path, ...lines) {
      const client = end.use(await connectRaw(port));
      void client.write([`GET ${path} HTTP/1.1`, "Host: a.example", ...lines, "", ""].join("\r\n"));
      return client;
    },
    [Symbol.asyncDispose]: () => end.disposeAsync(),
  };
}

const HELLO = { send: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello" } as const;

describe("a session is counted", () => {
  test("at its listener, at its server, by its client and its path", async () => {
    await using here = await stage([{ read: "request" }, HELLO]);
    const client = await here.request("/a?b");
    assert.equal((await client.readResponse()).status, 200);
    const { places, origin } = here;
    const listener = places.place("listener", "web");
    assert.deepEqual(
      [
        listener.counts.connections,
        listener.counts.connectionsOpen,
        listener.counts.requests,
        listener.counts.bytesOut,
      ],
      [1, 1, 1, 5],
    );
    assert.deepEqual([listener.statuses.get(200), listener.latency.count], [1, 1]);
    const upstream = places.place("upstream", origin.address);
    assert.deepEqual([upstream.counts.requests, upstream.latency.count], [1, 1]);
    assert.ok(upstream.latency.max <= listener.latency.max);
    const [path] = places.top("path");
    assert.deepEqual([path?.key, path?.counts.responses2xx, path?.counts.bytesOut], ["/a", 1, 5]);
    const [from] = places.top("client");
    assert.deepEqual([from?.key, from?.counts.connections], ["127.0.0.1", 1]);
  });

  test("as failed when no server answers, and when the answer says so", async () => {
    await using here = await stage([{ read: "request" }, { close: "reset" }]);
    const client = await here.request("/a");
    assert.equal((await client.readResponse()).status, 502);
    const { counts, statuses } = here.places.place("listener", "web");
    assert.deepEqual([counts.failed, counts.aborted, statuses.get(502)], [1, 0, 1]);
    const upstream = here.places.place("upstream", here.origin.address);
    assert.deepEqual([upstream.counts.failed, upstream.latency.count], [1, 0]);
  });

  test("as aborted when its client leaves before it has the answer", async () => {
    await using here = await stage([{ read: "request" }]);
    const client = await here.request("/a");
    await here.origin.connection(0);
    await until("it is under way", () => here.places.place("listener", "web").counts.requestsOpen === 1);
    client.socket.resetAndDestroy();
    await until("it is over", () => here.places.place("listener", "web").counts.requestsOpen === 0);
    const { counts, statuses } = here.places.place("listener", "web");
    assert.deepEqual([counts.requests, counts.failed, counts.aborted, statuses.size], [1, 0, 1, 0]);
  });

  test("without a server when it is answered here", async () => {
    await using here = await stage([], {
      requestFilter: (session) => session.respond({ status: 404, body: "no" }),
    });
    const client = await here.request("/a");
    assert.equal((await client.readResponse()).status, 404);
    const { counts, latency } = here.places.place("listener", "web");
    assert.deepEqual([counts.requests, counts.bytesOut, counts.failed, latency.count], [1, 2, 0, 1]);
    assert.deepEqual(here.places.names("upstream"), []);
  });
});

describe("what lasts is counted while it does", () => {
  test("a long response", async () => {
    const length = 3 * 1024 * 1024;
    const half = Buffer.alloc(length / 2, "x");
    const head = `HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\n`;
    const rest = Promise.withResolvers<void>();
    await using here = await stage(async (connection) => {
      await connection.readRequest();
      await connection.write(head);
      await connection.write(half);
      await rest.promise;
      await connection.write(half);
    });
    const client = await here.request("/a");
    const whole = client.readResponse();
    const counts = (): { readonly bytesOut: number; readonly requests: number } =>
      here.places.place("listener", "web").counts;
    await until("half of it is counted", () => counts().bytesOut > length / 2 - 512 * 1024);
    assert.equal(counts().requests, 0);
    rest.resolve();
    assert.equal((await whole).body.length, length);
    assert.deepEqual([counts().requests, counts().bytesOut], [1, length]);
    assert.equal(here.places.place("upstream", here.origin.address).counts.bytesOut, length);
    assert.equal(here.places.top("path")[0]?.counts.bytesOut, length);
  });

  test("a tunnel, whose latency is the time to its beginning", async () => {
    await using here = await stage(async (connection) => {
      await connection.readRequest();
      await connection.write(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n",
      );
      await connection.write("welcome");
    });
    const began = performance.now();
    const client = await here.request("/a", "Connection: upgrade", "Upgrade: echo");
    await client.readUntil("welcome");
    const opened = performance.now();
    const listener = (): ReturnType<CountedPlaces["place"]> => here.places.place("listener", "web");
    await until("it is counted", () => listener().counts.bytesOut === 7);
    assert.equal(listener().counts.requestsOpen, 1);
    await until("it has lasted", () => performance.now() - opened > 50);
    client.socket.resetAndDestroy();
    await until("it is over", () => listener().counts.requestsOpen === 0);
    const { statuses, latency } = listener();
    assert.deepEqual([statuses.get(101), latency.count], [1, 1]);
    assert.ok(latency.max <= opened - began, `${latency.max} of ${opened - began} ms`);
    const upstream = here.places.place("upstream", here.origin.address);
    assert.equal(upstream.counts.bytesOut, 7);
  });
});
