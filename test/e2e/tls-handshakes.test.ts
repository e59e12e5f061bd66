import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { describe, test } from "node:test";
import { connect as connectTls } from "node:tls";
import { captureHello } from "../kit/client-hello.ts";
import { until } from "../kit/deadline.ts";
import { startOrigin } from "../kit/origins.ts";
import { findProgram, skipWithout } from "../kit/peer.ts";
import { startProgram } from "../kit/process.ts";
import { closureOf, connectRaw } from "../kit/raw-client.ts";
import { visitSecurely } from "../kit/tls-client.ts";
import { answering, ok, request } from "./proxy.ts";
import { authority, clients, startSecureProxy, TRUST } from "./tls-proxy.ts";

const origin = answering(ok());

/** Connects, says no more than `bytes`, and waits. */
async function stall(port: number, bytes: Buffer): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  socket.on("error", () => undefined).resume();
  if (bytes.length > 0) socket.write(bytes);
  return socket;
}

/** Waits until it is closed, by a reset or not. */
function closed(socket: Socket): Promise<boolean> {
  return until("the socket is closed", () => socket.closed);
}

const hello = await captureHello();

describe("a handshake", () => {
  test("that doesn't come to its end is cut off in time", async () => {
    await using secure = await startSecureProxy({ origin, tls: { handshakeTimeout: 300 } });
    const stalled = [hello.subarray(0, 0), hello.subarray(0, 60), hello];
    const sockets = await Promise.all(stalled.map((bytes) => stall(secure.port, bytes)));
    await until("all are open", () => secure.proxy.count("connectionsOpen") === 3);
    await Promise.all(sockets.map(closed));
    await secure.proxy.settled();
    assert.equal(secure.proxy.count("handshakeTimeouts"), 3);
    assert.equal(secure.proxy.count("handshakeFailures"), 3);
    assert.equal(secure.proxy.count("handshakes"), 0);
  });

  test("whose hello comes byte by byte takes no longer than others may", async () => {
    await using secure = await startSecureProxy({ origin, tls: { handshakeTimeout: 300, handshakes: 1 } });
    const socket = await stall(secure.port, hello.subarray(0, 1));
    let sent = 1;
    const drip = setInterval(() => socket.write(hello.subarray(sent, ++sent)), 20);
    try {
      const client = await secure.proxy.connect({ tls: TRUST });
      assert.equal((await client.exchange(request("GET /"))).status, 200, "others are served meanwhile");
      await closed(socket);
    } finally {
      clearInterval(drip);
    }
    assert.ok(sent < hello.length, "the whole hello was taken");
    assert.equal(secure.proxy.count("handshakeTimeouts"), 1);
  });

  test("that the client leaves, at whatever point, leaves nothing behind", async () => {
    await using secure = await startSecureProxy({ origin, maxConnectionsPerClient: 30 });
    for (let at = 0; at <= hello.length; at += Math.ceil(hello.length / 9)) {
      const socket = await stall(secure.port, hello.subarray(0, at));
      socket.end();
      await closed(socket);
      const other = await stall(secure.port, hello.subarray(0, at));
      other.resetAndDestroy();
    }
    const half = await stall(secure.port, hello);
    await once(half, "data");
    half.resetAndDestroy();
    await secure.proxy.settled();
    assert.equal(secure.proxy.count("handshakes"), 0);
    assert.ok(secure.proxy.count("handshakeFailures") >= 15);
    const client = await secure.proxy.connect({ tls: TRUST });
    assert.equal((await client.exchange(request("GET /"))).status, 200);
  });

  test("waits while as many are under way as may be", async () => {
    await using secure = await startSecureProxy({ origin, tls: { handshakes: 2, handshakeTimeout: 60_000 } });
    const sockets = await Promise.all([hello, hello].map((bytes) => stall(secure.port, bytes)));
    // They have their turn once they are answered.
    await Promise.all(sockets.map((socket) => once(socket, "data")));
    const waiting = secure.proxy.connect({ tls: TRUST });
    await until("it has come", () => secure.proxy.count("connectionsOpen") === 3);
    assert.equal(secure.proxy.count("handshakes"), 0);
    sockets[0]!.destroy();
    const client = await waiting;
    assert.equal((await client.exchange(request("GET /"))).status, 200);
    sockets[1]!.destroy();
  });

  test("in TLS 1.2 happens once: nobody may begin another one", async () => {
    await using secure = await startSecureProxy({ origin });
    const socket = connectTls({ ...TRUST, host: "127.0.0.1", port: secure.port, maxVersion: "TLSv1.2" });
    await once(socket, "secureConnect");
    const { promise, resolve } = Promise.withResolvers<Error | null>();
    socket.on("error", resolve);
    socket.renegotiate({}, resolve);
    assert.match((await promise)?.message ?? "it was allowed", /renegotiation/i);
    socket.destroy();
  });

  test("gives no ticket by which bytes could be sent before it", {
    skip: skipWithout("openssl"),
  }, async () => {
    await using secure = await startSecureProxy({ origin });
    const args = ["s_client", "-connect", `127.0.0.1:${secure.port}`, "-tls1_3"];
    await using client = await startProgram(findProgram("openssl")!, args);
    // What it prints of the session comes when it ends.
    client.write(request("GET /", "Connection: close"));
    const [line] = await client.line(/^\s*Max Early Data: .*$/);
    assert.equal(line.trim(), "Max Early Data: 0");
  });
});

