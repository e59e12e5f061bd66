import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { MemoryStore } from "../../src/cache/stores/memory/memory-store.ts";
import { allocateMemoryStore } from "../../src/cache/stores/memory/store-memory.ts";
import { memoryCache, storeCache } from "../../src/proxy/caching/response-cache.ts";
import { until } from "../kit/deadline.ts";
import { Http2Client } from "../kit/http2-client.ts";
import { WatchedStore } from "../kit/watched-store.ts";
import { field, MAX_AGE, startCaching, statusOf } from "./caching.ts";
import { answering, ok, readPattern, request, startProxy, writePattern } from "./proxy.ts";

const SIZE = 200_000;
const OLD = ok("old", "Cache-Control: max-age=1, stale-if-error=1000", 'ETag: "old"');

/** A head that announces so much. */
function head(size: number): string {
  return `HTTP/1.1 200 OK\r\n${MAX_AGE}\r\nContent-Length: ${size}\r\n\r\n`;
}

describe("a store that fails", () => {
  test("while a response comes costs the client that asked first nothing", async () => {
    for (const range of [null, [50_000, 150_000], [0, 10]] as const) {
      await using caching = await startCaching(async (_request, connection) => {
        await connection.write(head(SIZE));
        await writePattern(connection, SIZE);
        return undefined;
      });
      caching.store.room = 100_000;
      const client = await caching.proxy.connect();
      const [from, to] = range ?? [0, SIZE];
      const fields = range === null ? [] : [`Range: bytes=${from}-${to - 1}`];
      void client.write(request("GET /a", ...fields));
      assert.match(await client.readHead(), range === null ? / 200 / : / 206 /);
      const body = await client.readExactly(to - from);
      const whole = await caching.ask("GET /b");
      assert.deepEqual(body, whole.body.subarray(from, to));
      await until("all is given up", () => caching.store.stats.failures === 2);
      assert.equal(caching.store.stats.entries, 0);
      assert.equal(caching.proxy.reported.length, 0);
    }
  });

  test("breaks off what others read along, whatever they speak, so that none of them takes it for whole", async () => {
    const gate = Promise.withResolvers<void>();
    await using caching = await startCaching(async (_request, connection) => {
      await connection.write(`${head(2 ** 16)}${"x".repeat(10_000)}`);
      await gate.promise;
      return "x".repeat(2 ** 16 - 10_000);
    });
    caching.store.room = 20_000;
    const [first, second] = await Promise.all([caching.proxy.connect(), caching.proxy.connect()]);
    await using http2 = new Http2Client(caching.proxy.port);
    for (const client of [first, second]) {
      await client.write(request("GET /a"));
      await client.readHead();
      await client.readExactly(10_000);
    }
    const third = http2.get("/a", { ":authority": "a.example" });
    await until("all read", () => caching.store.held >= 3);
    gate.resolve();
    assert.equal((await first.readExactly(2 ** 16 - 10_000)).length, 2 ** 16 - 10_000);
    const rest = await second.readToEnd();
    assert.ok(rest.length <= 10_000, `${rest.length} bytes`);
    const { code, body } = await third;
    assert.ok(code !== 0 && body.length <= 20_000, `${code}, ${body.length} bytes`);
    assert.equal(caching.asked.length, 1);
  });

  test("has the server wait for a client that takes nothing, and lets go of it with the client", async () => {
    await using caching = await startCaching(async (_request, connection) => {
      await connection.write(head(2 ** 17));
      await writePattern(connection, 2 ** 17);
      return undefined;
    });
    caching.store.room = 50_000;
    const slow = await caching.proxy.connect();
    slow.pause();
    await slow.write(request("GET /a"));
    await until("it has failed", () => caching.store.stats.failures === 1);
    slow.resume();
    await slow.readHead();
    await readPattern(slow, 2 ** 17);
    const gone = await caching.proxy.connect();
    gone.pause();
    await gone.write(request("GET /b"));
    await until("it has failed", () => caching.store.stats.failures === 2);
    gone.reset();
  });

  test("has those who wait ask the server themselves", async () => {
    const gate = Promise.withResolvers<void>();
    await using caching = await startCaching(async (_request, connection) => {
      await gate.promise;
      await connection.write(
        `HTTP/1.1 200 OK\r\n${MAX_AGE}\r\nTransfer-Encoding: chunked\r\n\r\n4000\r\n${"x".repeat(2 ** 14)}\r\n`,
      );
      return "0\r\n\r\n";
    });
    caching.store.room = 10_000;
    const answers = Promise.all(Array.from({ length: 5 }, () => caching.ask("GET /a")));
    await until("all wait", () => caching.proxy.count("requestsActive") === 5);
    gate.resolve();
    for (const { status, body } of await answers) assert.deepEqual([status, body.length], [200, 2 ** 14]);
  });

  test("cuts nobody off who came while nobody knew how long it would be", async () => {
    const gate = Promise.withResolvers<void>();
    await using caching = await startCaching(async (_request, connection) => {
      await connection.write(
        `HTTP/1.1 200 OK\r\n${MAX_AGE}\r\nTransfer-Encoding: chunked\r\n\r\n4000\r\n${"x".repeat(2 ** 14)}\r\n`,
      );
      await gate.promise;
      return `4000\r\n${"x".repeat(2 ** 14)}\r\n0\r\n\r\n`;
    });
    caching.store.room = 20_000;
    const first = await caching.proxy.connect();
    await first.write(request("GET /a"));
    await first.readUntil("x".repeat(100));
    const second = caching.ask("GET /a");
    await until("the second one waits", () => caching.proxy.count("requestsActive") === 2);
    gate.resolve();
    assert.equal((await second).body.length, 2 ** 15);
  });
});

