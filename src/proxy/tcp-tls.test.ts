import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import type { ConnectionOptions } from "node:tls";
import { createAuthority } from "../../test/kit/certificates.ts";
import { captureHello, fragment, makeHello } from "../../test/kit/client-hello.ts";
import { until } from "../../test/kit/deadline.ts";
import { createTemporaryDirectory } from "../../test/kit/files.ts";
import { connectRaw, type RawClient } from "../../test/kit/raw-client.ts";
import { type RawOrigin, startRawOrigin } from "../../test/kit/raw-origin.ts";
import { createFaults, startTcpProxy, type TestTcpProxy, toxic } from "../../test/kit/stream-proxy.ts";
import { visitSecurely } from "../../test/kit/tls-client.ts";
import { tlsWith, writeIdentity } from "../../test/kit/tls-proxy.ts";
import { Counter } from "../base/counters.ts";
import { builtinToxics } from "../chaos/toxics/index.ts";
import { parseProxyHeader } from "../net/proxy-protocol.ts";
import type { CertificateSource } from "../net/tls/certificate-files.ts";

const authority = await createAuthority({ commonName: "Ours" });
const others = await createAuthority({ commonName: "The servers'" });
const names = ["a.example", "*.wild.example", "deep.sub.wild.example", "c.example"];
const serverIdentity = await others.issue({ names });
const directory = await createTemporaryDirectory();
let certificate: CertificateSource;

before(async () => {
  certificate = await writeIdentity(directory, "localhost", await authority.issue());
});
after(() => directory[Symbol.asyncDispose]());

const versions = ["TLSv1.2", "TLSv1.3"] as const;

function onlyVersion(version: (typeof versions)[number]): ConnectionOptions {
  return { minVersion: version, maxVersion: version };
}

/** A server with TLS of its own; it says its name and echoes. */
function startTlsEcho(name = ""): Promise<RawOrigin> {
  return startRawOrigin(
    ({ socket }) => {
      if (name !== "") socket.write(name);
      socket.pipe(socket);
    },
    { tls: serverIdentity },
  );
}

function startEcho(): Promise<RawOrigin> {
  return startRawOrigin(({ socket }) => void socket.pipe(socket));
}

/** A client that trusts the certificates of the servers only. */
function connectTo(port: number, servername: string, tls: ConnectionOptions = {}): Promise<RawClient> {
  return connectRaw(port, { tls: { servername, ca: [authority.cert, others.cert], ...tls } });
}

/** What bytes are answered with, to the end of the connection. */
async function answerTo(port: number, bytes: Buffer | string): Promise<number[]> {
  await using client = await connectRaw(port);
  void client.write(bytes);
  return [...(await client.readToEnd())];
}

async function untilIdle(proxy: TestTcpProxy): Promise<void> {
  await until("no connection is left", () => proxy.service.connections().length === 0);
  assert.equal(proxy.counters.get(Counter.connectionsOpen), 0);
}

const alert = (description: number): number[] => [21, 3, 1, 0, 2, 2, description];
const UNRECOGNIZED_NAME = 112;
const RECORD_OVERFLOW = 22;
const DECODE_ERROR = 50;

