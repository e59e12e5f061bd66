import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { describe, test } from "node:test";
import type { TLSSocket } from "node:tls";
import { generate } from "selfsigned";
import type { ErrorCode, ProxyError } from "../../src/base/errors.ts";
import { HttpClient } from "../../src/proxy/http-client.ts";
import { HttpPeer, type PeerOptions } from "../../src/upstream/peer.ts";
import type { PeerTlsOptions } from "../../src/upstream/peer-tls.ts";
import { TcpConnector } from "../../src/upstream/tcp-connector.ts";
import { createAuthority, type Identity } from "../kit/certificates.ts";
import { until } from "../kit/deadline.ts";
import { type Origin, startOrigin } from "../kit/origins.ts";
import { listen } from "../kit/ports.ts";
import { createServerContext, startTlsServer } from "../kit/tls-server.ts";

const authority = await createAuthority();
const ca = authority.cert;
const stranger = await createAuthority({ commonName: "Stranger" });
const good = await authority.issue({ names: ["good.test"] });
const [client, other] = [
  await authority.issue({ commonName: "a" }),
  await authority.issue({ commonName: "b" }),
];

/** A certificate that nobody but itself has signed. */
const lonely = await createLonely("good.test");

async function createLonely(name: string): Promise<Identity> {
  const { cert, private: key } = await generate([{ name: "commonName", value: name }], {
    keyType: "ec",
    algorithm: "sha256",
    extensions: [
      { name: "basicConstraints", cA: false, critical: true },
      { name: "keyUsage", digitalSignature: true, critical: true },
      { name: "extKeyUsage", serverAuth: true },
      { name: "subjectAltName", altNames: [{ type: 2, value: name }] },
    ],
  });
  return { cert, key };
}

async function fails(port: number, options: PeerOptions, code: ErrorCode, message: RegExp): Promise<void> {
  using http = new HttpClient();
  await assert.rejects(http.request(new HttpPeer(`localhost:${port}`, options)), (error: ProxyError) => {
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    assert.doesNotMatch(error.message, /routines|\.c:\d/);
    return true;
  });
}

async function succeeds(port: number, options: PeerOptions): Promise<void> {
  using http = new HttpClient();
  const response = await http.request(new HttpPeer(`localhost:${port}`, options));
  assert.equal(response.status, 200);
  response.cancel();
}

describe("a server's certificate", () => {
  /** What comes of each set of switches: nothing wrong, or a code. */
  const cases: readonly (readonly [
    what: string,
    identity: () => Promise<Identity>,
    options: PeerTlsOptions,
    code: ErrorCode | null,
    message?: RegExp,
  ])[] = [
    ["for the right name", async () => good, { ca, sni: "good.test" }, null],
    [
      "for another name",
      async () => good,
      { ca, sni: "bad.test" },
      "UPSTREAM_CERTIFICATE_NAME",
      /it is for good\.test, and not for bad\.test: ask for the right name as sni/,
    ],
    [
      "for another name, with an alternative",
      async () => good,
      { ca, sni: "bad.test", alternativeName: "good.test" },
      null,
    ],
    ["for another name, unseen", async () => good, { ca, sni: "bad.test", verifyHostname: false }, null],
    ["for another name, unverified", async () => good, { sni: "bad.test", verifyCertificate: false }, null],
    [
      "for another name than the address",
      async () => good,
      { ca },
      "UPSTREAM_CERTIFICATE_NAME",
      /not for localhost/,
    ],
    [
      "without a name asked for",
      async () => good,
      { ca, sni: "" },
      "UPSTREAM_CERTIFICATE_NAME",
      /is for good\.test, and not for localhost/,
    ],
    [
      "without a name asked for, with an alternative",
      async () => good,
      { ca, sni: "", alternativeName: "good.test" },
      null,
    ],
    [
      "of many names",
      () => authority.issue({ names: Array.from({ length: 100 }, (_, i) => `host-${i}.test`) }),
      { ca, sni: "bad.test" },
      "UPSTREAM_CERTIFICATE_NAME",
      /host-4\.test and 95 others, and not for bad\.test/,
    ],
    [
      "of a stranger",
      () => stranger.issue({ names: ["good.test"] }),
      { ca, sni: "good.test" },
      "UPSTREAM_CERTIFICATE_UNTRUSTED",
      /give whoever signed it as ca$/,
    ],
    [
      "of a stranger, with its name unseen",
      () => stranger.issue({ names: ["good.test"] }),
      { ca, sni: "good.test", verifyHostname: false },
      "UPSTREAM_CERTIFICATE_UNTRUSTED",
      /ca$/,
    ],
    ["of a stranger, unverified", () => stranger.issue(), { verifyCertificate: false }, null],
    [
      "of authorities that Node doesn't know",
      async () => good,
      { sni: "good.test" },
      "UPSTREAM_CERTIFICATE_UNTRUSTED",
      /ca$/,
    ],
    [
      "signed by itself",
      async () => lonely,
      { ca, sni: "good.test" },
      "UPSTREAM_CERTIFICATE_UNTRUSTED",
      /self-signed certificate: to trust it, give itself as ca$/,
    ],
    ["signed by itself, and trusted", async () => lonely, { ca: lonely.cert, sni: "good.test" }, null],
    [
      "that has expired",
      () => authority.issue({ names: ["good.test"], days: -1 }),
      { ca, sni: "good.test" },
      "UPSTREAM_CERTIFICATE_EXPIRED",
      /certificate has expired$/,
    ],
    [
      "that has expired, with its name unseen",
      () => authority.issue({ days: -1 }),
      { ca, verifyHostname: false },
      "UPSTREAM_CERTIFICATE_EXPIRED",
      /expired$/,
    ],
    ["that has expired, unverified", () => authority.issue({ days: -1 }), { verifyCertificate: false }, null],
  ];
  for (const [what, identity, options, code, message = /^/] of cases) {
    for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
      test(`${what}, in ${maxVersion}`, async () => {
        await using origin = await startOrigin({ tls: await identity() });
        const tls = { ...options, maxVersion };
        if (code === null) await succeeds(origin.port, { tls });
        else await fails(origin.port, { tls }, code, message);
        assert.equal(
          origin.requests.length,
          code === null ? 1 : 0,
          "nothing is sent to who isn't the right one",
        );
        await until("no connection is left", () => origin.openConnections === 0);
      });
    }
  }
});