describe("clients", () => {
  test("count from the moment they connect", async () => {
    await using secure = await startSecureProxy({ origin, maxConnections: 2 });
    const sockets = await Promise.all(
      [hello, hello.subarray(0, 9)].map((bytes) => stall(secure.port, bytes)),
    );
    await until("both are there", () => secure.proxy.count("connectionsOpen") === 2);
    assert.notEqual(await closureOf(secure.port), "open");
    assert.equal(secure.proxy.count("connectionsRefused"), 1);
    for (const socket of sockets) socket.destroy();
    await secure.proxy.settled();
    const client = await secure.proxy.connect({ tls: TRUST });
    assert.equal((await client.exchange(request("GET /"))).status, 200);
  });

  test("have no more connections each than they may, in handshakes or after them", async () => {
    await using secure = await startSecureProxy({ origin, maxConnectionsPerClient: 2 });
    const stalled = await stall(secure.port, hello);
    const client = await secure.proxy.connect({ tls: TRUST });
    assert.equal((await client.exchange(request("GET /"))).status, 200);
    assert.notEqual(await closureOf(secure.port), "open");
    stalled.destroy();
    await until("one has gone", () => secure.proxy.count("connectionsOpen") === 1);
    const other = await secure.proxy.connect({ tls: TRUST });
    assert.equal((await other.exchange(request("GET /"))).status, 200);
    client.destroy();
    other.destroy();
    await secure.proxy.settled();
    for (const one of [1, 2]) {
      const next = await secure.proxy.connect({ tls: TRUST });
      assert.equal((await next.exchange(request("GET /"))).status, 200, String(one));
    }
  });

  test("are judged by their address before anything is computed for them", async () => {
    await using secure = await startSecureProxy({ origin, connectionFilter: () => false });
    assert.notEqual(await closureOf(secure.port), "open");
    assert.equal(secure.proxy.count("handshakeFailures"), 0);
    assert.equal(secure.proxy.count("connectionsRefused"), 1);
  });

  for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
    test(`without the certificate that is asked for never get to a request, ${maxVersion}`, async () => {
      await using server = await startOrigin();
      await using secure = await startSecureProxy({ origin: server, asks: "required" });
      const strangers = [{}, await authority.issue(), await clients.issue({ days: -1 })];
      for (const stranger of strangers) {
        await assert.rejects(visitSecurely(secure.port, { ...stranger, maxVersion }));
      }
      const known = { ...TRUST, ...(await clients.issue()), maxVersion };
      const client = await secure.proxy.connect({ tls: known });
      assert.equal((await client.exchange(request("GET /"))).status, 200);
      assert.equal(server.requests.length, 1);
      assert.equal(secure.proxy.count("handshakeFailures"), 3);
      for (const { kind, reason, serverName } of secure.proxy.handshakes) {
        assert.deepEqual([kind, serverName], ["handshake", "localhost"]);
        assert.match(reason, /certificate|left|hang up/);
      }
    });
  }
});

describe("when the proxy drains", () => {
  test("handshakes under way come to their end, and one request after them is answered", async () => {
    await using secure = await startSecureProxy({ origin });
    const raw = connect(secure.port, "127.0.0.1");
    await once(raw, "connect");
    await until("it has come", () => secure.proxy.count("connectionsOpen") === 1);
    const drained = secure.proxy.server.drain(20_000);
    const socket = connectTls({ ...TRUST, socket: raw });
    await once(socket, "secureConnect");
    socket.write(request("GET /"));
    let answer = "";
    for await (const chunk of socket) answer += String(chunk);
    assert.match(answer, /^HTTP\/1\.1 200 OK\r\n(?:.*\r\n)*Connection: close\r\n/i);
    await drained;
  });

  test("handshakes that don't end are cut with the grace", async () => {
    await using secure = await startSecureProxy({ origin });
    const sockets = await Promise.all(
      [hello, hello.subarray(0, 9)].map((bytes) => stall(secure.port, bytes)),
    );
    await until("both are there", () => secure.proxy.count("connectionsOpen") === 2);
    await secure.proxy.server.drain(100);
    await Promise.all(sockets.map(closed));
    await secure.proxy.settled();
    assert.equal(secure.proxy.count("handshakeFailures"), 0, "it wasn't they who failed");
  });
});

test("a client that ends its direction still gets its answer, and the end of ours", async () => {
  await using server = await startOrigin();
  await using secure = await startSecureProxy({ origin: server });
  await using client = await connectRaw(secure.port, { tls: TRUST });
  client.write(request("GET /slow?head=50&body=50"));
  client.end();
  const { status, body } = await client.readResponse();
  assert.deepEqual([status, body.toString()], [200, "slow\n"]);
  assert.equal(await client.closed, "end");
});