describe("a slow store", () => {
  test("is waited for, and what it finds too late is let go of", async () => {
    await using caching = await startCaching(ok("hello", MAX_AGE), { proxy: { requestTimeout: 300 } });
    await caching.ask("GET /a");
    const gate = Promise.withResolvers<void>();
    caching.store.gate = gate.promise;
    const gone = await caching.proxy.connect();
    await gone.write(request("GET /a"));
    await until("it is looked for", () => caching.store.finds === 2);
    gone.reset();
    const late = await caching.ask("GET /a");
    assert.equal(late.status, 504);
    gate.resolve();
    caching.store.gate = Promise.resolve();
    assert.match(statusOf(await caching.ask("GET /a")), /hit/);
    assert.equal(caching.asked.length, 1);
  });

  test("that can't say is one that hasn't got it", async () => {
    await using caching = await startCaching(ok("hello", MAX_AGE));
    caching.store.gate = Promise.reject(new Error("no store"));
    caching.store.gate.catch(() => undefined);
    assert.equal((await caching.ask("GET /a")).body.toString(), "hello");
    assert.equal((await caching.ask("POST /a", "Content-Length: 0")).status, 200);
  });
});

describe("a server behind a cache", () => {
  test("that answers another question is asked anew", async () => {
    let count = 0;
    await using caching = await startCaching(() =>
      ++count === 2
        ? 'HTTP/1.1 304 Not Modified\r\nETag: "other"\r\n\r\n'
        : ok(`v${count}`, "Cache-Control: max-age=1", `ETag: "${count}"`),
    );
    await caching.ask("GET /a");
    caching.clock.now += 5_000;
    assert.equal((await caching.ask("GET /a")).body.toString(), "v3");
    assert.equal(field(caching.asked[1]!, "if-none-match"), '"1"');
    assert.equal(field(caching.asked[2]!, "if-none-match"), null);
    assert.match(statusOf(await caching.ask("GET /a")), /hit/);
  });

  test("that breaks off before the first byte fails nobody but who asked it", async () => {
    const gate = Promise.withResolvers<void>();
    await using caching = await startCaching(async (_request, connection) => {
      if (caching.asked.length > 1) return ok("hello", MAX_AGE);
      await connection.write(head(5));
      await gate.promise;
      connection.reset();
      return undefined;
    });
    const first = await caching.proxy.connect();
    await first.write(request("GET /a"));
    await first.readHead();
    const others = Promise.all(Array.from({ length: 5 }, () => caching.ask("GET /a")));
    await until("all wait", () => caching.proxy.count("requestsActive") === 6);
    gate.resolve();
    assert.equal((await first.readToEnd()).length, 0);
    for (const { status, body } of await others) assert.deepEqual([status, body.toString()], [200, "hello"]);
    assert.equal(caching.asked.length, 2);
  });

  test("that fails while many wait fails none of them whom something stale will do", async () => {
    const gate = Promise.withResolvers<void>();
    let count = 0;
    await using caching = await startCaching(async (_request, connection) => {
      if (++count === 1) return OLD;
      await gate.promise;
      connection.reset();
      return undefined;
    });
    await caching.ask("GET /a");
    caching.clock.now += 5_000;
    const answers = Promise.all(Array.from({ length: 10 }, () => caching.ask("GET /a")));
    await until("all wait", () => caching.proxy.count("requestsActive") === 10);
    gate.resolve();
    for (const { body } of await answers) assert.equal(body.toString(), "old");
  });

  test("that says to one what it says to nobody else is heard by that one alone", async () => {
    await using caching = await startCaching((request) => {
      const name = `For: ${field(request, "authorization") ?? "all"}`;
      return field(request, "if-none-match") === null
        ? ok("page", "Cache-Control: max-age=1", 'ETag: "1"', name)
        : `HTTP/1.1 304 Not Modified\r\nETag: "1"\r\n${name}\r\n\r\n`;
    });
    await caching.ask("GET /a");
    caching.clock.now += 5_000;
    const mine = await caching.ask("GET /a", "Authorization: me");
    assert.deepEqual([mine.body.toString(), field(mine, "for")], ["page", "me"]);
    assert.match(statusOf(mine), /fwd-status=304.*detail=authorization/);
    const other = await caching.ask("GET /a");
    assert.deepEqual([other.body.toString(), field(other, "for")], ["page", "all"]);
    assert.match(statusOf(await caching.ask("GET /a")), /hit/);
  });

  test("is asked for a part where nothing can be stored, and gives no body to HEAD", async () => {
    await using caching = await startCaching((request) => {
      const isPart = field(request, "range") !== null;
      if (isPart)
        return "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-1/4\r\nContent-Length: 2\r\n\r\nab";
      return ok("abcd", "Cache-Control: private");
    });
    for (let i = 0; i < 2; i++) {
      const part = await caching.ask("GET /a", "Range: bytes=0-1");
      assert.deepEqual([part.status, part.body.toString()], [206, "ab"]);
    }
    assert.equal(caching.asked.length, 3);
  });

  test("sends nothing to a HEAD of what it sends without a length", async () => {
    let count = 0;
    await using caching = await startCaching(() =>
      ++count === 1
        ? ok("old", "Cache-Control: max-age=1", 'ETag: "1"')
        : `HTTP/1.1 200 OK\r\n${MAX_AGE}\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nnew\r\n0\r\n\r\n`,
    );
    await caching.ask("GET /a");
    caching.clock.now += 5_000;
    const client = await caching.proxy.connect();
    const head = await client.exchange(request("HEAD /a"), { method: "HEAD" });
    assert.equal(head.status, 200);
    const next = await client.exchange(request("GET /a"));
    assert.deepEqual([next.status, next.body.toString()], [200, "new"]);
  });

  test("is no longer asked when nobody is there and the proxy closes", async () => {
    await using caching = await startCaching(async (_request, connection) => {
      await connection.write(`${head(10)}01234`);
      return undefined;
    });
    const client = await caching.proxy.connect();
    await client.write(request("GET /a"));
    await client.readUntil("01234");
    client.reset();
    await until("the client is gone", () => caching.proxy.count("requestsActive") === 0);
    assert.equal(caching.proxy.connector.open, 1);
  });

  test("has as much time for what nobody waits for as for anybody", async () => {
    await using caching = await startCaching(
      async (_request, connection) => {
        await connection.write(`${head(10)}01234`);
        return undefined;
      },
      { proxy: { requestTimeout: 200 } },
    );
    const client = await caching.proxy.connect();
    await client.write(request("GET /a"));
    await client.readUntil("01234");
    client.reset();
    await until("it is given up", () => caching.proxy.connector.open === 0);
    assert.equal(caching.store.stats.entries, 0);
  });
});

