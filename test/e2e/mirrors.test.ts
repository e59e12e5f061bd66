// In a process of its own: it counts rejections that nobody handles.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { until } from "../kit/deadline.ts";
import { startDeafServer } from "../kit/deaf-server.ts";
import type { UploadAnswer } from "../kit/origin-routes.ts";
import { type Origin, startOrigin } from "../kit/origins.ts";
import { patternBytes } from "../kit/pattern.ts";
import { freePort } from "../kit/ports.ts";
import { createRandom, type Random } from "../kit/random.ts";
import type { RawRequest } from "../kit/raw-message.ts";
import { type RawOrigin, type RawScript, startRawOrigin } from "../kit/raw-origin.ts";
import type { RawSocket } from "../kit/raw-socket.ts";
import { type Composed, type ComposedOptions, startComposed } from "./composed.ts";
import { answering, ok, request } from "./proxy.ts";

/*
 * Copies of requests. Whatever the other server does, the request must not feel it: every test has an answer of the
 * main server to compare with.
 */

/** Nothing that is thrown away may come back as an unhandled rejection. */
const unhandled: unknown[] = [];
const onUnhandled = (reason: unknown): void => void unhandled.push(reason);

before(() => void process.on("unhandledRejection", onUnhandled));
after(() => {
  process.off("unhandledRejection", onUnhandled);
  assert.deepEqual(unhandled, []);
});

interface Mirrored {
  /** More keys of the mirror. */
  readonly mirror?: string;
  /** More keys of the listener and of its route. */
  readonly listener?: string;
  readonly route?: string;
  /** More keys of the upstream `shadow`. */
  readonly shadow?: string;
}

/** A balancer before `main`, which copies to whoever listens at `shadow`. */
function startMirrored(
  main: Origin | RawOrigin,
  shadow: string,
  { mirror = "", listener = "", route = "", shadow: more = "" }: Mirrored = {},
  options: ComposedOptions = {},
): Promise<Composed> {
  const text = `
listeners:
  - bind: "127.0.0.1:0"
${listener}
    routes:
      - upstream: main
        mirror: { upstream: shadow${mirror === "" ? "" : `, ${mirror}`} }
${route}
upstreams:
  main: "${main.address}"
  shadow:
    servers: ["${shadow}"]
${more}
`;
  return startComposed(text, options);
}

/** Waits until so many copies have come to something, and so many to nothing. */
async function copiesOf({ running }: Composed, copies: number, failures: number): Promise<void> {
  const wanted = `${copies} ${failures}`;
  const counted = (): string => `${running.counters.copies} ${running.counters.copyFailures}`;
  try {
    await until("copies are counted", () => counted() === wanted);
  } catch {
    assert.equal(counted(), wanted);
  }
}

function chunked(body: Buffer, size: number): Buffer {
  const pieces: Buffer[] = [];
  for (let at = 0; at < body.length; at += size) {
    const piece = body.subarray(at, at + size);
    pieces.push(Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from("\r\n"));
  }
  return Buffer.concat([...pieces, Buffer.from("0\r\n\r\n")]);
}

const BIG = 3_000_000;

