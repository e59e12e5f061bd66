import assert from "node:assert/strict";
import { createServer, type RequestListener } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { describe, test } from "node:test";
import type { TLSSocket } from "node:tls";
import { createAuthority } from "../../../test/kit/certificates.ts";
import { HTTP_PROBE } from "../../../test/kit/checker-stage.ts";
import { until } from "../../../test/kit/deadline.ts";
import { createTemporaryDirectory } from "../../../test/kit/files.ts";
import { startOrigin } from "../../../test/kit/origins.ts";
import { startRawOrigin } from "../../../test/kit/raw-origin.ts";
import type { PeerTlsOptions } from "../peer-tls.ts";
import { BODY_LIMIT, HttpProbe, type HttpProbeSettings } from "./http-probe.ts";
import { examine, testProbe } from "./probe.contract.ts";

const authority = await createAuthority();
const identity = await authority.issue();
const tls = { ca: authority.cert };

const probeWith = (settings: Partial<HttpProbeSettings> = {}): HttpProbe =>
  new HttpProbe({ ...HTTP_PROBE, ...settings });

const answer: RequestListener = (_request, response) => void response.end("fine\n");

testProbe("an HTTP request", {
  create: () => probeWith({ body: "^fine\n$" }),
  createServer: () => createServer(answer),
  onlyConnects: false,
});

testProbe("an HTTPS request", {
  create: () => probeWith({ tls: { ...tls, sni: "localhost" } }),
  createServer: () => createSecureServer(identity, answer),
  onlyConnects: false,
});

/** What a probe finds when the server answers with these bytes and leaves the connection open. */
async function answerTo(settings: Partial<HttpProbeSettings>, ...parts: string[]): Promise<string | null> {
  await using origin = await startRawOrigin([{ read: "head" }, ...parts.map((send) => ({ send }))]);
  return await examine(probeWith(settings), origin.address);
}

const head = (line: string, ...fields: string[]): string =>
  [`HTTP/1.1 ${line}`, ...fields, "", ""].join("\r\n");
const empty = (line: string): string => head(line, "Content-Length: 0");

describe("the request of an HTTP probe", () => {
  test("is what was asked for, with the server for a host, and the last of its connection", async () => {
    await using origin = await startRawOrigin([]);
    const headers = [
      ["X-One", "1"],
      ["Accept", "text/plain"],
      ["X-One", "2"],
    ] as const;
    const controller = new AbortController();
    const run = examine(
      probeWith({ method: "OPTIONS", path: "/a?b=c", headers }),
      origin.address,
      controller,
    );
    const connection = await origin.connection(0);
    assert.deepEqual((await connection.readHead()).split("\r\n"), [
      "OPTIONS /a?b=c HTTP/1.1",
      `Host: ${origin.address}`,
      "X-One: 1",
      "X-One: 2",
      "Accept: text/plain",
      "Connection: close",
      "",
      "",
    ]);
    controller.abort();
    await run;
  });

  test("names another host when that is asked for", async () => {
    await using origin = await startOrigin();
    assert.equal(await examine(probeWith({ headers: [["hOST", "a.test"]] }), origin.address), null);
    assert.deepEqual(origin.requests[0]!.headers, { host: "a.test", connection: "close" });
  });

  test("calls a server behind a Unix socket localhost", async () => {
    await using directory = await createTemporaryDirectory();
    const path = directory.join("origin.sock");
    await using origin = await startOrigin({ path });
    assert.equal(await examine(probeWith(), path), null);
    assert.equal(origin.requests[0]!.headers.host, "localhost");
  });

  test("has a connection of its own each time", async () => {
    await using origin = await startOrigin();
    const probe = probeWith();
    for (let i = 0; i < 3; i++) assert.equal(await examine(probe, origin.address), null);
    assert.deepEqual(
      origin.requests.map(({ connection }) => connection),
      [0, 1, 2],
    );
    await until("all are closed", () => origin.openConnections === 0);
  });

  test("has no body, whatever its method", async () => {
    await using origin = await startOrigin();
    for (const method of ["HEAD", "POST", "PUT", "DELETE"])
      assert.equal(await examine(probeWith({ method }), origin.address), null);
    for (const { headers } of origin.requests) assert.equal(headers["content-length"] ?? "0", "0");
  });

  test("that can't be made is a result", async () => {
    await using origin = await startOrigin();
    assert.match((await examine(probeWith({ path: "/a b" }), origin.address)) ?? "", /path/);
    assert.match((await examine(probeWith({ method: "G T" }), origin.address)) ?? "", /Method/);
    assert.match((await examine(probeWith({ headers: [["a", "\n"]] }), origin.address)) ?? "", /header/);
    assert.equal(origin.requests.length, 0);
  });
});