test("sessions tell which server was asked, and that none was", async () => {
  const servers: (string | null)[] = [];
  const observer = {
    onSession: (session: { peer: unknown }) =>
      void servers.push(session.peer === null ? null : String(session.peer)),
  };
  await using caching = await startCaching(
    `HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${ok("hello", MAX_AGE)}`,
    { proxy: { observer } },
  );
  const client = await caching.proxy.connect();
  await client.write(request("GET /a"));
  assert.match(await client.readHead(), / 103 /);
  assert.equal((await client.readResponse()).status, 200);
  // The same connection goes on, after a response that was waited for.
  assert.match(statusOf(await client.exchange(request("GET /a"))), /hit/);
  await until("both are over", () => servers.length === 2);
  assert.match(servers[0] ?? "", /^127\.0\.0\.1:/);
  assert.equal(servers[1], null);
  assert.equal(caching.proxy.count("responses1xx"), 1);
  assert.equal(caching.proxy.count("responseBodyBytes"), 10);
});

test("a phase that comes to no end holds neither a server nor a place for ever", async () => {
  let count = 0;
  let isStuck = true;
  let stuck = 0;
  const cache = memoryCache({ mostBytes: 2 ** 20, longestClaim: 50 });
  await using proxy = await startProxy({
    origin: answering(() => ok(`${++count}`, MAX_AGE)),
    phases: {
      requestCacheFilter: () => cache,
      responseCacheFilter() {
        if (isStuck) stuck++;
        return isStuck ? new Promise(() => {}) : undefined;
      },
    },
  });
  const gone = await proxy.connect();
  await gone.write(request("GET /a"));
  await until("it is stuck", () => stuck === 1);
  gone.reset();
  // Its connection ends.
  await proxy.origin.outcome(0);
  isStuck = false;
  const client = await proxy.connect();
  assert.equal((await client.exchange(request("GET /a"))).body.toString(), "2");
});