describe("connections that are passed on unopened", () => {
  for (const version of versions) {
    test(`are their servers', by name, ${version}`, async () => {
      await using exact = await startTlsEcho("exact");
      await using wild = await startTlsEcho("wild");
      const tls = tlsWith([], { "a.example": exact.address, "*.wild.example": wild.address });
      await using proxy = await startTcpProxy([], { tls });
      for (const [name, expected] of [
        ["a.example", "exact"],
        ["x.wild.example", "wild"],
      ] as const) {
        await using client = await connectTo(proxy.port, name, { ca: others.cert, ...onlyVersion(version) });
        assert.equal((await client.readExactly(expected.length)).toString(), expected);
        await client.write("ping");
        assert.equal((await client.readExactly(4)).toString(), "ping");
        const [state] = proxy.service.connections();
        assert.deepEqual(state?.tls, { serverName: name, version: "" });
        client.end();
        await client.readToEnd();
        await untilIdle(proxy);
      }
      assert.deepEqual(proxy.log.of("opened"), [
        `to ${exact.address}, unopened for a.example`,
        `to ${wild.address}, unopened for x.wild.example`,
      ]);
    });
  }

  test("of other names are refused by an alert when there is no server for them", async () => {
    await using origin = await startTlsEcho();
    await using proxy = await startTcpProxy([], { tls: tlsWith([], { "*.wild.example": origin.address }) });
    for (const servername of ["wild.example", "deep.sub.wild.example", "c.example", ""]) {
      const hello = await captureHello({ servername });
      assert.deepEqual(await answerTo(proxy.port, hello), alert(UNRECOGNIZED_NAME), servername);
    }
    await assert.rejects(connectTo(proxy.port, "c.example"), /unrecognized name/i);
    await untilIdle(proxy);
    assert.equal(proxy.counters.get(Counter.connectionsRefused), 5);
    assert.deepEqual(proxy.log.of("refused").slice(2, 4), [
      "TLS: nobody serves c.example",
      "TLS: nobody serves a client without a name",
    ]);
    assert.equal(origin.connections.length, 0);
  });

  test("of other names go to the proxy's own servers, if it has any", async () => {
    await using origin = await startTlsEcho("a");
    await using rest = await startTlsEcho("rest");
    await using proxy = await startTcpProxy([rest.port], {
      tls: tlsWith([], { "a.example": origin.address }),
    });
    await using known = await connectTo(proxy.port, "a.example");
    assert.equal((await known.readExactly(1)).toString(), "a");
    await using other = await connectTo(proxy.port, "c.example");
    assert.equal((await other.readExactly(4)).toString(), "rest");
    const nameless = { servername: "", checkServerIdentity: () => undefined };
    await using silent = await connectRaw(proxy.port, { tls: { ca: others.cert, ...nameless } });
    assert.equal((await silent.readExactly(4)).toString(), "rest");
    const detail = `to 127.0.0.1:${rest.port}, unopened`;
    assert.deepEqual(proxy.log.of("opened").slice(1), [`${detail} for c.example`, detail]);
  });

  test("arrive whole, however their hello is cut", async () => {
    await using origin = await startRawOrigin(() => undefined);
    await using proxy = await startTcpProxy([], { tls: tlsWith([], { "a.example": origin.address }) });
    const hello = await captureHello({ servername: "a.example" });
    const cut = fragment(hello, 100);
    await using bytewise = await connectRaw(proxy.port);
    await bytewise.writePieces(
      cut,
      Array.from(cut, (_byte, i) => i),
    );
    assert.deepEqual(await (await origin.connection(0)).readExactly(cut.length), cut);
    // With what follows in the same segment, and with the end of the client's direction.
    await using hasty = await connectRaw(proxy.port);
    hasty.end(Buffer.concat([hello, Buffer.from("more")]));
    const connection = await origin.connection(1);
    assert.deepEqual(await connection.readToEnd(), Buffer.concat([hello, Buffer.from("more")]));
    connection.end("bye");
    assert.equal((await hasty.readToEnd()).toString(), "bye");
  });

  test("need a hello: what is none is refused", async () => {
    await using origin = await startRawOrigin(() => undefined);
    await using proxy = await startTcpProxy([origin.port], {
      tls: tlsWith([], { "a.example": origin.address }),
    });
    const long = makeHello({ extensions: [[0xfafa, Buffer.alloc(16_400)]] });
    assert.deepEqual(await answerTo(proxy.port, fragment(long, 8_000)), alert(RECORD_OVERFLOW));
    assert.deepEqual(
      await answerTo(proxy.port, makeHello({ compressions: Buffer.alloc(0) })),
      alert(DECODE_ERROR),
    );
    assert.deepEqual(await answerTo(proxy.port, "\0\x01\x02garbage"), []);
    assert.deepEqual(await answerTo(proxy.port, "GET / HTTP/1.1\r\n\r\n"), []);
    await untilIdle(proxy);
    assert.deepEqual(proxy.log.of("refused"), [
      "TLS: the ClientHello is over the limit",
      "TLS: the ClientHello is malformed",
      "TLS: the client doesn't speak TLS",
      "TLS: the client speaks HTTP without it",
    ]);
    assert.equal(origin.connections.length, 0);
  });

  test("are tried with one server after the other", async () => {
    await using origin = await startTlsEcho("alive");
    await using dead = await startRawOrigin(() => undefined);
    const { address } = dead;
    await dead[Symbol.asyncDispose]();
    const tls = tlsWith([], { "a.example": [address, origin.address] });
    await using proxy = await startTcpProxy([], { tls });
    for (let i = 0; i < 3; i++) {
      await using client = await connectTo(proxy.port, "a.example");
      assert.equal((await client.readExactly(5)).toString(), "alive");
    }
    assert.deepEqual(proxy.log.of("connect-failed"), [`ECONNREFUSED ${address}`]);
  });
});

