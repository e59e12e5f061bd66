import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { describe, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { ProxyPhases } from "../../src/proxy/phases.ts";
import type { ResponseInit, Session } from "../../src/proxy/session.ts";
import { HttpPeer } from "../../src/upstream/peer.ts";
import { until } from "../kit/deadline.ts";
import { PatternVerifier, patternBytes } from "../kit/pattern.ts";
import { answering, ok, type ProxyUnderTest, request, standstill, startProxy } from "./proxy.ts";

const POST = `${request("POST /", "Content-Length: 5")}hello`;
const NOBODY = new HttpPeer("127.0.0.1:1");

/** A proxy that answers every request itself. */
function startAnswering(init: () => ResponseInit): Promise<ProxyUnderTest> {
  return startProxy({ phases: { requestFilter: (session) => session.respond(init()) } });
}

describe("an answer of a phase's own", () => {
  type Early = Exclude<keyof ProxyPhases, `response${string}` | `upstreamResponse${string}` | "newContext">;
  const before: Partial<Record<Early, readonly Early[]>> = {
    earlyRequestFilter: [],
    requestFilter: ["earlyRequestFilter"],
    proxyUpstreamFilter: ["earlyRequestFilter", "requestFilter"],
    upstreamPeer: ["requestFilter", "proxyUpstreamFilter"],
    connectedToUpstream: ["upstreamPeer"],
    upstreamRequestFilter: ["upstreamPeer", "connectedToUpstream"],
    requestBodyFilter: ["upstreamRequestFilter"],
  };

  for (const phase of Object.keys(before) as Early[]) {
    for (const isAsync of [false, true]) {
      test(`in ${phase}${isAsync ? ", later" : ""} ends it all`, async () => {
        const seen: string[] = [];
        let port = 0;
        const phases = Object.fromEntries(
          Object.keys(before).map((name) => [
            name,
            (session: Session) => {
              seen.push(name);
              const value = name === "upstreamPeer" ? new HttpPeer(`127.0.0.1:${port}`) : undefined;
              if (name !== phase || session.request.path === "/next") return value;
              const answer = (): unknown => {
                session.respond({ status: 418, headers: { "X-Own": "1" }, body: "own" });
                return value;
              };
              return isAsync ? nextTurn().then(answer) : answer();
            },
          ]),
        ) as unknown as ProxyPhases;
        const logged: unknown[] = [];
        await using proxy = await startProxy({
          origin: answering(ok("next")),
          phases: { ...phases, logging: (_, error) => void logged.push(error) },
        });
        port = proxy.origin.port;
        const client = await proxy.connect();
        const response = await client.exchange(POST);
        assert.deepEqual([response.status, response.body.toString()], [418, "own"]);
        assert.deepEqual([response.header("x-own"), response.header("content-length")], ["1", "3"]);
        assert.equal(response.header("connection"), undefined);
        assert.equal(seen.at(-1), phase);
        await proxy.settled(1);
        assert.deepEqual(logged, [null]);
        // Whoever was connected to is let go, and the client's connection is as good as new.
        await proxy.origin.connections[0]?.closed;
        const next = await client.exchange(request("GET /next"));
        assert.equal(next.body.toString(), "next");
      });
    }
  }

  test("in failToConnect and errorWhileProxy is the answer", async () => {
    const answer = (session: Session): void => void session.respond({ status: 200, body: "instead" });
    await using refused = await startProxy({
      phases: { upstreamPeer: () => NOBODY, failToConnect: answer },
    });
    const first = await refused.connect();
    assert.equal((await first.exchange(POST)).body.toString(), "instead");
    await using dropped = await startProxy({
      origin: async (connection) => {
        await connection.readRequest();
        connection.end();
      },
      phases: { errorWhileProxy: answer },
    });
    const second = await dropped.connect();
    for (let i = 0; i < 2; i++) assert.equal((await second.exchange(POST)).body.toString(), "instead");
    assert.deepEqual([refused.reported, dropped.reported], [[], []]);
  });

  test("can't be given twice, nor when a server has answered", async () => {
    const thrown: unknown[] = [];
    const again = (session: Session): void => {
      try {
        session.respond({ status: 200 });
      } catch (error) {
        thrown.push(String(error));
      }
    };
    await using proxy = await startProxy({
      origin: answering(ok("server")),
      phases: {
        requestFilter: (session) => {
          if (session.request.path === "/own") session.respond({ status: 200, body: "own" });
          if (session.responded) again(session);
        },
        responseFilter: again,
        logging: again,
      },
    });
    const client = await proxy.connect();
    assert.equal((await client.exchange(request("GET /own"))).body.toString(), "own");
    assert.equal((await client.exchange(request("GET /"))).body.toString(), "server");
    await proxy.settled(1);
    assert.deepEqual(thrown, new Array(4).fill("Error: This session has a response already"));
  });

  test("changes nothing when the session is over", async () => {
    const { promise: go, resolve: letGo } = Promise.withResolvers<void>();
    const { promise: done, resolve: isDone } = Promise.withResolvers<unknown>();
    await using proxy = await startProxy({
      phases: {
        requestFilter: async (session) => {
          await go;
          session.closeAfterResponse();
          session.respond({ status: 200 });
          await session.readBody().catch(isDone);
        },
      },
    });
    const client = await proxy.connect();
    void client.write(request("GET /"));
    await until("it is asked", () => proxy.count("requestsActive") === 1);
    client.reset();
    await proxy.settled();
    letGo();
    assert.match(String(await done), /over/);
    assert.equal(proxy.count("responses2xx"), 0);
  });

  test("leaves the request to whoever keeps the session, when others have come since", async () => {
    const kept: Session[] = [];
    await using proxy = await startProxy({
      phases: {
        requestFilter: (session) => {
          kept.push(session);
          return session.respond({ status: 204 });
        },
      },
    });
    const client = await proxy.connect();
    for (const name of ["first", "second"]) await client.exchange(request(`GET /${name}`, `X-Name: ${name}`));
    const told = kept.map(({ request: { target, headers } }) => [target, headers.get("x-name")]);
    assert.deepEqual(told, [
      ["/first", "first"],
      ["/second", "second"],
    ]);
  });

  test("may close the connection", async () => {
    await using proxy = await startProxy({
      phases: {
        requestFilter: (session) => {
          session.closeAfterResponse();
          session.respond({ status: 200, body: "bye" });
        },
      },
    });
    const client = await proxy.connect();
    const response = await client.exchange(request("GET /") + request("GET /"));
    assert.equal(response.header("connection"), "close");
    assert.equal((await client.readToEnd()).length, 0);
  });
});

describe("the body of an answer", () => {
  async function* pieces(): AsyncGenerator<string | Uint8Array> {
    yield "häl";
    await nextTurn();
    yield "";
    yield Buffer.from("lo");
  }

  const bodies: Record<
    string,
    readonly [body: () => NonNullable<ResponseInit["body"]> | null, text: string, length?: number]
  > = {
    null: [() => null, "", 0],
    text: [() => "hällo", "hällo", 6],
    bytes: [() => Buffer.from("hällo"), "hällo", 6],
    "a view of bytes": [() => new TextEncoder().encode("xhälloy").subarray(1, 7), "hällo", 6],
    "an async generator": [pieces, "hällo"],
    "a stream": [() => Readable.from(["häl", "lo"]), "hällo"],
    "a web stream": [() => new Blob(["hällo"]).stream(), "hällo"],
    "no piece at all": [() => Readable.from([]), ""],
  };

  for (const [name, [body, text, length]] of Object.entries(bodies)) {
    test(`may be ${name}`, async () => {
      await using proxy = await startAnswering(() => ({ status: 200, body: body() }));
      const client = await proxy.connect();
      for (let i = 0; i < 2; i++) {
        const got = await client.exchange(POST);
        assert.equal(got.body.toString(), text);
        assert.equal(got.framing, length === undefined ? "chunked" : "length");
        const head = await client.exchange(request("HEAD /"), { method: "HEAD" });
        assert.equal(head.header("content-length"), length === undefined ? undefined : String(length));
      }
      const old = await client.exchange("GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n");
      assert.equal(old.body.toString(), text);
      assert.equal(old.framing, length === undefined ? "end" : "length");
      assert.equal(old.header("connection"), length === undefined ? "close" : "keep-alive");
      assert.equal(client.unread.length, 0);
    });
  }

  test("is left out where there can't be one, and its source told", async () => {
    let ended = 0;
    async function* endless(): AsyncGenerator<string> {
      try {
        for (;;) yield "x";
      } finally {
        ended++;
      }
    }
    let status = 204;
    await using proxy = await startAnswering(() => ({ status, body: endless() }));
    const client = await proxy.connect();
    assert.equal((await client.exchange(request("GET /"))).framing, "none");
    status = 304;
    assert.equal((await client.exchange(request("GET /"))).framing, "none");
    status = 200;
    assert.equal((await client.exchange(request("HEAD /"), { method: "HEAD" })).status, 200);
    await until("they are told", () => ended === 3);
    assert.equal(client.unread.length, 0);
  });

  test("of its own framing is framed by us", async () => {
    const headers = { "Content-Length": "99", "Transfer-Encoding": "gzip", Connection: "close", "X-A": "b" };
    await using proxy = await startAnswering(() => ({ status: 200, headers, body: "ok" }));
    const client = await proxy.connect();
    for (let i = 0; i < 2; i++) {
      const response = await client.exchange(request("GET /"));
      assert.deepEqual([response.body.toString(), response.header("x-a")], ["ok", "b"]);
      assert.equal(response.header("connection"), undefined);
    }
  });

  test("can be large, and comes no faster than the client takes it", async () => {
    const size = 32 * 1024 * 1024;
    let produced = 0;
    async function* large(): AsyncGenerator<Uint8Array> {
      for (; produced < size; produced += 40_000)
        yield patternBytes(Math.min(40_000, size - produced), produced);
    }
    await using proxy = await startAnswering(() => ({ status: 200, body: large() }));
    const client = await proxy.connect();
    client.pause();
    void client.write(request("GET /"));
    await standstill(() => produced);
    assert.ok(produced < size / 2, `${produced} bytes`);
    client.resume();
    const verifier = new PatternVerifier();
    await client.readResponse({ onData: (chunk) => verifier.write(chunk) });
    assert.equal(verifier.offset, size);
    produced = 0;
    const whole = await startAnswering(() => ({ status: 200, body: patternBytes(size) }));
    await using _ = whole;
    const second = await whole.connect();
    const again = new PatternVerifier();
    await second.exchange(request("GET /"), { onData: (chunk) => again.write(chunk) });
    assert.equal(again.offset, size);
  });

  test("that fails is cut, never a whole one", async () => {
    async function* failing(): AsyncGenerator<string> {
      yield "some";
      await nextTurn();
      throw new Error("no more");
    }
    for (const version of ["1.1", "1.0"]) {
      await using proxy = await startAnswering(() => ({ status: 200, body: failing() }));
      const client = await proxy.connect();
      void client.write(`GET / HTTP/${version}\r\nHost: a\r\n\r\n`);
      await assert.rejects(client.readResponse(), /ended|reset/);
      assert.equal(proxy.reported[0]?.error.code, "FILTER_FAILED");
    }
  });

  test("of the wrong kind is a 500", async () => {
    for (const body of [{}, 5, [1]]) {
      await using proxy = await startAnswering(() => ({ status: 200, body: body as unknown as string }));
      const client = await proxy.connect();
      assert.equal((await client.exchange(request("GET /"))).status, 500);
    }
  });

  test("is told when the client goes, wherever it waits", async () => {
    let ended = 0;
    async function* endless(size: number): AsyncGenerator<Buffer> {
      try {
        for (;;) {
          await nextTurn();
          yield Buffer.alloc(size);
        }
      } finally {
        ended++;
      }
    }
    for (const [i, size] of [10, 1_000_000].entries()) {
      await using proxy = await startAnswering(() => ({ status: 200, body: endless(size) }));
      const client = await proxy.connect();
      client.pause();
      void client.write(request("GET /"));
      await until("it is under way", () => proxy.count("requestsActive") === 1);
      await nextTurn();
      client.reset();
      await until("it is told", () => ended === i + 1);
      await proxy.settled();
    }
  });

  test("is finished though the request's body turns out bad", async () => {
    const { promise: go, resolve: letGo } = Promise.withResolvers<void>();
    async function* slow(): AsyncGenerator<string> {
      yield "one ";
      await go;
      yield "two";
    }
    await using proxy = await startAnswering(() => ({ status: 200, body: slow() }));
    const client = await proxy.connect();
    void client.write(request("POST /", "Transfer-Encoding: chunked"));
    await client.readUntil("one ");
    void client.write("nonsense\r\n");
    await nextTurn();
    letGo();
    assert.match((await client.readToEnd()).toString(), /two\r\n0\r\n\r\n$/);
  });
});