describe("the status that an HTTP probe gets", () => {
  test("has to be an expected one", async () => {
    const expect = [
      { first: 200, last: 204 },
      { first: 404, last: 404 },
    ];
    for (const status of [200, 204, 404])
      assert.equal(await answerTo({ expect }, empty(`${status} A`)), null);
    for (const status of [205, 403, 405, 500])
      assert.equal(await answerTo({ expect }, empty(`${status} A`)), `status ${status}`);
  });

  test("is that of a redirect, which isn't followed", async () => {
    await using elsewhere = await startOrigin();
    const redirect = head("302 Found", `Location: ${elsewhere.url}`, "Content-Length: 0");
    assert.equal(await answerTo({}, redirect), "status 302");
    assert.equal(await answerTo({ expect: [{ first: 300, last: 399 }] }, redirect), null);
    assert.equal(elsewhere.connectionCount, 0);
  });

  test("is the first that isn't 1xx", async () => {
    const hints = ["100 Continue", "102 Processing", "103 Early Hints"].map((line) =>
      head(line, "Link: </a>"),
    );
    assert.equal(await answerTo({}, ...hints, empty("200 OK")), null);
    assert.equal(await answerTo({}, ...hints, empty("500 No")), "status 500");
  });

  test("may be that of a switch to another protocol", async () => {
    const switching = head("101 Switching Protocols", "Connection: Upgrade", "Upgrade: websocket");
    const settings = {
      headers: [
        ["Connection", "Upgrade"],
        ["Upgrade", "websocket"],
      ],
    } as const;
    assert.equal(await answerTo(settings, switching), "status 101");
    assert.equal(await answerTo({ ...settings, expect: [{ first: 101, last: 101 }] }, switching), null);
  });

  test("counts at once when it is a bad one, whatever becomes of the body", async () => {
    assert.equal(await answerTo({}, head("503 No", "Content-Length: 1000"), "some"), "status 503");
  });
});

describe("the body that an HTTP probe gets", () => {
  const plain = head("200 OK", "Content-Type: text/plain");

  /** A server that sends `start`, then `rest` for as long as somebody reads, or ends if there is none. */
  const sending = (start: string, rest: string | null = null) =>
    startRawOrigin(async (connection) => {
      await connection.readHead();
      await connection.write(plain + start);
      while (rest !== null) await connection.write(rest);
      connection.end();
    });

  test("has to match", async () => {
    await using origin = await sending('{"status":"grün"}');
    const check = (body: string) => examine(probeWith({ body }), origin.address);
    assert.equal(await check('"status":\\s*"'), null);
    assert.equal(await check("^ok$"), "body does not match");
  });

  test("is UTF-8, also where it comes in pieces", async () => {
    const bytes = Buffer.from(`${plain}grün`);
    const offsets = Array.from({ length: 4 }, (_, i) => bytes.length - 1 - i).reverse();
    await using origin = await startRawOrigin([
      { read: "head" },
      { send: bytes, splitAt: offsets },
      { close: "half" },
    ]);
    assert.equal(await examine(probeWith({ body: "^grün$" }), origin.address), null);
  });

  test("counts up to 64 KiB, and no more is read of an endless one", async () => {
    const filler = "x".repeat(BODY_LIMIT - 4);
    await using inside = await sending(`${filler}last`, "x".repeat(10_000));
    assert.equal(await examine(probeWith({ body: "last$" }), inside.address), null);
    assert.equal(await examine(probeWith(), inside.address), null);
    await using outside = await sending(`${filler} last`, "x".repeat(10_000));
    assert.equal(await examine(probeWith({ body: "last" }), outside.address), "body does not match");
    for (const origin of [inside, outside]) assert.match(String(await origin.outcome(0)), /Error/);
  });

  test("has to come to its end", async () => {
    await using cut = await startRawOrigin([
      { read: "head" },
      { send: `${head("200 OK", "Content-Length: 10")}fine` },
      { close: "both" },
    ]);
    for (const body of [null, "fine"])
      assert.equal(await examine(probeWith({ body }), cut.address), "closed by the server");
    await using broken = await startRawOrigin([
      { read: "head" },
      { send: `${head("200 OK", "Transfer-Encoding: chunked")}4\r\nfine\r\nno size\r\n` },
    ]);
    assert.match((await examine(probeWith(), broken.address)) ?? "", /^no HTTP: /);
  });

  test("is waited for no longer than the probe lasts", async () => {
    await using slow = await startRawOrigin([
      { read: "head" },
      { send: `${head("200 OK", "Content-Length: 10")}fine` },
    ]);
    const controller = new AbortController();
    const run = examine(probeWith({ body: "fine" }), slow.address, controller);
    const connection = await slow.connection(0);
    await slow.outcome(0);
    controller.abort("no answer within 1 ms");
    assert.equal(await run, "no answer within 1 ms");
    await connection.closed;
  });

  test("is nothing where there can't be one", async () => {
    assert.equal(await answerTo({ method: "HEAD", body: "^$" }, head("200 OK", "Content-Length: 9")), null);
    assert.equal(await answerTo({ body: "^$" }, head("204 No Content")), null);
  });
});

