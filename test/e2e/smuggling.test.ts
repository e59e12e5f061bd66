import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ProxyPhases } from "../../src/proxy/phases.ts";
import type { RawRequest } from "../kit/raw-message.ts";
import { answering, isWell, ok, type ProxyUnderTest, request, startProxy } from "./proxy.ts";

/** What must not arrive at a server as a request. */
const SMUGGLED = "GET /smuggled HTTP/1.1\r\nHost: evil\r\n\r\n";

/** A server that tells what it was asked, and a proxy before it. */
async function startEcho(requests: RawRequest[], phases: Partial<ProxyPhases> = {}): Promise<ProxyUnderTest> {
  return await startProxy({
    origin: answering(
      (seen) => ok(`${seen.method} ${seen.target} ${seen.body.toString("latin1")}`),
      requests,
    ),
    phases,
  });
}

/** What servers got besides the requests of `isWell`. */
function asked(requests: readonly RawRequest[]): string[] {
  return requests
    .filter(({ target }) => target !== "/well")
    .map(({ method, target }) => `${method} ${target}`);
}

/** Every one of them is refused, nothing of it reaches a server, and the connection ends. */
async function assertRefused(
  vectors: Record<string, string>,
  statuses: readonly number[] = [400],
): Promise<void> {
  const requests: RawRequest[] = [];
  await using proxy = await startEcho(requests);
  for (const [name, vector] of Object.entries(vectors)) {
    await isWell(proxy);
    const client = await proxy.connect();
    // Behind a valid request, and with another one behind it that must not be read.
    const first = await client.exchange(request("GET /well") + vector + SMUGGLED);
    assert.equal(first.body.toString(), "GET /well ", name);
    const response = await client.readResponse();
    assert.ok(statuses.includes(response.status), `${name}: ${response.status}`);
    assert.equal(response.header("connection"), "close", name);
    assert.equal((await client.readToEnd()).length, 0, name);
    client.destroy();
    assert.deepEqual(asked(requests), [], name);
  }
  await isWell(proxy);
}

/** A POST with these framing fields and this body. */
function post(fields: readonly string[], body: string): string {
  return request("POST /vector", ...fields) + body;
}