describe("connections that are opened", () => {
  for (const version of versions) {
    test(`are plain to their servers, ${version}`, async () => {
      await using origin = await startEcho();
      const tls = tlsWith([certificate], {}, { alpn: ["mystery", "postgresql"] });
      await using proxy = await startTcpProxy([origin.port], { tls });
      await using client = await connectTo(proxy.port, "localhost", {
        ...onlyVersion(version),
        ALPNProtocols: ["postgresql"],
      });
      await client.write("plain text");
      assert.equal((await client.readExactly(10)).toString(), "plain text");
      const [state] = proxy.service.connections();
      assert.deepEqual(state?.tls, { serverName: "localhost", version });
      assert.equal(state.client, `127.0.0.1:${client.socket.localPort}`);
      assert.deepEqual([state.bytesUp, state.bytesDown], [10, 10]);
      assert.equal((client.socket as { alpnProtocol?: string }).alpnProtocol, "postgresql");
      client.end();
      assert.equal((await client.readToEnd()).length, 0);
      await untilIdle(proxy);
      assert.deepEqual(proxy.log.of("opened"), [`to ${origin.address}, ${version} for localhost`]);
      assert.match(proxy.log.of("closed")[0]!, /^10 B up, 10 B down/);
    });
  }

  test("stand beside others that are passed on", async () => {
    await using origin = await startEcho();
    await using passed = await startTlsEcho("passed");
    const tls = tlsWith([certificate], { "a.example": passed.address }, { refusesUnknownNames: true });
    await using proxy = await startTcpProxy([origin.port], { tls });
    await using one = await connectTo(proxy.port, "a.example", { ca: others.cert });
    assert.equal((await one.readExactly(6)).toString(), "passed");
    assert.equal((await visitSecurely(proxy.port)).issuer, "Ours");
    await assert.rejects(connectTo(proxy.port, "c.example"), /unrecognized name/i);
    const weak = { maxVersion: "TLSv1.2", ciphers: "AES128-SHA" } as const;
    await assert.rejects(connectTo(proxy.port, "localhost", weak));
    assert.equal(await proxy.log.next("refused", 1), "TLS for localhost: no shared cipher");
    assert.equal(origin.connections.length, 1);
  });

  for (const version of versions) {
    test(`end each direction by itself, ${version}`, async () => {
      await using asked = await startRawOrigin([{ read: "end" }, { send: "answer" }, { close: "half" }]);
      await using proxy = await startTcpProxy([asked.port], { tls: tlsWith([certificate]) });
      await using client = await connectTo(proxy.port, "localhost", onlyVersion(version));
      client.end("question");
      assert.equal((await client.readToEnd()).toString(), "answer");
      assert.equal(await asked.outcome(0), undefined);
      await untilIdle(proxy);
      assert.match(proxy.log.of("closed")[0]!, /^8 B up, 6 B down in [\d.]+ s$/);
    });

    test(`also the server first, ${version}`, async () => {
      await using greeting = await startRawOrigin([{ send: "hello" }, { close: "half" }, { read: "end" }]);
      await using proxy = await startTcpProxy([greeting.port], { tls: tlsWith([certificate]) });
      await using client = await connectTo(proxy.port, "localhost", { ...onlyVersion(version) });
      client.socket.allowHalfOpen = true;
      assert.equal((await client.readToEnd()).toString(), "hello");
      await client.write("still ");
      client.end("there");
      assert.equal(await greeting.outcome(0), undefined);
      await untilIdle(proxy);
      assert.match(proxy.log.of("closed")[0]!, /^11 B up, 5 B down in [\d.]+ s$/);
    });
  }

  test("pass resets on, either way", async () => {
    await using origin = await startEcho();
    await using proxy = await startTcpProxy([origin.port], { tls: tlsWith([certificate]) });
    await using one = await connectTo(proxy.port, "localhost");
    await one.write("a");
    await one.readExactly(1);
    one.reset();
    assert.equal(await (await origin.connection(0)).closed, "reset");
    await using two = await connectTo(proxy.port, "localhost");
    await two.write("a");
    await two.readExactly(1);
    origin.connections[1]!.reset();
    assert.equal(await two.closed, "reset");
    await untilIdle(proxy);
    const [byClient, byServer] = proxy.log.of("reset");
    assert.equal(byClient, "by the client: ECONNRESET");
    assert.equal(byServer, `by ${origin.address}: ECONNRESET`);
  });

  test("have faults laid on their plaintext, those that are passed on on their bytes", async () => {
    await using origin = await startRawOrigin(() => undefined);
    await using passed = await startRawOrigin(() => undefined);
    const faults = createFaults(builtinToxics);
    faults.add(toxic("limit_data", { stream: "upstream", attributes: { bytes: 10 } }));
    const tls = tlsWith([certificate], { "a.example": passed.address });
    await using proxy = await startTcpProxy([origin.port], { tls }, faults);
    await using client = await connectTo(proxy.port, "localhost");
    void client.write("0123456789abcdef");
    assert.equal((await (await origin.connection(0)).readToEnd()).toString(), "0123456789");
    await using raw = await connectRaw(proxy.port);
    void raw.write(await captureHello({ servername: "a.example" }));
    assert.equal((await (await passed.connection(0)).readToEnd()).length, 10);
  });
});