describe("a copy of a request", () => {
  test("is the request, with what the route and the listener make of it", async () => {
    await using main = await startOrigin();
    const copies: RawRequest[] = [];
    await using shadow = await startRawOrigin(answering(ok(), copies));
    const route = `        match: /api/*
        rewrite: { path: { strip_prefix: /api } }
        request_headers: { set: { x-version: next } }`;
    const listener = "    forwarded: { mode: append, trusted_proxies: [10.0.0.0/8] }";
    await using balancer = await startMirrored(main, shadow.address, { route, listener });
    const sent = [
      "X-Forwarded-For: 1.2.3.4",
      "Cookie: a=b",
      "Connection: x-gone",
      "X-Gone: 1",
      "TE: trailers",
    ];
    await balancer.get("/api/echo?a=1", ...sent);
    await copiesOf(balancer, 1, 0);
    const [copy] = copies;
    const names = (raw: readonly string[]): string[] => raw.filter((_, i) => i % 2 === 0).toSorted();
    assert.equal(copy?.target, "/echo?a=1");
    assert.equal(main.requests[0]?.url, "/echo?a=1");
    assert.deepEqual(copy.headers.map(([name]) => name).toSorted(), names(main.requests[0].rawHeaders));
    assert.equal(copy.header("host"), "a.example");
    assert.equal(copy.header("x-forwarded-for"), main.requests[0].headers["x-forwarded-for"]);
    assert.equal(copy.header("x-forwarded-for"), "127.0.0.1");
    assert.deepEqual(
      [copy.header("x-version"), copy.header("cookie"), copy.header("x-gone")],
      ["next", "a=b", undefined],
    );
  });

  test("has its host where it is the server's own", async () => {
    await using main = await startOrigin();
    await using shadow = await startOrigin();
    const route = "        rewrite: { host: upstream }";
    await using balancer = await startMirrored(main, shadow.address, { route });
    await balancer.get("/");
    await copiesOf(balancer, 1, 0);
    assert.equal(main.requests[0]?.headers.host, main.address);
    assert.equal(shadow.requests[0]?.headers.host, shadow.address);
  });

  for (const [framing, size] of [
    ["length", 5],
    ["chunks", 5],
    ["length", BIG],
    ["chunks", BIG],
  ] as const) {
    test(`has its body, of ${size} bytes by ${framing}`, async () => {
      await using main = await startOrigin();
      const copies: RawRequest[] = [];
      await using shadow = await startRawOrigin(answering(ok(), copies));
      await using balancer = await startMirrored(main, shadow.address, { mirror: "max_buffered: 4MB" });
      const body = patternBytes(size);
      const field = framing === "length" ? `Content-Length: ${size}` : "Transfer-Encoding: chunked";
      const wire = framing === "length" ? body : chunked(body, 70_000);
      const client = await balancer.connect();
      const response = await client.exchange(
        Buffer.concat([Buffer.from(request("POST /upload", field)), wire]),
      );
      const answer = JSON.parse(response.body.toString()) as UploadAnswer;
      assert.deepEqual([answer.bytes, answer.pattern], [size, true]);
      await copiesOf(balancer, 1, 0);
      assert.equal(copies[0]?.framing, framing === "length" ? "length" : "chunked");
      assert.ok(copies[0].body.equals(body), "the copy's body is another one");
    });
  }

  test("stays what it is while the next requests come", async () => {
    await using main = await startOrigin();
    await using shadow = await startOrigin();
    await using balancer = await startMirrored(main, shadow.address);
    const client = await balancer.connect();
    const wanted = Array.from({ length: 60 }, (_, i) => `/?${i}`);
    void client.write(wanted.map((target) => request(`GET ${target}`, `X-Target: ${target}`)).join(""));
    for (const _ of wanted) assert.equal((await client.readResponse()).status, 200);
    await copiesOf(balancer, wanted.length, 0);
    const copied = shadow.requests.map(({ url, headers }) => `${url} ${headers["x-target"]}`);
    assert.deepEqual(copied.toSorted(), wanted.map((target) => `${target} ${target}`).toSorted());
  });

  test("has its method, and no body is waited for where that means none", async () => {
    await using main = await startOrigin();
    await using shadow = await startOrigin();
    await using balancer = await startMirrored(main, shadow.address);
    const client = await balancer.connect();
    for (const method of ["HEAD", "GET", "DELETE", "POST"])
      await client.exchange(request(`${method} /bytes/5`, "Content-Length: 0"), { method });
    await copiesOf(balancer, 4, 0);
    assert.deepEqual(shadow.requests.map(({ method }) => method).toSorted(), [
      "DELETE",
      "GET",
      "HEAD",
      "POST",
    ]);
    assert.ok(shadow.requests.every(({ headers }) => headers["content-length"] === "0"));
  });

  test("doesn't ask whether the client is to go on", async () => {
    await using main = await startRawOrigin(async (connection) => {
      assert.match(await connection.readHead(), /expect: 100-continue/i);
      void connection.write("HTTP/1.1 100 Continue\r\n\r\n");
      await connection.readExactly(5);
      void connection.write(ok("main"));
    });
    const copies: RawRequest[] = [];
    await using shadow = await startRawOrigin(answering(ok(), copies));
    await using balancer = await startMirrored(main, shadow.address);
    const client = await balancer.connect();
    void client.write(request("POST /", "Content-Length: 5", "Expect: 100-continue"));
    assert.match(await client.readHead(), / 100 /);
    assert.equal((await client.exchange("hello")).body.toString(), "main");
    await copiesOf(balancer, 1, 0);
    assert.deepEqual([copies[0]?.header("expect"), copies[0]?.body.toString()], [undefined, "hello"]);
  });

  test("is made once, however often the request is repeated", async () => {
    await using main = await startOrigin();
    await using shadow = await startOrigin();
    const text = `
listeners:
  - bind: "127.0.0.1:0"
    routes: [{ upstream: main, mirror: shadow }]
upstreams:
  main: ["127.0.0.1:${await freePort()}", "127.0.0.1:${await freePort()}", "${main.address}"]
  shadow: "${shadow.address}"
`;
    await using balancer = await startComposed(text);
    for (let i = 0; i < 6; i++) assert.equal((await balancer.get()).status, 200);
    await copiesOf(balancer, 6, 0);
    assert.equal(shadow.requests.length, 6);
  });

  test("isn't made of what switches protocols", async () => {
    await using main = await startRawOrigin(async (connection) => {
      await connection.readHead();
      void connection.write(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhi",
      );
    });
    await using shadow = await startOrigin();
    await using balancer = await startMirrored(main, shadow.address);
    const client = await balancer.connect();
    void client.write(request("GET /", "Connection: Upgrade", "Upgrade: echo"));
    await client.readHead();
    assert.equal((await client.readExactly(2)).toString(), "hi");
    client.reset();
    await copiesOf(balancer, 0, 0);
    assert.equal(shadow.connectionCount, 0);
  });

  test("is made of the share that was asked for, the same ones with the same seed", async () => {
    await using main = await startOrigin();
    const copied: string[][] = [];
    for (const seed of ["one", "one", "two"]) {
      await using shadow = await startOrigin();
      await using balancer = await startMirrored(main, shadow.address, { mirror: "share: 30%" }, { seed });
      const client = await balancer.connect();
      for (let i = 0; i < 300; i++) await client.exchange(request(`GET /?${i}`));
      await until("all copies have ended", () => balancer.running.counters.copies === shadow.requests.length);
      copied.push(shadow.requests.map(({ url }) => url).toSorted());
    }
    const [one, again, two] = copied;
    assert.ok(one!.length > 60 && one!.length < 120, `${one!.length} of 300`);
    assert.deepEqual(again, one);
    assert.notDeepEqual(two, one);
  });
});

