import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, test } from "node:test";
import { threadAlarms } from "../../src/base/alarms.ts";
import { Faults } from "../../src/chaos/faults.ts";
import { createRegistry } from "../../src/chaos/toxics/index.ts";
import type { TlsDigest } from "../../src/net/tls/digest.ts";
import { createAuthority } from "../kit/certificates.ts";
import { until } from "../kit/deadline.ts";
import { Http2Client, readAnswer } from "../kit/http2-client.ts";
import type { EchoAnswer, UploadAnswer } from "../kit/origin-routes.ts";
import { startOrigin } from "../kit/origins.ts";
import { PatternVerifier, patternBytes, patternStream } from "../kit/pattern.ts";
import { closureOf } from "../kit/raw-client.ts";
import { connectSecurely, visitSecurely } from "../kit/tls-client.ts";
import { openSocket, startSocketServer } from "../kit/websockets.ts";
import { answering, ok, request } from "./proxy.ts";
import { authority, startSecureProxy, TRUST } from "./tls-proxy.ts";

const FORWARDING = { mode: "append", xForwarded: true, forwarded: true, via: "sluice" } as const;
const MB = 1024 * 1024;

function echoed(body: Buffer): EchoAnswer {
  return JSON.parse(body.toString()) as EchoAnswer;
}

function fieldOf({ rawHeaders }: EchoAnswer, name: string): string | undefined {
  const at = rawHeaders.findIndex((one, i) => i % 2 === 0 && one.toLowerCase() === name);
  return at === -1 ? undefined : rawHeaders[at + 1];
}

