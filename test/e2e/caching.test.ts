import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { PurgeKind } from "../../src/cache/purges/purge.ts";
import { until } from "../kit/deadline.ts";
import type { RawResponse } from "../kit/raw-message.ts";
import { field, MAX_AGE, startCaching, statusOf } from "./caching.ts";
import { ok, request, writePattern } from "./proxy.ts";

describe("a proxy with a cache", () => {
  test("fetches once and answers from then on, with an age", async () => {
    await using caching = await startCaching(ok("hello", MAX_AGE));
    const first = await caching.ask("GET /a");
    assert.equal(first.body.toString(), "hello");
    assert.match(statusOf(first), /^sluice; fwd=uri-miss; ttl=\d+; stored$/);
    caching.clock.now += 5_000;
    const second = await caching.ask("GET /a");
    assert.equal(second.body.toString(), "hello");
    assert.match(statusOf(second), /^sluice; hit; ttl=5\d$/);
    assert.ok(Number(field(second, "age")) >= 5);
    assert.equal(caching.asked.length, 1);
  });

  test("answers HEAD, ranges and conditions from a whole response", async () => {
    await using caching = await startCaching(ok("0123456789".repeat(20), MAX_AGE, 'ETag: "v"'));
    const first = await caching.ask("GET /a", "Range: bytes=2-4", 'If-None-Match: "old"');
    assert.equal(first.status, 206);
    assert.equal(first.body.toString(), "234");
    const [sent] = caching.asked;
    assert.equal(field(sent!, "range"), null);
    assert.equal(field(sent!, "if-none-match"), null);
    const head = await caching.ask("HEAD /a");
    assert.equal(field(head, "content-length"), "200");
    const parts = await caching.ask("GET /a", "Range: bytes=0-0,190-");
    assert.match(field(parts, "content-type") ?? "", /^multipart\/byteranges; boundary=/);
    const none = await caching.ask("GET /a", "Range: bytes=200-");
    assert.equal(none.status, 416);
    assert.equal(field(none, "content-range"), "bytes */200");
    assert.equal((await caching.ask("GET /a", 'If-None-Match: "v"')).status, 304);
    assert.equal(caching.asked.length, 1);
  });

  test("asks whether what is stale still holds", async () => {
    await using caching = await startCaching((request) =>
      field(request, "if-none-match") === '"v"'
        ? 'HTTP/1.1 304 Not Modified\r\nCache-Control: max-age=100\r\nETag: "v"\r\nX-New: 1\r\n\r\n'
        : ok("body", "Cache-Control: max-age=1", 'ETag: "v"'),
    );
    await caching.ask("GET /a");
    caching.clock.now += 3_000;
    const second = await caching.ask("GET /a");
    assert.equal(second.body.toString(), "body");
    assert.equal(field(second, "x-new"), "1");
    assert.match(statusOf(second), /fwd=stale; fwd-status=304/);
    caching.clock.now += 50_000;
    assert.match(statusOf(await caching.ask("GET /a")), /hit/);
    assert.equal(caching.asked.length, 2);
  });

  test("tells variants apart", async () => {
    await using caching = await startCaching((request) =>
      ok(field(request, "accept-language") ?? "none", MAX_AGE, "Vary: Accept-Language"),
    );
    for (const language of ["de", "en", "de", "en"]) {
      const answer = await caching.ask("GET /a", `Accept-Language: ${language}`);
      assert.equal(answer.body.toString(), language);
    }
    assert.equal(caching.asked.length, 2);
  });

  test("keeps those apart who sent a field from those who didn't, though only the former are told of it", async () => {
    await using caching = await startCaching((asked) =>
      field(asked, "origin") === null ? ok("plain", MAX_AGE) : ok("for it", MAX_AGE, "Vary: Origin"),
    );
    const ask = async (...fields: readonly string[]): Promise<string> =>
      (await caching.ask("GET /a", ...fields)).body.toString();
    for (let i = 0; i < 3; i++) {
      assert.equal(await ask("Origin: https://a.example"), "for it");
      assert.equal(await ask(), "plain");
    }
    assert.equal(caching.asked.length, 2);
    caching.clock.now += 3_600_000;
    assert.deepEqual([await ask(), await ask("Origin: https://a.example")], ["plain", "plain"]);
    assert.equal(caching.asked.length, 3);
  });

  test("fetches once for all who ask at once", async () => {
    const gate = Promise.withResolvers<void>();
    await using caching = await startCaching(async () => {
      await gate.promise;
      return ok("one", MAX_AGE);
    });
    const answers = Promise.all(Array.from({ length: 100 }, () => caching.ask("GET /a")));
    await until("all have asked", () => caching.proxy.count("requestsActive") === 100);
    gate.resolve();
    for (const { body } of await answers) assert.equal(body.toString(), "one");
    assert.equal(caching.asked.length, 1);
  });

  test("lets all go to the server who ask for what can't be stored", async () => {
    const gate = Promise.withResolvers<void>();
    await using caching = await startCaching(async () => {
      await gate.promise;
      return ok("mine", "Cache-Control: private");
    });
    const answers = Promise.all(Array.from({ length: 20 }, () => caching.ask("GET /a")));
    await until("all have asked", () => caching.proxy.count("requestsActive") === 20);
    gate.resolve();
    for (const { body } of await answers) assert.equal(body.toString(), "mine");
    assert.equal(caching.asked.length, 20);
  });

  test("fetches once for all though who asked first got something of its own", async () => {
    for (const own of ["Authorization: Basic x", "Cache-Control: no-store", "X_Original_URL: /b"]) {
      const gate = Promise.withResolvers<void>();
      await using caching = await startCaching(async () => {
        await gate.promise;
        return ok("one", MAX_AGE);
      });
      const first = caching.ask("GET /a", own);
      await until("it is asked for", () => caching.asked.length === 1);
      const answers = Promise.all(Array.from({ length: 20 }, () => caching.ask("GET /a")));
      await until("all have asked", () => caching.proxy.count("requestsActive") === 21);
      gate.resolve();
      for (const { body } of [await first, ...(await answers)]) assert.equal(body.toString(), "one");
      assert.equal(caching.asked.length, 2, own);
    }
  });

  test("has nobody's variant made by fields that don't reach the server", async () => {
    await using caching = await startCaching((asked) =>
      ok(field(asked, "accept-language") ?? "none", MAX_AGE, "Vary: Accept-Language"),
    );
    const language = "Accept-Language: de";
    await caching.ask("GET /a", language, "Connection: Accept-Language");
    assert.equal((await caching.ask("GET /a", language)).body.toString(), "de");
    assert.equal((await caching.ask("GET /a")).body.toString(), "none");
    assert.equal(caching.asked.length, 2);
  });

  test("asks for what has one key in one spelling", async () => {
    await using caching = await startCaching(ok("one", MAX_AGE));
    const ask = async (host: string): Promise<RawResponse> => {
      const client = await caching.proxy.connect();
      return client.exchange(`GET /a HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    };
    assert.match(statusOf(await ask("A.Example.:80")), /; stored/);
    assert.match(statusOf(await ask("a.example")), /; hit;/);
    assert.equal(field(caching.asked[0]!, "host"), "a.example");
  });

  test("stores no error that one client provoked by long fields", async () => {
    const fault = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n";
    await using caching = await startCaching(`${fault}${MAX_AGE}\r\n\r\n`);
    assert.match(statusOf(await caching.ask("GET /a", `X-A: ${"a".repeat(5000)}`)), /detail=status/);
    assert.match(statusOf(await caching.ask("GET /a")), /; stored/);
  });

  test("gives up what no client waits for where too much of that is under way", async () => {
    let closed = 0;
    await using caching = await startCaching(async (_request, connection) => {
      await connection.closed;
      closed++;
      return undefined;
    });
    caching.fills.unwatched += 256;
    const client = await caching.proxy.connect();
    await client.write(request("GET /a"));
    await until("it is asked for", () => caching.asked.length === 1);
    client.reset();
    await until("the server is left", () => closed === 1);
    caching.fills.unwatched -= 256;
    assert.equal(caching.fills.unwatched, 0);
  });

  test("has nobody wait in a row for what is each one's own", async () => {
    const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()] as const;
    await using caching = await startCaching(async () => {
      await gates[caching.asked.length === 1 ? 0 : 1].promise;
      return ok("mine", MAX_AGE);
    });
    const answers = Promise.all(
      Array.from({ length: 10 }, () => caching.ask("GET /a", "Authorization: Basic x")),
    );
    await until("all have asked", () => caching.proxy.count("requestsActive") === 10);
    gates[0].resolve();
    await until("all ask the server", () => caching.asked.length === 10);
    gates[1].resolve();
    for (const { body } of await answers) assert.equal(body.toString(), "mine");
  });

  test("goes on fetching when the client that asked first is gone", async () => {
    const gate = Promise.withResolvers<void>();
    await using caching = await startCaching(async (_request, connection) => {
      await connection.write(
        "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 10\r\n\r\n01234",
      );
      await gate.promise;
      return "56789";
    });
    const client = await caching.proxy.connect();
    await client.write(request("GET /a"));
    await client.readUntil("01234");
    client.reset();
    const other = caching.ask("GET /a");
    await until("only the other one is left", () => caching.proxy.count("requestsActive") === 1);
    gate.resolve();
    assert.equal((await other).body.toString(), "0123456789");
    assert.equal(caching.asked.length, 1);
  });

  test("doesn't let a client that takes nothing hold up others, also while nobody knows how long it is", async () => {
    const gate = Promise.withResolvers<void>();
    await using caching = await startCaching(
      `HTTP/1.1 200 OK\r\n${MAX_AGE}\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n0\r\n\r\n`,
      {
        proxy: {
          phases: {
            responseBodyFilter: ({ request }) =>
              request.headers.has("x-slow") ? gate.promise.then(() => undefined) : undefined,
          },
        },
      },
    );
    const slow = caching.ask("GET /a", "X-Slow: 1");
    await until("it is asked for", () => caching.asked.length === 1);
    assert.equal((await caching.ask("GET /a")).body.toString(), "one");
    gate.resolve();
    assert.equal((await slow).body.toString(), "one");
    assert.equal(caching.asked.length, 1);
  });

  test("doesn't let a client that reads nothing hold up others", async () => {
    const size = 200_000;
    await using caching = await startCaching(async (_request, connection) => {
      await connection.write(
        `HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: ${size}\r\n\r\n`,
      );
      await writePattern(connection, size);
      return undefined;
    });
    const slow = await caching.proxy.connect();
    await slow.write(request("GET /a"));
    slow.pause();
    assert.equal((await caching.ask("GET /a")).body.length, size);
    assert.equal(caching.asked.length, 1);
    slow.destroy();
  });

  test("asks once for all who wait, also when what is stale changes slowly, or is to be asked about each time", async () => {
    for (const control of ["max-age=10", "no-cache"]) {
      const crowd = Promise.withResolvers<void>();
      let count = 0;
      await using caching = await startCaching(async (_request, connection) => {
        if (++count === 1) return ok("old one", `Cache-Control: ${control}`, 'ETag: "1"');
        await connection.write(ok("new one", `Cache-Control: ${control}`, 'ETag: "2"').slice(0, -3));
        await crowd.promise;
        return "one";
      });
      await caching.ask("GET /a");
      caching.clock.now += 100_000;
      const answers = Array.from({ length: 10 }, () => caching.ask("GET /a"));
      await until("all have come", () => caching.store.stats.hits >= 10);
      crowd.resolve();
      for (const { body } of await Promise.all(answers)) assert.equal(body.toString(), "new one");
      assert.equal(caching.asked.length, 2);
    }
  });

  test("asks once for all who wait, also when what holds gets its new head slowly", async () => {
    const crowd = Promise.withResolvers<void>();
    const change = Promise.withResolvers<void>();
    let count = 0;
    await using caching = await startCaching(async () => {
      if (++count === 1) return ok("one", "Cache-Control: max-age=10", 'ETag: "1"');
      await crowd.promise;
      return 'HTTP/1.1 304 Not Modified\r\nETag: "1"\r\n\r\n';
    });
    await caching.ask("GET /a");
    caching.clock.now += 100_000;
    caching.store.changing = change.promise;
    const answers = Array.from({ length: 10 }, () => caching.ask("GET /a"));
    await until("all have come", () => caching.store.stats.hits >= 10);
    crowd.resolve();
    await Promise.race(answers);
    change.resolve();
    for (const { body } of await Promise.all(answers)) assert.equal(body.toString(), "one");
    assert.equal(caching.asked.length, 2);
  });

  test("passes on what turns out too large to be stored", async () => {
    const size = 2 ** 19;
    await using caching = await startCaching(async (_request, connection) => {
      await connection.write(
        "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n",
      );
      for (let sent = 0; sent < size; sent += 2 ** 14) {
        await connection.write(`4000\r\n${"x".repeat(2 ** 14)}\r\n`);
      }
      return "0\r\n\r\n";
    });
    for (let i = 0; i < 2; i++) {
      const answer = await caching.ask("GET /a");
      assert.equal(answer.status, 200);
      assert.equal(answer.body.length, size);
    }
    assert.equal(caching.asked.length, 2);
  });

  test("serves what is stale while it is fetched anew, and when the server fails", async () => {
    let version = 0;
    await using caching = await startCaching(() =>
      ++version === 3
        ? "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
        : ok(`v${version}`, "Cache-Control: max-age=10, stale-while-revalidate=10, stale-if-error=1000"),
    );
    assert.equal((await caching.ask("GET /a")).body.toString(), "v1");
    caching.clock.now += 15_000;
    assert.equal((await caching.ask("GET /a")).body.toString(), "v1");
    await until("it was fetched anew", async () => (await caching.ask("GET /a")).body.toString() === "v2");
    assert.equal(caching.asked.length, 2);
    caching.clock.now += 100_000;
    const stale = await caching.ask("GET /a");
    assert.equal(stale.body.toString(), "v2");
    assert.match(statusOf(stale), /fwd-status=503; .*detail=stale-if-error/);
  });

  test("serves nothing that was purged while the server was asked, whether that fails or says that it holds", async () => {
    const responses = [
      'HTTP/1.1 304 Not Modified\r\nETag: "1"\r\n\r\n',
      "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
    ];
    for (const response of responses) {
      const purged = Promise.withResolvers<void>();
      let count = 0;
      await using caching = await startCaching(async () => {
        if (++count === 1) return ok("old", "Cache-Control: max-age=10, stale-if-error=1000", 'ETag: "1"');
        if (count > 2) return ok("new");
        await purged.promise;
        return response;
      });
      await caching.ask("GET /a");
      caching.clock.now += 100_000;
      const answer = caching.ask("GET /a");
      await until("the server is asked", () => caching.asked.length === 2);
      await caching.cache.purge({ kind: PurgeKind.All, text: "", isSoft: false });
      purged.resolve();
      assert.equal((await answer).body.toString(), response.includes("304") ? "new" : "");
    }
  });

  test("forgets what a POST may have changed, and asks nobody when it mustn't", async () => {
    await using caching = await startCaching(ok("x", MAX_AGE));
    await caching.ask("GET /a");
    await caching.ask("POST /a", "Content-Length: 0");
    assert.equal((await caching.ask("GET /a", "Cache-Control: only-if-cached")).status, 504);
    await caching.ask("GET /a");
    assert.equal(caching.asked.length, 3);
  });

  test("tells its clients when a response breaks off, and stores nothing of it", async () => {
    let count = 0;
    await using caching = await startCaching(async (_request, connection) => {
      if (++count === 2) return ok("whole", MAX_AGE);
      await connection.write(
        "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 10\r\n\r\n01234",
      );
      connection.reset();
      return undefined;
    });
    const client = await caching.proxy.connect();
    await client.write(request("GET /a"));
    await client.readUntil("01234");
    await assert.rejects(client.readExactly(1));
    assert.equal((await caching.ask("GET /a")).body.toString(), "whole");
  });
});