test("the short form of a name is the same", async () => {
  await using origin = await startOrigin({ tls: await authority.issue({ names: ["good.test"] }) });
  const sni = "good.test";
  await fails(origin.port, { tls: true, sni }, "UPSTREAM_CERTIFICATE_UNTRUSTED", /ca$/);
  await fails(
    origin.port,
    { tls: { ca }, sni: "bad.test" },
    "UPSTREAM_CERTIFICATE_NAME",
    /not for bad\.test/,
  );
  await succeeds(origin.port, { tls: { ca }, sni });
});

describe("who we are", () => {
  const rules = { mode: "required", ca: [ca] } as const;

  test("is shown to servers that ask", async () => {
    const own = await authority.issue({ commonName: "proxy" });
    const answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    await using server = await startTlsServer({
      choose: createServerContext([good], { clientCertificates: rules }),
      onSecure: (socket) => socket.on("error", () => undefined).once("data", () => socket.write(answer)),
    });
    const tls = { ca, sni: "good.test" };
    await succeeds(server.port, { tls: { ...tls, identity: { chain: own.cert, key: own.key } } });
    assert.equal(server.digests[0]!.peerCertificate?.subject, "CN=proxy");
    const wanted = /perhaps for want of a client certificate/;
    await fails(server.port, { tls: { ...tls, maxVersion: "TLSv1.2" } }, "UPSTREAM_TLS_FAILED", wanted);
    // In TLS 1.3 the refusal comes after the handshake, in place of a response.
    await fails(server.port, { tls }, "UPSTREAM_RESET", /certificate required/i);
  });

  test("can't be what isn't a certificate with its key", async () => {
    for (const identity of [
      { chain: "none", key: other.key },
      { chain: good.cert, key: other.key },
    ])
      await fails(
        1,
        { tls: { identity } },
        "UPSTREAM_CONNECT_FAILED",
        /can't be used: (PEM|X509 certificate, key values)/i,
      );
  });
});