describe("with the PROXY protocol", () => {
  const line = "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n";

  test("its header comes before the hello, and is told on with the name", async () => {
    await using origin = await startRawOrigin(() => undefined);
    const tls = tlsWith([certificate], { "a.example": origin.address });
    const settings = { acceptProxyProtocol: true, sendProxyProtocol: 2, tls } as const;
    await using proxy = await startTcpProxy([origin.port], settings);
    const hello = await captureHello({ servername: "a.example" });
    await using client = await connectRaw(proxy.port);
    await client.writePieces(Buffer.concat([Buffer.from(line), hello]), [3, 20, 60, 61, 90]);
    const connection = await origin.connection(0);
    const bytes = await connection.readUntil((all) => all.length > 40 + hello.length - 1);
    const header = parseProxyHeader(bytes, 0, bytes.length);
    assert.ok(header.kind === "complete");
    assert.equal(header.addresses?.source.address, "192.0.2.1");
    assert.equal(bytes.toString("latin1", header.length - 12, header.length), "\x02\x00\x09a.example");
    assert.deepEqual(bytes.subarray(header.length), hello);
    assert.equal(proxy.service.connections()[0]?.client, "192.0.2.1:56324");
    await using silent = await connectRaw(proxy.port);
    void silent.write(hello);
    assert.notEqual(await silent.closed, "here");
    assert.deepEqual(proxy.log.of("refused"), ["PROXY protocol: no PROXY header"]);
  });

  test("version 2 tells of what was opened", async () => {
    await using origin = await startRawOrigin(() => undefined);
    const tls = tlsWith([certificate], {}, { alpn: ["postgresql"] });
    await using proxy = await startTcpProxy([origin.port], { sendProxyProtocol: 2, tls });
    await using client = await connectTo(proxy.port, "localhost", { ALPNProtocols: ["postgresql"] });
    await client.write("first");
    const bytes = await (await origin.connection(0)).readUntil("first");
    const header = parseProxyHeader(bytes, 0, bytes.length);
    assert.ok(header.kind === "complete");
    assert.equal(header.addresses?.source.port, client.socket.localPort);
    const fields = bytes.toString("latin1", 28, header.length);
    assert.ok(fields.startsWith("\x01\x00\x0apostgresql\x02\x00\x09localhost\x20\x00"), fields);
    assert.ok(fields.includes("\x21\x00\x07TLSv1.3"), fields);
  });

  test("clients are counted by whom it names", async () => {
    await using origin = await startEcho();
    const limits = { acceptProxyProtocol: true, maxConnectionsPerClient: 1 };
    await using proxy = await startTcpProxy([origin.port], {
      ...limits,
      tls: tlsWith([], { x: "127.0.0.1:1" }),
    });
    const bytes = Buffer.concat([Buffer.from(line), await captureHello({ servername: "a.example" })]);
    await using one = await connectRaw(proxy.port);
    await one.write(bytes);
    await proxy.log.next("opened");
    await using two = await connectRaw(proxy.port);
    void two.write(bytes);
    assert.notEqual(await two.closed, "here");
    assert.deepEqual(proxy.log.of("refused"), ["connection limit of 1 per client reached"]);
  });
});