describe("an HTTPS probe", () => {
  test("checks the certificate when it shall", async () => {
    await using origin = await startOrigin({ tls: await authority.issue({ names: ["a.test"] }) });
    const check = (options: PeerTlsOptions) =>
      examine(probeWith({ tls: { ...tls, ...options } }), origin.address);
    assert.equal(await check({ sni: "a.test" }), null);
    assert.match((await check({})) ?? "", /^Hostname\/IP does not match/);
    assert.equal(await check({ verifyCertificate: false }), null);
    assert.equal(origin.requests.length, 2);
  });

  for (const http2 of [{ allowHTTP1: false }, { allowHTTP1: true }]) {
    test(`asks in HTTP/2 a server of ${http2.allowHTTP1 ? "both" : "nothing else"}`, async () => {
      const identity = await authority.issue();
      await using origin = await startOrigin({ http2: true, tls: { ...identity, ...http2 } });
      const headers = [
        ["Host", "a.example"],
        ["X-Probe", "1"],
        ["X-Probe", "2"],
      ] as const;
      assert.equal(await examine(probeWith({ tls, headers, body: "^orig" }), origin.address), null);
      assert.equal(await examine(probeWith({ tls, path: "/status/503" }), origin.address), "status 503");
      const [first] = origin.requests;
      assert.equal(first?.httpVersion, "2.0");
      assert.equal(first.headers[":authority"], "a.example");
      assert.equal(first.headers["x-probe"], "1, 2");
      await until("its connection is closed", () => origin.openConnections === 0);
    });
  }

  test("asks in HTTP/2 without TLS where the server must expect it", async () => {
    await using origin = await startOrigin({ http2: true });
    assert.equal(await examine(probeWith({ http2: true }), origin.address), null);
    assert.equal(
      await examine(probeWith({ http2: true, path: "/status/500" }), origin.address),
      "status 500",
    );
    assert.equal(origin.requests[0]?.headers[":scheme"], "http");
    await using other = await startOrigin();
    assert.notEqual(await examine(probeWith({ http2: true }), other.address), null);
  });

  test("looks at the certificate each time", async () => {
    const reused: boolean[] = [];
    await using origin = await startOrigin({ tls: await authority.issue() });
    origin.server.on("secureConnection", (socket: TLSSocket) => reused.push(socket.isSessionReused()));
    const probe = probeWith({ tls });
    for (let i = 0; i < 3; i++) assert.equal(await examine(probe, origin.address), null);
    assert.deepEqual(reused, [false, false, false]);
  });

  test("says so when the server speaks plain HTTP", async () => {
    await using origin = await startOrigin();
    assert.match((await examine(probeWith({ tls }), origin.address)) ?? "", /^TLS: /);
  });
});

test("a pattern that is none is an error at once", () => {
  assert.throws(() => probeWith({ body: "(" }), SyntaxError);
});