describe("the request doesn't feel a second server", () => {
  /** The main server answers a GET and a POST, and nothing is left over. */
  async function assertUntouched(balancer: Composed): Promise<void> {
    const client = await balancer.connect();
    assert.equal((await client.exchange(request("GET /"))).status, 200);
    const post = request("POST /upload", "Content-Length: 5");
    const { body } = await client.exchange(`${post}hello`);
    assert.equal((JSON.parse(body.toString()) as UploadAnswer).bytes, 5);
  }

  const hangs: RawScript = [{ read: "head" }];
  for (const [what, script] of [
    ["that hangs", hangs],
    [
      "that stops within its answer",
      [{ read: "head" }, { send: "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx" }],
    ],
    ["that goes on for ever", endless],
    ["that resets", [{ read: "head" }, { close: "reset" }]],
    ["that resets at once", [{ close: "reset" }]],
    [
      "that closes within its answer",
      [{ send: "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx" }, { close: "both" }],
    ],
    ["that doesn't speak HTTP", [{ send: "220 mail.example ESMTP\r\n" }]],
    ["that switches protocols", [{ read: "head" }, { send: "HTTP/1.1 101 Why Not\r\nUpgrade: x\r\n\r\n" }]],
  ] as const satisfies readonly (readonly [string, RawScript])[]) {
    test(what, async () => {
      await using main = await startOrigin();
      await using shadow = await startRawOrigin(script);
      await using balancer = await startMirrored(main, shadow.address, { mirror: "timeout: 100ms" });
      await assertUntouched(balancer);
      await copiesOf(balancer, 0, 2);
    });
  }

  test("that refuses connections", async () => {
    await using main = await startOrigin();
    await using balancer = await startMirrored(main, `127.0.0.1:${await freePort()}`);
    await assertUntouched(balancer);
    await copiesOf(balancer, 0, 2);
  });

  test("that doesn't even accept connections", async () => {
    await using main = await startOrigin();
    await using deaf = await startDeafServer();
    const shadow = `127.0.0.1:${deaf.port}`;
    await using balancer = await startMirrored(main, shadow, { mirror: "timeout: 100ms" });
    await assertUntouched(balancer);
    await copiesOf(balancer, 0, 2);
  });

  test("that is out by order", async () => {
    await using main = await startOrigin();
    await using shadow = await startOrigin();
    await using balancer = await startMirrored(main, shadow.address);
    balancer.running.upstreams.order("shadow", shadow.address, "disabled");
    await assertUntouched(balancer);
    await copiesOf(balancer, 0, 2);
    assert.equal(shadow.connectionCount, 0);
  });

  test("that fails, which counts against that server alone", async () => {
    await using main = await startOrigin();
    await using shadow = await startRawOrigin(hangs);
    await using balancer = await startMirrored(main, shadow.address, { mirror: "timeout: 50ms" });
    await assertUntouched(balancer);
    await copiesOf(balancer, 0, 2);
    assert.equal(balancer.server("shadow", shadow.address).counts.failures, 2);
    assert.equal(balancer.server("main", main.address).counts.failures, 0);
  });

  test("whose answers are long, which are read and thrown away", async () => {
    await using main = await startOrigin();
    await using shadow = await startOrigin();
    shadow.handle("/", ({ response }) => void response.end(Buffer.alloc(5_000_000)));
    await using balancer = await startMirrored(main, shadow.address);
    const client = await balancer.connect();
    for (let i = 1; i <= 3; i++) {
      assert.equal((await client.exchange(request("GET /"))).body.toString(), "origin\n");
      await copiesOf(balancer, i, 0);
    }
    assert.equal(shadow.connectionCount, 1);
  });
});