test("requests are answered though the store of a program throws", async () => {
  let count = 0;
  const told: string[] = [];
  const hear = ({ message }: Error): void => {
    if (message.includes("store")) told.push(message);
  };
  process.on("warning", hear);
  const no = (what: string) => (): never => {
    throw new Error(what);
  };
  const memory = allocateMemoryStore({ mostBytes: 2 ** 20, rows: 1 });
  const store = new WatchedStore(new MemoryStore(memory, 0));
  await using proxy = await startProxy({
    origin: answering(() => ok(`${++count}`, MAX_AGE)),
    phases: {
      requestCacheFilter: () => cache,
      isPurge: ({ request: { method } }) => method === "PURGE",
    },
  });
  const cache = storeCache(store);
  const client = await proxy.connect();
  const ask = async (method: string): Promise<string> => {
    const { status, body } = await client.exchange(request(`${method} /`, "Content-Length: 0"), { method });
    return status === 200 ? body.toString() : `${status}`;
  };
  store.begin = no("begin");
  assert.deepEqual([await ask("GET"), await ask("GET")], ["1", "2"]);
  store.find = no("find");
  store.remove = no("remove");
  assert.deepEqual([await ask("GET"), await ask("POST"), await ask("PURGE")], ["3", "4", "500"]);
  await until("all is told", () => told.length === 3);
  assert.deepEqual(
    told.map((one) => one.replace(/ .*:/, "")),
    ["begin begin", "find find", "remove remove"],
  );
  process.off("warning", hear);
});