describe("in their handshake connections", () => {
  test("have so much time, and count", async () => {
    await using origin = await startEcho();
    const tls = tlsWith([certificate], {}, { handshakeTimeout: 300 });
    await using proxy = await startTcpProxy([origin.port], { tls, maxConnections: 2 });
    const hello = await captureHello();
    await using mute = await connectRaw(proxy.port);
    await using stalled = await connectRaw(proxy.port);
    await stalled.write(hello);
    await until("both are known", () => proxy.service.connections().length === 2);
    assert.equal(proxy.counters.get(Counter.connectionsOpen), 2);
    await using third = await connectRaw(proxy.port);
    assert.notEqual(await third.closed, "here");
    await Promise.all([mute.closed, stalled.closed]);
    await untilIdle(proxy);
    const late = "no TLS handshake within 300 ms";
    assert.deepEqual(proxy.log.of("timeout"), [late, late]);
    assert.deepEqual(proxy.log.of("refused"), ["connection limit of 2 reached"]);
    assert.equal(proxy.counters.get(Counter.timeouts), 2);
  });

  test("may leave at any time, and leave nothing behind", async () => {
    await using origin = await startEcho();
    await using proxy = await startTcpProxy([origin.port], { tls: tlsWith([certificate]) });
    const hello = await captureHello();
    for (let i = 0; i < 60; i++) {
      const client = await connectRaw(proxy.port);
      const length = [0, 1, 3, 50, hello.length][i % 5]!;
      if (length > 0) await client.write(hello.subarray(0, length));
      if (i % 3 === 0) client.reset();
      else if (i % 3 === 1) client.end();
      else client.destroy();
      client.destroy();
    }
    await until("all came", () => proxy.counters.get(Counter.connectionsAccepted) === 60);
    await untilIdle(proxy);
    assert.equal((await visitSecurely(proxy.port)).answer, "ping");
    assert.equal(origin.connections.length, 1);
  });

  test("can be cut, and are finished when the proxy is drained", async () => {
    await using origin = await startEcho();
    await using proxy = await startTcpProxy([origin.port], { tls: tlsWith([certificate]) });
    await using doomed = await connectRaw(proxy.port);
    await until("it is known", () => proxy.service.connections().length === 1);
    proxy.service.cut("0.1");
    assert.equal(await doomed.closed, "reset");
    await untilIdle(proxy);
    const raw = await connectRaw(proxy.port);
    await until("it is known", () => proxy.service.connections().length === 1);
    const drained = proxy.drain(10_000);
    const { connect } = await import("node:tls");
    const client = connect({ socket: raw.socket, servername: "localhost", ca: authority.cert });
    await once(client, "secureConnect");
    client.end("late");
    let answer = "";
    client.on("data", (bytes) => {
      answer += bytes;
    });
    await once(client, "end");
    assert.equal(answer, "late");
    await drained;
    await untilIdle(proxy);
  });

  test("are cut by a toxic that cuts what stands", async () => {
    await using origin = await startEcho();
    const faults = createFaults(builtinToxics);
    await using proxy = await startTcpProxy([origin.port], { tls: tlsWith([certificate]) }, faults);
    await using doomed = await connectRaw(proxy.port);
    await until("it is known", () => proxy.service.connections().length === 1);
    faults.add(toxic("down"));
    assert.equal(await doomed.closed, "reset");
    await untilIdle(proxy);
  });

  test("end when the proxy does", async () => {
    await using origin = await startEcho();
    const proxy = await startTcpProxy([origin.port], { tls: tlsWith([certificate]) });
    await using mute = await connectRaw(proxy.port);
    await using stalled = await connectRaw(proxy.port);
    await stalled.write(await captureHello());
    await stalled.readSome();
    await using open = await connectTo(proxy.port, "localhost");
    await until("all are known", () => proxy.service.connections().length === 3);
    proxy.service.destroy();
    await Promise.all([mute.closed, stalled.closed, open.closed]);
    await untilIdle(proxy);
    await proxy[Symbol.asyncDispose]();
  });
});