async function endless(connection: RawSocket): Promise<void> {
  await connection.readHead();
  await connection.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (;;) {
    await connection.write("5\r\nagain\r\n");
    await delay(1);
  }
}

describe("what is kept for a second server", () => {
  test("is as many copies as were allowed", async () => {
    await using main = await startOrigin();
    await using shadow = await startOrigin();
    await using balancer = await startMirrored(main, shadow.address, { mirror: "max_pending: 3" });
    const client = await balancer.connect();
    shadow.handle("/", ({ response, hold }) => hold(() => response.end()));
    for (let i = 0; i < 10; i++) assert.equal((await client.exchange(request("GET /"))).status, 200);
    await shadow.request(2);
    await copiesOf(balancer, 0, 7);
    shadow.release();
    await copiesOf(balancer, 3, 7);
    assert.equal((await client.exchange(request("GET /"))).status, 200);
    await shadow.request(3);
    shadow.release();
    await copiesOf(balancer, 4, 7);
  });

  test("is no more of a body than was allowed: what is too slow gets none of it whole", async () => {
    await using main = await startOrigin();
    await using shadow = await startRawOrigin(async (connection) => {
      await connection.readHead();
      connection.pause();
    });
    await using balancer = await startMirrored(main, shadow.address, { mirror: "max_buffered: 64kB" });
    const size = 20_000_000;
    const client = await balancer.connect();
    void client.write(request("POST /upload", `Content-Length: ${size}`)).catch(() => undefined);
    const response = await client.exchange(patternBytes(size));
    const answer = JSON.parse(response.body.toString()) as UploadAnswer;
    assert.deepEqual([answer.bytes, answer.pattern], [size, true]);
    await copiesOf(balancer, 0, 1);
    const connection = await shadow.connection(0);
    connection.resume();
    assert.notEqual(await connection.closed, "here");
  });

  test("ends with a client that breaks off", async () => {
    for (const [field, begin] of [
      ["Content-Length: 100", "half"],
      ["Transfer-Encoding: chunked", "4\r\nhalf\r\n"],
    ] as const) {
      await using main = await startRawOrigin([{ read: "head" }]);
      await using shadow = await startRawOrigin([{ read: "request" }]);
      await using balancer = await startMirrored(main, shadow.address);
      const client = await balancer.connect();
      void client.write(request("POST /", field) + begin);
      await shadow.connection(0);
      client.reset();
      assert.match(String(await shadow.outcome(0)), /ended|reset|closed/);
      await copiesOf(balancer, 0, 1);
    }
  });

  test("ends with a request whose server had enough of it", async () => {
    await using main = await startRawOrigin([
      { read: "head" },
      { send: "HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n" },
    ]);
    await using shadow = await startRawOrigin([{ read: "request" }]);
    await using balancer = await startMirrored(main, shadow.address);
    const client = await balancer.connect();
    const { status } = await client.exchange(`${request("POST /", "Content-Length: 1000000")}begin`);
    assert.equal(status, 413);
    assert.match(String(await shadow.outcome(0)), /ended|reset|closed/);
    await copiesOf(balancer, 0, 1);
  });

  test("goes on when the client has gone after all of its request", async () => {
    await using main = await startRawOrigin([{ read: "request" }]);
    await using shadow = await startOrigin();
    shadow.handle("/", ({ response, request: copy, hold }) => {
      copy.resume();
      hold(() => response.end());
    });
    await using balancer = await startMirrored(main, shadow.address);
    const client = await balancer.connect();
    void client.write(`${request("POST /", "Content-Length: 5")}hello`);
    await shadow.request(0);
    assert.equal(await main.outcome(0), undefined);
    client.reset();
    await until("the request is over", () => balancer.running.counters.requestsActive === 0);
    shadow.release();
    await copiesOf(balancer, 1, 0);
  });
});