describe("clients with TLS", () => {
  test("speak HTTP/1.1, or HTTP/2 by ALPN, on the same port", async () => {
    await using origin = await startOrigin();
    await using secure = await startSecureProxy({ origin, forwarding: FORWARDING });
    const first = await secure.proxy.connect({ tls: { ...TRUST, ALPNProtocols: ["http/1.1"] } });
    const one = echoed((await first.exchange(request("GET /echo"))).body);
    assert.equal(fieldOf(one, "x-forwarded-proto"), "https");
    assert.equal(fieldOf(one, "via"), "1.1 sluice");
    assert.match(fieldOf(one, "forwarded") ?? "", /;proto=https;/);
    await using second = new Http2Client(secure.port, TRUST);
    const two = echoed((await second.get("/echo")).body);
    assert.equal(fieldOf(two, "x-forwarded-proto"), "https");
    assert.equal(fieldOf(two, "via"), "2 sluice");
    assert.equal(second.session.alpnProtocol, "h2");
    assert.equal(secure.proxy.count("handshakes"), 2);
    assert.equal(secure.proxy.count("http2Connections"), 1);
  });

  test("of HTTP/1 keep their connection", async () => {
    await using secure = await startSecureProxy({ origin: answering(ok()) });
    const client = await secure.proxy.connect({ tls: TRUST });
    for (let i = 0; i < 5; i++) assert.equal((await client.exchange(request("GET /"))).status, 200);
    assert.equal(secure.proxy.count("handshakes"), 1);
    assert.equal(secure.proxy.count("requests"), 5);
  });

  test("may speak HTTP/1 only where HTTP/2 is off, and the other way round", async () => {
    await using old = await startSecureProxy({ origin: answering(ok()), http2: false });
    const both = { ...TRUST, ALPNProtocols: ["h2", "http/1.1"] };
    assert.equal((await connectSecurely(old.port, both)).destroy().alpnProtocol, "http/1.1");
    await assert.rejects(visitSecurely(old.port, { ALPNProtocols: ["h2"] }), /no application protocol/);
    await using only = await startSecureProxy({ origin: answering(ok()), http2: { only: true } });
    assert.equal((await connectSecurely(only.port, both)).destroy().alpnProtocol, "h2");
    await assert.rejects(
      visitSecurely(only.port, { ALPNProtocols: ["http/1.1"] }),
      /no application protocol/,
    );
  });

  test("have to ask for HTTP/2: without ALPN it isn't spoken", async () => {
    await using secure = await startSecureProxy({ origin: answering(ok()) });
    const client = await secure.proxy.connect({ tls: TRUST });
    const { status } = await client.exchange("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    assert.equal(status, 505);
    assert.equal(secure.proxy.count("http2Connections"), 0);
  });

  test("are known to sessions", async () => {
    const seen: (TlsDigest | null)[] = [];
    await using secure = await startSecureProxy({
      origin: answering(ok()),
      phases: { requestFilter: ({ client }) => void seen.push(client.tls) },
    });
    const client = await secure.proxy.connect({ tls: { ...TRUST, ALPNProtocols: ["http/1.1"] } });
    await client.exchange(request("GET /"));
    const { version, serverName, alpn, resumed, peerCertificate } = seen[0]!;
    assert.deepEqual([version, serverName, alpn], ["TLSv1.3", "localhost", "http/1.1"]);
    assert.deepEqual([resumed, peerCertificate], [false, null]);
  });

  test("get the certificate that a program chooses, or that of the files", async () => {
    const other = await createAuthority({ commonName: "Other" });
    const own = await other.issue({ names: ["own.test"] });
    await using secure = await startSecureProxy({
      origin: answering(ok()),
      certificateCallback: (name, alpn) => {
        assert.deepEqual(alpn, ["h2"]);
        if (name === "broken.test") throw new Error("no");
        return name === "own.test" ? Promise.resolve(own) : null;
      },
    });
    const certificateOf = async (servername: string, ca: string): Promise<void> => {
      await using client = new Http2Client(secure.port, { ca, servername });
      assert.equal((await client.get("/")).status, 200);
    };
    await certificateOf("own.test", other.cert);
    await certificateOf("localhost", authority.cert);
    const options = { servername: "broken.test", ALPNProtocols: ["h2"] };
    await assert.rejects(connectSecurely(secure.port, options), /alert internal error/);
    assert.equal(secure.proxy.reported[0]?.error.message.includes("no"), true);
  });
});

describe("with servers of either version", () => {
  for (const [clientVersion, serverVersion] of [
    [1, 1],
    [1, 2],
    [2, 1],
    [2, 2],
  ] as const) {
    test(`bodies pass whole, HTTP/${clientVersion} to HTTP/${serverVersion}, whoever is slow`, async () => {
      const tls = await authority.issue();
      await using origin = await startOrigin({ tls, http2: serverVersion === 2 });
      const peer = { tls: { ca: authority.cert, sni: "localhost" } };
      await using secure = await startSecureProxy({ origin, peer });
      const size = 12 * MB;
      await (clientVersion === 1 ? overHttp1 : overHttp2)(secure, size);
      assert.deepEqual(
        new Set(origin.requests.map(({ httpVersion }) => httpVersion[0])),
        new Set([String(serverVersion)]),
      );
    });
  }

  async function overHttp1(
    { proxy }: Awaited<ReturnType<typeof startSecureProxy>>,
    size: number,
  ): Promise<void> {
    const client = await proxy.connect({ tls: TRUST });
    client.write(request(`GET /bytes/${size}?seed=3`));
    await client.readHead();
    const verifier = new PatternVerifier(3);
    while (verifier.offset < size) {
      if (verifier.offset % (4 * MB) < 64 * 1024) await standStill(client);
      verifier.write(await client.readSome(64 * 1024));
    }
    client.write(request(`POST /upload?seed=4`, `Content-Length: ${size}`));
    for (let sent = 0; sent < size; sent += MB) {
      if (sent === 6 * MB) await new Promise((resolve) => setTimeout(resolve, 50));
      await client.write(patternBytes(MB, sent, 4));
    }
    const { bytes, pattern } = JSON.parse((await client.readResponse()).body.toString()) as UploadAnswer;
    assert.deepEqual([bytes, pattern], [size, true]);
  }

  /** Lets what is under way fill all buffers. */
  async function standStill(client: { pause(): void; resume(): void }): Promise<void> {
    client.pause();
    await new Promise((resolve) => setTimeout(resolve, 50));
    client.resume();
  }

  async function overHttp2(
    { port }: Awaited<ReturnType<typeof startSecureProxy>>,
    size: number,
  ): Promise<void> {
    await using client = new Http2Client(port, TRUST);
    const download = client.open({ ":path": `/bytes/${size}?seed=3` }, true);
    const verifier = new PatternVerifier(3);
    for await (const chunk of download) {
      if (verifier.offset % (4 * MB) < (chunk as Buffer).length)
        await new Promise((resolve) => setTimeout(resolve, 50));
      verifier.write(chunk as Buffer);
    }
    assert.equal(verifier.offset, size);
    const upload = client.open({ ":method": "POST", ":path": "/upload?seed=4" });
    const answer = readAnswer(upload);
    patternStream(size, 4).pipe(upload);
    const { bytes, pattern } = JSON.parse((await answer).body.toString()) as UploadAnswer;
    assert.deepEqual([bytes, pattern], [size, true]);
  }
});

describe("WebSockets", () => {
  for (const clientVersion of [1, 2] as const) {
    for (const serverVersion of [1, 2] as const) {
      test(`over TLS, HTTP/${clientVersion} to HTTP/${serverVersion}`, async () => {
        await using server = await startSocketServer(serverVersion);
        const peer = serverVersion === 2 ? ({ protocol: "h2c" } as const) : {};
        await using secure = await startSecureProxy({ origin: { port: server.port }, peer });
        await using stack = new AsyncDisposableStack();
        const accepted = server.accept();
        const client = await openSocket(clientVersion, secure.port, stack, TRUST);
        const far = await accepted;
        far.on("message", (data, isBinary) => far.send(data, { binary: isBinary }));
        const text = "x".repeat(300_000);
        client.send(text);
        const [echo] = (await once(client, "message")) as [Buffer];
        assert.equal(echo.toString(), text);
        assert.equal(secure.proxy.count("tunnelsActive"), 1);
        client.close(1000, "done");
        const [code] = (await once(far, "close")) as [number];
        assert.equal(code, 1000);
        await until("the tunnel is gone", () => secure.proxy.count("tunnelsActive") === 0);
      });
    }
  }
});

describe("plain HTTP", () => {
  test("is sent to the same place over TLS", async () => {
    await using secure = await startSecureProxy({ origin: answering(ok()) });
    for (const [lines, location] of [
      ["GET /a/b?c=d HTTP/1.1\r\nHost: a.example\r\n\r\n", "https://a.example/a/b?c=d"],
      ["POST // HTTP/1.1\r\nHost: a.example:8443\r\nContent-Length: 2\r\n\r\nxy", "https://a.example:8443//"],
      ["GET http://b.example/x HTTP/1.1\r\nHost: a.example\r\n\r\n", "https://b.example/x"],
      ["HEAD / HTTP/1.0\r\nHost: [::1]:80\r\n\r\n", "https://[::1]:80/"],
    ] as const) {
      const client = await secure.proxy.connect();
      const { status, headers } = await client.exchange(lines, {
        method: lines.startsWith("HEAD") ? "HEAD" : "GET",
      });
      const target = headers.find(([name]) => name.toLowerCase() === "location")?.[1];
      assert.deepEqual([status, target], [308, location]);
      assert.equal(await client.closed, "end");
    }
    assert.equal(secure.proxy.count("tlsPlainHttp"), 4);
    assert.equal(secure.proxy.count("upstreamConnects"), 0);
  });

  test("gets a 400 where there is no telling where it should go", async () => {
    await using secure = await startSecureProxy({ origin: answering(ok()) });
    for (const lines of [
      "GET / HTTP/1.1\r\n\r\n",
      "GET / HTTP/1.0\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a.example\r\nHost: b.example\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a.example@evil\r\n\r\n",
      "GET /\rx HTTP/1.1\r\nHost: a.example\r\n\r\n",
      "OPTIONS * HTTP/1.1\r\nHost: a.example\r\n\r\n",
      "get it?\r\n\r\n",
    ]) {
      const client = await secure.proxy.connect();
      const { status, headers } = await client.exchange(lines);
      assert.equal(status, 400, lines);
      assert.ok(headers.every(([name]) => name.toLowerCase() !== "location"));
    }
  });

  test("can be refused, HTTP/2 without TLS always is, and CONNECT", async () => {
    await using secure = await startSecureProxy({ origin: answering(ok()), tls: { plainHttp: "refuse" } });
    const client = await secure.proxy.connect();
    assert.equal((await client.exchange(request("GET /"))).status, 400);
    const other = await secure.proxy.connect();
    assert.equal((await other.exchange("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")).status, 505);
    const third = await secure.proxy.connect();
    const { status } = await third.exchange("CONNECT a.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\n");
    assert.equal(status, 405);
    assert.equal(secure.proxy.count("http2Connections"), 0);
  });

  test("that never comes to its end is cut off like all that does so", async () => {
    const settings = { headTimeout: 200 };
    await using secure = await startSecureProxy({ origin: answering(ok()), settings });
    const client = await secure.proxy.connect();
    client.write("GET / HT");
    assert.match((await client.readToEnd()).toString(), /^HTTP\/1\.1 408 /);
  });
});

describe("names that are passed on", () => {
  test("are answered by their own servers, with their own certificates", async () => {
    const far = await createAuthority({ commonName: "Far" });
    await using origin = await startOrigin({ name: "near" });
    await using target = await startOrigin({ name: "far", tls: await far.issue({ names: ["far.test"] }) });
    const passthrough = [{ names: ["far.test"], upstreams: ["127.0.0.1:1", target.address] }];
    await using secure = await startSecureProxy({ origin, tls: { passthrough }, maxConnections: 1 });
    const client = await secure.proxy.connect({ tls: { ca: far.cert, servername: "far.test" } });
    const size = 3 * MB;
    const { body } = await client.exchange(request(`GET /bytes/${size}?seed=1`));
    new PatternVerifier(1).write(body);
    assert.equal(body.length, size);
    assert.equal(origin.requests.length, 0);
    assert.deepEqual([secure.proxy.count("tlsPassed"), secure.proxy.count("handshakes")], [1, 0]);
    assert.notEqual(await closureOf(secure.port), "open", "it counts as a connection");
    client.destroy();
    await secure.proxy.settled();
    const near = await secure.proxy.connect({ tls: TRUST });
    assert.equal((await near.exchange(request("GET /"))).body.toString(), "near\n");
  });

  test("can't be asked for over a connection of another name", async () => {
    await using origin = await startOrigin();
    const passthrough = [{ names: ["far.test", "*.far.test"], upstreams: ["127.0.0.1:1"] }];
    await using secure = await startSecureProxy({ origin, tls: { passthrough } });
    await using client = new Http2Client(secure.port, TRUST);
    for (const [authority, status] of [
      ["far.test", 421],
      ["FAR.test:443", 421],
      ["a.far.test", 421],
      ["a.b.far.test", 200],
      ["near.test", 200],
    ] as const) {
      assert.equal((await client.get("/", { ":authority": authority })).status, status, authority);
    }
    const old = await secure.proxy.connect({ tls: TRUST });
    assert.equal((await old.exchange("GET / HTTP/1.1\r\nHost: far.test\r\n\r\n")).status, 421);
    assert.equal((await old.exchange(request("GET /"))).status, 200);
  });
});

describe("faults", () => {
  function createFaults(): Faults {
    const observer = {
      onToxicFailed: (_proxy: string, _toxic: string, error: unknown) => {
        throw error;
      },
    };
    return new Faults({
      name: "web",
      registry: createRegistry(),
      clock: threadAlarms,
      seed: "seed",
      observer,
    });
  }

  function toxic(type: string, attributes: Record<string, number>, stream = "downstream") {
    return { name: type, type, stream, toxicity: 1, attributes };
  }

  test("act on what is inside of TLS, in both versions", async () => {
    const faults = createFaults();
    await using origin = await startOrigin();
    await using secure = await startSecureProxy({ origin, faults });
    const old = await secure.proxy.connect({ tls: TRUST });
    await using client = new Http2Client(secure.port, TRUST);
    const timed = async (get: () => Promise<unknown>): Promise<number> => {
      const start = performance.now();
      await get();
      return performance.now() - start;
    };
    const visits = [() => old.exchange(request("GET /")), () => client.get("/")];
    for (const visit of visits) await visit();
    faults.add(toxic("latency", { latency: 200, jitter: 0 }));
    for (const visit of visits) assert.ok((await timed(visit)) >= 199);
    faults.clear();
    faults.add(toxic("bandwidth", { rate: 100 }));
    const body = async (): Promise<unknown> => (await old.exchange(request("GET /bytes/50000"))).body;
    assert.ok((await timed(body)) >= 400);
    const large = async (): Promise<void> => {
      assert.equal((await client.get("/bytes/50000")).body.length, 50_000);
    };
    assert.ok((await timed(large)) >= 400);
  });

  test("cut connections in the middle", async () => {
    const faults = createFaults();
    await using origin = await startOrigin();
    await using secure = await startSecureProxy({ origin, faults });
    faults.add(toxic("limit_data", { bytes: 5_000 }));
    const client = await secure.proxy.connect({ tls: TRUST });
    client.write(request("GET /bytes/100000"));
    const all = await client.readToEnd();
    assert.equal(all.length, 5_000);
    faults.clear();
    faults.add(toxic("reset_peer", { timeout: 0 }, "upstream"));
    const other = await secure.proxy.connect({ tls: TRUST });
    other.write(request("GET /"));
    assert.equal(await other.closed, "reset");
    faults.clear();
    faults.add(toxic("down", {}));
    assert.notEqual(await closureOf(secure.port), "open");
  });
});