describe("requests with two lengths", () => {
  test("are refused", async () => {
    await assertRefused({
      "CL.TE": post(["Content-Length: 6", "Transfer-Encoding: chunked"], "0\r\n\r\nG"),
      "TE.CL": post(
        ["Transfer-Encoding: chunked", "Content-Length: 4"],
        "5c\r\nGPOST / HTTP/1.1\r\n\r\n0\r\n\r\n",
      ),
      "CL.CL": post(["Content-Length: 5", "Content-Length: 6"], "hello"),
      "equal CL.CL": post(["Content-Length: 5", "content-length: 5"], "hello"),
      "0.CL": post(["Content-Length: 0", "Content-Length: 44"], ""),
      list: post(["Content-Length: 5, 5"], "hello"),
      "TE in HTTP/1.0": `POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      "TE.TE": post(["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"], "0\r\n\r\n"),
    });
  });

  test("are refused in whatever way the coding is disguised", async () => {
    const lines = [
      "Transfer-Encoding: xchunked",
      "Transfer-Encoding : chunked",
      "Transfer-Encoding\t: chunked",
      " Transfer-Encoding: chunked",
      "Transfer-Encoding: chunked, identity",
      "Transfer-Encoding: identity, chunked",
      "Transfer-Encoding: identity",
      "Transfer-Encoding: chunked, chunked",
      "Transfer-Encoding: gzip, chunked",
      "Transfer-Encoding: chunked;q=1",
      'Transfer-Encoding: "chunked"',
      "Transfer-Encoding: chunked,",
      "Transfer-Encoding: ,chunked",
      "Transfer-Encoding: chun\r\n ked",
      "Transfer-Encoding:\r\n chunked",
      "Transfer-Encoding:",
      "Transfer-Encoding:\x0bchunked",
      "Transfer-Encoding: chunked\x00",
      "Transfer-Encoding:\xa0chunked",
      "Transfer-Encoding: chunked\x85",
      "Transfer-Encoding\x00: chunked",
      "X: y\nTransfer-Encoding: chunked",
      "X: y\rTransfer-Encoding: chunked",
      "Transfer-Encoding: x\r\nTransfer-Encoding: chunked",
    ];
    const alone = lines.map((line) => [`${line} alone`, post([line], "0\r\n\r\n")] as const);
    const both = lines.map((line) => [line, post(["Content-Length: 5", line], "0\r\n\r\n")] as const);
    await assertRefused(Object.fromEntries([...alone, ...both]));
  });

  test("are refused in whatever way the number is disguised", async () => {
    const numbers = [
      "+5",
      "-5",
      "-0",
      "0x5",
      "5.0",
      "5e0",
      "5 5",
      "5;",
      "5,",
      "05",
      "٥",
      "5\x00",
      "\x0b5",
      "",
      "５",
    ];
    numbers.push("5\x85", "18446744073709551621", "4294967301x", "9999999999999999", "5_0", "NaN", "five");
    const vectors = numbers.map((number) => [number, post([`Content-Length: ${number}`], "hello")] as const);
    const names = [
      "Content-Length :",
      "Content-Length\t:",
      "Content Length:",
      "Content-Length\x00:",
      " Content-Length:",
    ];
    const disguised = names.map((name) => [name, post([`${name} 5`], "hello")] as const);
    await assertRefused(Object.fromEntries([...vectors, ...disguised]));
  });
});

describe("chunks", () => {
  test("of a doubtful size fail the request, and its server never sees a whole one", async () => {
    const bodies = [
      "5\nhello\r\n0\r\n\r\n",
      "5\r\nhello\n0\r\n\r\n",
      "5\rhello\r\n0\r\n\r\n",
      "0x5\r\nhello\r\n0\r\n\r\n",
      "+5\r\nhello\r\n0\r\n\r\n",
      "-5\r\nhello\r\n0\r\n\r\n",
      " 5\r\nhello\r\n0\r\n\r\n",
      "5 5\r\nhello\r\n0\r\n\r\n",
      "5;x\nhello\r\n0\r\n\r\n",
      "5;x=\x00\r\nhello\r\n0\r\n\r\n",
      "5;\x0b\r\nhello\r\n0\r\n\r\n",
      "10000000000000005\r\nhello\r\n0\r\n\r\n",
      "\r\nhello\r\n0\r\n\r\n",
      ";x\r\nhello\r\n0\r\n\r\n",
      "5\r\nhelloX\r\n0\r\n\r\n",
      "5\r\nhello0\r\n\r\n",
      "4\r\nhello\r\n0\r\n\r\n",
      "6\r\nhello\r\n0\r\n\r\n",
      "5\r\nhello\r\n0\n\n",
      "5\r\nhello\r\n0\r\n\n",
      "5\r\nhello\r\n0\r\nno field\r\n\r\n",
      "5\r\nhello\r\n0\r\nA : b\r\n\r\n",
      "5\r\nhello\r\n0\r\nA: b\nC: d\r\n\r\n",
      "5\r\nhello\r\n0\r\n A: b\r\n\r\n",
      "5\r\nhello\r\n00000000000000000\r\n\r\n",
      `5${";x=y".repeat(5000)}\r\nhello\r\n0\r\n\r\n`,
    ];
    const requests: RawRequest[] = [];
    await using proxy = await startEcho(requests);
    for (const body of bodies) {
      await isWell(proxy);
      const client = await proxy.connect();
      const response = await client.exchange(post(["Transfer-Encoding: chunked"], body) + SMUGGLED);
      assert.equal(response.status, 400, JSON.stringify(body.slice(0, 50)));
      assert.equal((await client.readToEnd()).length, 0);
      client.destroy();
      assert.deepEqual(asked(requests), [], JSON.stringify(body.slice(0, 50)));
    }
    await isWell(proxy);
  });

  test("that are odd but clear are taken", async () => {
    const requests: RawRequest[] = [];
    await using proxy = await startEcho(requests);
    const bodies = [
      "5;a\r\nhello\r\n0\r\n\r\n",
      '05\t;a="x;y"\r\nhello\r\n000;z\r\n\r\n',
      "5 ;\r\nhello\r\n0\r\n\r\n",
    ];
    for (const body of bodies) {
      const client = await proxy.connect();
      void client.write(post(["Transfer-Encoding:\tCHUNKED \t"], body) + request("GET /next"));
      assert.equal((await client.readResponse()).body.toString(), "POST /vector hello");
      assert.equal((await client.readResponse()).body.toString(), "GET /next ");
    }
  });
});

describe("heads that two parsers could read in two ways", () => {
  test("are refused", async () => {
    const heads = {
      "bare LF ends": "GET /x HTTP/1.1\nHost: a\n\n",
      "bare LF in between": "GET /x HTTP/1.1\r\nHost: a\nX: y\r\n\r\n",
      "bare CR": "GET /x HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n",
      "bare CR as an end": "GET /x HTTP/1.1\rHost: a\r\r",
      "CR CR LF": "GET /x HTTP/1.1\r\r\nHost: a\r\n\r\n",
      "obs-fold": "GET /x HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n",
      "obs-fold by tab": "GET /x HTTP/1.1\r\nHost: a\r\n\tX: y\r\n\r\n",
      "blank before the first field": "GET /x HTTP/1.1\r\n Host: a\r\n\r\n",
      "no colon": "GET /x HTTP/1.1\r\nHost: a\r\nX\r\n\r\n",
      "empty name": "GET /x HTTP/1.1\r\nHost: a\r\n: y\r\n\r\n",
      "blank in a name": "GET /x HTTP/1.1\r\nHost: a\r\nX Y: z\r\n\r\n",
      "NUL in a name": "GET /x HTTP/1.1\r\nHost: a\r\nX\x00: z\r\n\r\n",
      "NUL in a value": "GET /x HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n",
      "DEL in a value": "GET /x HTTP/1.1\r\nHost: a\r\nX: \x7f\r\n\r\n",
      "two hosts": "GET /x HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
      "no host": "GET /x HTTP/1.1\r\n\r\n",
      "two spaces": "GET  /x HTTP/1.1\r\nHost: a\r\n\r\n",
      "tab for a space": "GET\t/x\tHTTP/1.1\r\nHost: a\r\n\r\n",
      "space behind the version": "GET /x HTTP/1.1 \r\nHost: a\r\n\r\n",
      "space in the target": "GET /x y HTTP/1.1\r\nHost: a\r\n\r\n",
      "no version": "GET /x\r\nHost: a\r\n\r\n",
      "lower-case version": "GET /x http/1.1\r\nHost: a\r\n\r\n",
      "version 1.10": "GET /x HTTP/1.10\r\nHost: a\r\n\r\n",
      "version 1": "GET /x HTTP/1\r\nHost: a\r\n\r\n",
      "version +1": "GET /x HTTP/+1.1\r\nHost: a\r\n\r\n",
      "absolute target without a host": "GET http:/// HTTP/1.1\r\nHost: a\r\n\r\n",
      "absolute target and two hosts": "GET http://b/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
      "NUL in the target": "GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n",
      "8 bits in the target": "GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n",
      "no token for a method": "G(T /x HTTP/1.1\r\nHost: a\r\n\r\n",
      "a response": "HTTP/1.1 200 OK\r\nHost: a\r\n\r\n",
      TLS: "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    };
    await assertRefused(heads);
    await assertRefused(
      { preface: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/2.0": "GET / HTTP/2.0\r\nHost: a\r\n\r\n" },
      [400, 505],
    );
  });

  test("are read in one way where RFC 9112 knows one", async () => {
    const requests: RawRequest[] = [];
    await using proxy = await startEcho(requests);
    const client = await proxy.connect();
    // A body of GET is a body, whoever would rather take it for a request.
    const length = `Content-Length: ${SMUGGLED.length}`;
    void client.write(request("GET /own", length) + SMUGGLED + request("GET /next"));
    assert.equal((await client.readResponse()).body.toString(), `GET /own ${SMUGGLED}`);
    assert.equal((await client.readResponse()).body.toString(), "GET /next ");
    // And the target's host wins over the field's.
    await client.exchange("GET http://b.example/abs HTTP/1.1\r\nHost: a.example\r\n\r\n");
    assert.deepEqual(requests.at(-1)?.headers, [["Host", "b.example"]]);
    assert.deepEqual(asked(requests), ["GET /own", "GET /next", "GET /abs"]);
  });
});

describe("Connection", () => {
  test("can't take a body's length away", async () => {
    const requests: RawRequest[] = [];
    await using proxy = await startEcho(requests);
    const client = await proxy.connect();
    for (const option of ["Content-Length", "content-length, close-ish", "x, CONTENT-LENGTH"]) {
      const length = `Content-Length: ${SMUGGLED.length}`;
      await client.exchange(post([`Connection: ${option}`, length], SMUGGLED));
    }
    await client.exchange(post(["Connection: Transfer-Encoding", "Transfer-Encoding: chunked"], "0\r\n\r\n"));
    assert.deepEqual(asked(requests), ["POST /vector", "POST /vector", "POST /vector", "POST /vector"]);
    assert.equal(requests[0]?.body.toString(), SMUGGLED);
  });
});

describe("an upgrade to h2c", () => {
  test("never reaches a server", async () => {
    const requests: RawRequest[] = [];
    await using proxy = await startEcho(requests);
    for (const protocol of ["h2c", "H2C", "websocket, h2c", "h2c/1", "foo,h2"]) {
      const client = await proxy.connect();
      const settings = "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA";
      const upgrade = [`Upgrade: ${protocol}`, "Connection: Upgrade, HTTP2-Settings", settings];
      assert.equal((await client.exchange(request("GET /", ...upgrade))).status, 200);
      assert.deepEqual(requests.at(-1)?.headers, [["Host", "a.example"]]);
    }
  });

  test("that a server agrees to unasked is an error", async () => {
    const agreed = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";
    await using proxy = await startProxy({ origin: answering(agreed) });
    const client = await proxy.connect();
    const response = await client.exchange(
      request("GET /", "Connection: Upgrade", "Upgrade: h2c") + SMUGGLED,
    );
    assert.equal(response.status, 502);
    assert.equal((await client.readResponse()).status, 502);
  });
});

describe("filters", () => {
  const injected = "x\r\nInjected: 1\r\n\r\nHTTP/1.1 200 OK";

  test("can't split responses", async () => {
    const phases: readonly Partial<ProxyPhases>[] = [
      { requestFilter: (session) => session.respond({ status: 200, headers: { "X-Name": injected } }) },
      { requestFilter: (session) => session.respond({ status: 200, headers: { [injected]: "x" } }) },
      { responseFilter: (_, { headers }) => headers.set("X-Name", injected) },
      { responseFilter: (_, { headers }) => headers.append("X-Name", "a\nb") },
      { upstreamResponseFilter: (_, { headers }) => headers.set("X-Name:", "x") },
      { requestFilter: (session) => session.respond({ status: 100 }) },
      { requestFilter: (session) => session.respond({ status: 2000 }) },
      {
        responseFilter: (_, response) => {
          response.status = 101;
        },
      },
      {
        responseFilter: (_, response) => {
          response.status = 150;
        },
      },
    ];
    for (const one of phases) {
      await using proxy = await startEcho([], one);
      const client = await proxy.connect();
      for (let i = 0; i < 2; i++) {
        const response = await client.exchange(request("GET /"));
        assert.equal(response.status, 500);
        assert.equal(response.header("injected"), undefined);
      }
      assert.equal(client.unread.length, 0);
    }
  });

  test("can't split requests", async () => {
    const phases: readonly Partial<ProxyPhases>[] = [
      { upstreamRequestFilter: (_, { headers }) => headers.set("X-Name", injected) },
      {
        upstreamRequestFilter: (_, upstream) => {
          upstream.target = "/ HTTP/1.1\r\nA: b";
        },
      },
      {
        upstreamRequestFilter: (_, upstream) => {
          upstream.target = "/a b";
        },
      },
      {
        upstreamRequestFilter: (_, upstream) => {
          upstream.method = "GET /";
        },
      },
      { requestFilter: ({ request: { headers } }) => headers.append("X\r\nY", "z") },
    ];
    for (const one of phases) {
      const requests: RawRequest[] = [];
      await using proxy = await startEcho(requests, one);
      const client = await proxy.connect();
      assert.equal((await client.exchange(request("GET /"))).status, 500);
      assert.equal(requests.length, 0);
    }
  });

  test("can't break the framing by what they set", async () => {
    const requests: RawRequest[] = [];
    const set = (headers: { set(name: string, value: string): void }): void => {
      headers.set("Content-Length", "77");
      headers.set("Transfer-Encoding", "gzip");
      headers.set("Connection", "X-Fine");
      headers.set("X-Fine", "1");
    };
    await using proxy = await startEcho(requests, {
      upstreamRequestFilter: (_, { headers }) => set(headers),
      responseFilter: (_, { headers }) => set(headers),
    });
    const client = await proxy.connect();
    const response = await client.exchange(post(["Content-Length: 2"], "hi") + request("GET /next"));
    assert.deepEqual([response.header("content-length"), response.header("x-fine")], ["15", "1"]);
    assert.equal(response.header("transfer-encoding"), undefined);
    assert.equal((await client.readResponse()).body.toString(), "GET /next ");
    assert.deepEqual(requests[0]?.body.toString(), "hi");
    assert.deepEqual(asked(requests), ["POST /vector", "GET /next"]);
  });

  test("can't make two messages of one by a method or status of their own", async () => {
    const requests: RawRequest[] = [];
    let change: Partial<ProxyPhases> = {};
    await using proxy = await startEcho(requests, {
      requestFilter: (session) => change.requestFilter?.(session),
      upstreamRequestFilter: (session, upstream) => change.upstreamRequestFilter?.(session, upstream),
      responseFilter: (session, response) => change.responseFilter?.(session, response),
    });
    const client = await proxy.connect();
    const exchange = async (method: string): Promise<readonly [number, string]> => {
      const { status, body } = await client.exchange(request(`${method} /x`), { method });
      return [status, body.toString()];
    };
    change = {
      requestFilter: ({ request: own }) => {
        own.method = "GET";
      },
    };
    assert.deepEqual(await exchange("HEAD"), [200, ""]);
    for (const status of [204, 304]) {
      change = {
        responseFilter: (_, response) => {
          response.status = status;
        },
      };
      assert.deepEqual(await exchange("GET"), [status, ""]);
    }
    change = {};
    assert.deepEqual(await exchange("GET"), [200, "GET /x "]);
    assert.equal(client.unread.length, 0);
  });
});