describe("a handshake that fails", () => {
  const tls = { ca, sni: "good.test" };

  async function withServer(
    onSocket: (socket: Socket) => void,
    run: (port: number) => Promise<void>,
  ): Promise<void> {
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket.on("error", () => undefined));
      socket.once("close", () => sockets.delete(socket));
      onSocket(socket);
    });
    await run(await listen(server));
    await until("no connection is left", () => sockets.size === 0);
    server.close();
  }

  test("because the server speaks plain HTTP", async () => {
    await using origin = await startOrigin();
    await fails(origin.port, { tls }, "UPSTREAM_TLS_FAILED", /is no TLS: it may speak plain text there/);
  });

  test("because the server closes", async () => {
    const closed = /closed the connection|disconnected before secure/;
    await withServer(
      (socket) => socket.resume().end(),
      (port) => fails(port, { tls }, "UPSTREAM_TLS_FAILED", closed),
    );
    await withServer(
      (socket) => socket.once("data", () => socket.resetAndDestroy()),
      (port) => fails(port, { tls }, "UPSTREAM_TLS_FAILED", /ECONNRESET|disconnected/),
    );
  });

  test("because it takes too long", async () => {
    await withServer(
      (socket) => socket.resume().once("end", () => socket.end()),
      (port) =>
        fails(
          port,
          { tls, connectTimeout: 200 },
          "UPSTREAM_CONNECT_TIMEOUT",
          /TLS handshake wasn't done in time/,
        ),
    );
  });

  test("because no version is common", async () => {
    await using origin = await startOrigin({ tls: { ...good, maxVersion: "TLSv1.2" } });
    const options = { tls: { ...tls, minVersion: "TLSv1.3" } } as const;
    await fails(origin.port, options, "UPSTREAM_TLS_FAILED", /no version of TLS is common/);
  });

  test("because the server speaks none of the protocols", async () => {
    await using http1 = await startOrigin({ tls: { ...good, ALPNProtocols: ["http/1.1"] } });
    await fails(http1.port, { tls, protocol: "h2" }, "UPSTREAM_PROTOCOL", /none of those offered by ALPN/);
    await using silent = await startTlsServer({ choose: createServerContext([good]) });
    await fails(silent.port, { tls, protocol: "h2" }, "UPSTREAM_PROTOCOL", /HTTP\/2 was not agreed on/);
    await using modern = await startTlsServer({ choose: createServerContext([good], { alpn: ["h2"] }) });
    await fails(
      modern.port,
      { tls, protocol: "http1" },
      "UPSTREAM_PROTOCOL",
      /none of those offered by ALPN/,
    );
  });

  test("or is given up leaves nothing behind", async () => {
    const begun = Promise.withResolvers<void>();
    await withServer(
      (socket) => socket.once("data", () => begun.resolve()).once("end", () => socket.end()),
      async (port) => {
        const controller = new AbortController();
        using http = new HttpClient();
        const request = http.request(new HttpPeer(`127.0.0.1:${port}`, { tls }), {
          signal: controller.signal,
        });
        await begun.promise;
        controller.abort(new Error("enough"));
        await assert.rejects(request, /enough/);
      },
    );
  });
});

describe("connections for bytes of any kind", () => {
  test("with TLS are kept and given out again", async () => {
    await using server = await startTlsServer({ choose: createServerContext([good]) });
    using connector = new TcpConnector();
    const peer = new HttpPeer(`localhost:${server.port}`, { tls: { ca, sni: "good.test" } });
    const socket = await connector.connect(peer);
    assert.ok(connector.release(peer, socket));
    assert.equal(await connector.connect(peer), socket);
    const echoed = once(socket, "data");
    socket.write("ping");
    assert.equal(String((await echoed)[0]), "ping");
    assert.equal(server.digests.length, 1);
    socket.destroy();
  });

  test("end by signal and by time", async () => {
    const server = createServer((socket) => socket.on("error", () => undefined).resume());
    const port = await listen(server);
    using connector = new TcpConnector();
    const peer = new HttpPeer(`127.0.0.1:${port}`, { tls: true, connectTimeout: 200 });
    await assert.rejects(connector.connect(peer), { code: "UPSTREAM_CONNECT_TIMEOUT" });
    const controller = new AbortController();
    const attempt = connector.connect(peer, { signal: controller.signal });
    controller.abort(new Error("enough"));
    await assert.rejects(attempt, /enough/);
    server.close();
  });
});

describe("connections are never shared", () => {
  const base: PeerTlsOptions = { ca, sni: "good.test" };
  const differing: readonly PeerOptions[] = [
    { tls: base },
    { tls: { ...base, sni: "other.test", alternativeName: "good.test" } },
    { tls: { ...base, verifyCertificate: false } },
    { tls: { ...base, verifyHostname: false } },
    { tls: { ...base, ca: [ca, stranger.cert] } },
    { tls: { ...base, identity: { chain: client.cert, key: client.key } } },
    { tls: { ...base, identity: { chain: other.cert, key: other.key } } },
    { tls: { ...base, maxVersion: "TLSv1.2" } },
    { tls: { ...base, ciphers: "TLS_AES_256_GCM_SHA384" } },
    { tls: { ...base, groups: "P-256" } },
    { tls: { ...base, resumes: false } },
    { tls: base, protocol: "http1" },
  ];

  async function check(origin: Origin): Promise<void> {
    const reused: boolean[] = [];
    origin.server.on("secureConnection", (socket: TLSSocket) => reused.push(socket.isSessionReused()));
    using http = new HttpClient();
    for (let round = 0; round < 2; round++) {
      for (const options of differing) {
        const copy = structuredClone(options);
        const response = await http.request(new HttpPeer(`127.0.0.1:${origin.port}`, copy));
        assert.equal(await response.text(), "origin\n");
      }
    }
    assert.equal(origin.connectionCount, differing.length, "one for each, and the second round made none");
    assert.ok(!reused.includes(true), "nor does one take up a session of another");
  }

  test("by peers whose TLS differs in anything, in HTTP/1", async () => {
    await using origin = await startOrigin({
      tls: { ...good, requestCert: true, rejectUnauthorized: false },
    });
    await check(origin);
  });

  test("by peers whose TLS differs in anything, in HTTP/2", async () => {
    const tls = { ...good, requestCert: true, rejectUnauthorized: false };
    await using origin = await startOrigin({ http2: true, tls });
    await check(origin);
  });
});