test("on Unix sockets too", async () => {
  const [listen, upstream] = [directory.join("proxy"), directory.join("server")];
  await using _plain = await startRawOrigin(({ socket }) => void socket.pipe(socket), { path: upstream });
  await using passed = await startTlsEcho();
  const tls = tlsWith([certificate], { "a.example": passed.address });
  await using proxy = await startTcpProxy([`unix:${upstream}`], { listen: `unix:${listen}`, tls });
  for (const servername of ["localhost", "a.example"]) {
    const trusting = { servername, ca: [authority.cert, others.cert] };
    await using client = await connectRaw({ path: listen }, { tls: trusting });
    await client.write("ping");
    assert.equal((await client.readExactly(4)).toString(), "ping");
    client.end();
    assert.equal((await client.readToEnd()).length, 0);
  }
  await using mute = await connectRaw({ path: listen });
  await until("it is known", () => proxy.service.connections().some(({ client }) => client === ""));
  proxy.service.cut();
  await mute.closed;
  await untilIdle(proxy);
});

test("silence ends what was opened as what was not", async () => {
  await using origin = await startEcho();
  await using passed = await startTlsEcho();
  const tls = tlsWith([certificate], { "a.example": passed.address });
  await using proxy = await startTcpProxy([origin.port], { tls, idleTimeout: 300 });
  await using one = await connectTo(proxy.port, "localhost");
  await using two = await connectTo(proxy.port, "a.example");
  await Promise.all([one.readToEnd(), two.closed]);
  await untilIdle(proxy);
  assert.deepEqual(proxy.log.of("timeout"), ["idle for 300 ms", "idle for 300 ms"]);
});

test("a proxy whose certificate can't be read doesn't start", async () => {
  const broken = { cert: await directory.write("broken.pem", "nothing"), key: certificate.key };
  await assert.rejects(startTcpProxy([1], { tls: tlsWith([broken]) }), /broken\.pem/);
});

test("a certificate that is replaced serves the next connection", async () => {
  await using origin = await startEcho();
  const changing = await writeIdentity(directory, "changing", await authority.issue());
  await using proxy = await startTcpProxy([origin.port], { tls: tlsWith([changing]) });
  assert.equal((await visitSecurely(proxy.port)).issuer, "Ours");
  await writeIdentity(directory, "changing", await others.issue({ names: ["localhost"] }));
  await until(
    "the new one is served",
    async () => (await visitSecurely(proxy.port)).issuer === "The servers'",
  );
});
