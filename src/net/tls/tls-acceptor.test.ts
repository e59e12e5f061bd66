import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { describe, test } from "node:test";
import { connect as connectTls } from "node:tls";
import { Recorder } from "../../../test/kit/accepted-transport.ts";
import { createAuthority } from "../../../test/kit/certificates.ts";
import { captureHello, fragment, makeHello, serverNames } from "../../../test/kit/client-hello.ts";
import { until } from "../../../test/kit/deadline.ts";
import { connectRaw } from "../../../test/kit/raw-client.ts";
import { connectSecurely, visitSecurely } from "../../../test/kit/tls-client.ts";
import { createServerContext, startTlsServer } from "../../../test/kit/tls-server.ts";
import { adoptAccepted } from "../onread-socket.ts";
import { HandshakeLimit } from "./handshake-limit.ts";

const authority = await createAuthority();
const identity = await authority.issue();
const context = createServerContext([identity]);
const ALERT_LENGTH = 7;

/** What a server answers to `bytes` before it closes. */
async function answerTo(port: number, bytes: Buffer): Promise<Buffer> {
  const socket = connect(port, "127.0.0.1");
  socket.write(bytes);
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

describe("choices", () => {
  test("by name, at once or later", async () => {
    const other = await (await createAuthority({ commonName: "Other" })).issue();
    const otherContext = createServerContext([other]);
    await using server = await startTlsServer({
      choose: ({ serverName }) => (serverName === "other.test" ? Promise.resolve(otherContext) : context),
    });
    assert.equal((await visitSecurely(server.port, { servername: "other.test" })).issuer, "Other");
    assert.equal((await visitSecurely(server.port)).issuer, "Sluice test authority");
  });

  test("none for a name is refused with its alert", async () => {
    await using server = await startTlsServer({ choose: "refuse" });
    await assert.rejects(visitSecurely(server.port), /alert|unrecognized name/i);
    const { kind, serverName } = await server.failure();
    assert.deepEqual([kind, serverName], ["unknown-name", "localhost"]);
  });

  test("one that throws, or is rejected, is refused", async () => {
    for (const choose of [() => assert.fail("no"), () => Promise.reject(new Error("no"))]) {
      await using server = await startTlsServer({ choose });
      await assert.rejects(visitSecurely(server.port), /alert internal error/);
      assert.equal((await server.failure()).cause?.message, "no");
    }
  });

  test("to pass it on: what was read goes along", async () => {
    await using target = await startTlsServer({ choose: context });
    const passOn = (socket: Socket, bytes: Buffer): void => {
      const upstream = connect(target.port, "127.0.0.1");
      upstream.on("error", () => socket.destroy());
      upstream.write(bytes);
      socket.pipe(upstream).pipe(socket);
    };
    await using server = await startTlsServer({
      choose: ({ serverName }) => (serverName === "far.test" ? "pass" : context),
      onPassed: passOn,
    });
    assert.equal((await visitSecurely(server.port, { servername: "far.test" })).answer, "ping");
    assert.deepEqual([server.digests.length, target.digests.length], [0, 1]);
    await visitSecurely(server.port);
    assert.deepEqual(
      [server.digests.length, target.digests.length],
      [1, 1],
      "beside connections that are opened",
    );
  });
});

describe("what comes first", () => {
  test("HTTP without TLS is handed over", async () => {
    await using server = await startTlsServer({
      choose: context,
      onPlainHttp: (socket, bytes) => socket.end(`got ${bytes.toString("latin1")}`),
    });
    assert.equal(
      (await answerTo(server.port, Buffer.from("GET / HTTP/1.1\r\n"))).toString(),
      "got GET / HTTP/1.1\r\n",
    );
  });

  test("a transport can take over what is handed over, and hears the rest", async () => {
    const handler = new Recorder();
    await using server = await startTlsServer({
      choose: context,
      onPlainHttp: (socket, bytes) => {
        const transport = adoptAccepted(socket, handler);
        handler.onData(bytes, 0, bytes.length);
        transport.sendText("continue");
      },
    });
    await using client = await connectRaw(server.port);
    await client.write("POST / ");
    await client.readUntil("continue");
    await client.write("HTTP/1.1");
    await until("the rest came", () => handler.text === "POST / HTTP/1.1");
    client.end();
    await until("the end came", () => handler.events.includes("end"));
  });

  test("something else is closed, a bad hello with an alert", async () => {
    await using server = await startTlsServer({ choose: context });
    assert.equal((await answerTo(server.port, Buffer.from([0, 1, 2]))).length, 0);
    const bad = makeHello({ extensions: [[0, serverNames("a..b")]] });
    assert.deepEqual([...(await answerTo(server.port, bad))], [21, 3, 1, 0, 2, 2, 50]);
    assert.deepEqual(
      server.failures.map((one) => one.problem),
      ["NOT_TLS", "SERVER_NAME"],
    );
  });

  test("a hello over many records reaches the handshake whole", async () => {
    await using server = await startTlsServer({ choose: context });
    const hello = await captureHello({ servername: "localhost" });
    const socket = connect(server.port, "127.0.0.1");
    for (const byte of fragment(hello, 100)) socket.write(Buffer.of(byte));
    const [answer] = (await once(socket, "data")) as [Buffer];
    assert.equal(answer[0], 22, "a handshake record");
    assert.ok(answer.length > ALERT_LENGTH);
    socket.destroy();
  });

  test("a PROXY header before the hello", async () => {
    await using server = await startTlsServer({ choose: context, expectsProxyHeader: true });
    const socket = connect(server.port, "127.0.0.1");
    socket.write("PROXY TCP4 192.0.2.7 192.0.2.8 4321 443\r\n");
    const client = connectTls({ socket, servername: "localhost", ca: authority.cert });
    await once(client, "secureConnect");
    await until("the server is through too", () => server.sources.length > 0);
    client.destroy();
    assert.deepEqual(server.sources, ["192.0.2.7"]);
    await assert.rejects(visitSecurely(server.port));
    assert.equal((await server.failure()).kind, "proxy-header");
  });
});

describe("time and number", () => {
  test("clients that say nothing, or stop in the middle, are closed in time", async () => {
    await using server = await startTlsServer({ choose: context, timeout: 100 });
    const hello = await captureHello();
    for (const bytes of [Buffer.alloc(0), hello.subarray(0, 50), hello]) {
      await using client = await connectRaw(server.port);
      if (bytes.length > 0) client.write(bytes);
      await client.closed;
    }
    assert.deepEqual(
      server.failures.map((one) => one.kind),
      ["timeout", "timeout", "timeout"],
    );
    assert.equal((await visitSecurely(server.port)).answer, "ping", "the others aren't touched");
  });

  test("clients that leave early are told of once", async () => {
    await using server = await startTlsServer({ choose: context });
    for (const bytes of [Buffer.from([22, 3]), await captureHello()]) {
      const socket = connect(server.port, "127.0.0.1");
      socket.write(bytes);
      await once(socket, "connect");
      socket.resetAndDestroy();
    }
    await until("both are told of", () => server.failures.length === 2);
  });

  test("so many at a time, the others wait for their turn", async () => {
    const limit = new HandshakeLimit(1, 1, 0);
    await using server = await startTlsServer({ choose: context, limit });
    const stalled = connect(server.port, "127.0.0.1");
    stalled.write(await captureHello());
    await until("it has its turn", () => limit.underWay === 1);
    const waiting = connectSecurely(server.port);
    await until("one waits", () => limit.waiting === 1);
    await assert.rejects(visitSecurely(server.port));
    assert.equal((await server.failure()).kind, "busy");
    stalled.destroy();
    (await waiting).destroy();
    await until("nobody is left", () => limit.underWay === 0);
  });

  test("who says nothing more keeps nobody waiting, and may still go on", async () => {
    const limit = new HandshakeLimit(1, 10, 1);
    await using server = await startTlsServer({ choose: context, limit });
    const stalled = connect(server.port, "127.0.0.1");
    stalled.write(await captureHello());
    await once(stalled, "data");
    assert.equal((await visitSecurely(server.port)).answer, "ping");
    assert.deepEqual([server.failures.length, limit.waiting], [0, 0]);
    stalled.destroy();
    assert.equal((await server.failure()).kind, "handshake");
    assert.equal(limit.underWay, 0);
  });
});