/** Anything that a server may do with a request. */
function moody(random: Random): RawScript {
  const answers = [
    ok(),
    "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx",
  ];
  return async (connection) => {
    for (;;) {
      await connection.readHead();
      const mood = random.below(5);
      if (mood === 0) return connection.reset();
      if (mood === 1) return connection.pause();
      if (mood === 2) await connection.readSome();
      void connection.write(random.pick(answers));
      if (mood === 3) return connection.end();
    }
  };
}

test("any number of requests feel nothing of a second server, whatever it does", async () => {
  const random = createRandom(7);
  await using main = await startOrigin();
  await using shadow = await startRawOrigin(moody(random));
  const mirror = "timeout: 100ms, max_pending: 5, max_buffered: 20kB";
  await using balancer = await startMirrored(main, shadow.address, {
    mirror,
    shadow: "    passive_health: off",
  });
  const lane = async (): Promise<void> => {
    const client = await balancer.connect();
    for (let i = 0; i < 40; i++) {
      const size = random.pick([0, 1, 1_000, 30_000, 300_000]);
      const isChunked = random.below(2) === 0;
      const field = isChunked ? "Transfer-Encoding: chunked" : `Content-Length: ${size}`;
      const body = isChunked ? chunked(patternBytes(size), 1 + random.below(20_000)) : patternBytes(size);
      const head = Buffer.from(request("POST /upload", field));
      const response = await client.exchange(Buffer.concat([head, body]));
      const answer = JSON.parse(response.body.toString()) as UploadAnswer;
      assert.deepEqual([answer.bytes, answer.pattern], [size, true]);
    }
  };
  await Promise.all(Array.from({ length: 8 }, lane));
  const { counters } = balancer.running;
  await until("all copies are over", () => {
    const { copies, copyFailures } = balancer.running.counters;
    return copies + copyFailures === 320;
  });
  assert.ok(counters.responses2xx === 320 && balancer.running.counters.copies > 0);
});
