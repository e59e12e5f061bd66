import assert from "node:assert/strict";
import { once } from "node:events";
import type { Socket } from "node:net";
import { describe, test } from "node:test";
import { until } from "../../test/kit/deadline.ts";
import { startDeafServer } from "../../test/kit/deaf-server.ts";
import { freePort } from "../../test/kit/ports.ts";
import { startRawOrigin } from "../../test/kit/raw-origin.ts";
import { HttpPeer } from "./peer.ts";
import { TcpConnector } from "./tcp-connector.ts";

/** Answers every line with itself. */
const startEcho = () =>
  startRawOrigin(async (connection) => {
    for (;;) await connection.write(await connection.readUntil("\n"));
  });

async function ask(socket: Socket, line: string): Promise<string> {
  socket.write(`${line}\n`);
  const [chunk] = (await once(socket, "data")) as [Buffer];
  return chunk.toString().trimEnd();
}

describe("a TCP connector", () => {
  test("gives a released connection to the next who asks", async () => {
    await using echo = await startEcho();
    using connector = new TcpConnector();
    const peer = new HttpPeer(echo.address);
    const first = await connector.connect(peer);
    assert.equal(connector.isReused(first), false);
    assert.equal(await ask(first, "one"), "one");
    assert.equal(connector.release(peer, first), true);
    assert.equal(connector.idleCount, 1);
    const second = await connector.connect(echo.address);
    assert.equal(second, first);
    assert.equal(connector.isReused(second), true);
    assert.equal(connector.idleCount, 0);
    assert.equal(await ask(second, "two"), "two");
    assert.equal(echo.connections.length, 1);
    second.destroy();
  });

  test("flows for every way to read, first and later", async () => {
    await using echo = await startEcho();
    using connector = new TcpConnector();
    const readers: ((socket: Socket) => Promise<string>)[] = [
      (socket) => ask(socket, "data"),
      async (socket) => {
        socket.write("iterator\n");
        for await (const chunk of socket.iterator({ destroyOnReturn: false })) return String(chunk);
        return "";
      },
      async (socket) => {
        socket.write("readable\n");
        await once(socket, "readable");
        return String(socket.read());
      },
      async (socket) => {
        const answer = await ask(socket, "paused");
        socket.pause();
        return answer;
      },
      (socket) => ask(socket, "again"),
    ];
    for (const expected of ["data", "iterator", "readable", "paused", "again"]) {
      const socket = await connector.connect(echo.address);
      assert.equal((await readers.shift()!(socket)).trimEnd(), expected);
      assert.equal(connector.release(echo.address, socket), true, expected);
    }
    assert.equal(echo.connections.length, 1);
  });

  test("tells peers apart by all that makes them differ", async () => {
    await using echo = await startEcho();
    using connector = new TcpConnector();
    const socket = await connector.connect(new HttpPeer(echo.address, { group: "a" }));
    connector.release(new HttpPeer(echo.address, { group: "a" }), socket);
    const other = await connector.connect(new HttpPeer(echo.address, { group: "b" }));
    assert.notEqual(other, socket);
    assert.equal(connector.idleCount, 1);
    other.destroy();
  });

  test("can be asked for a connection that nobody had", async () => {
    await using echo = await startEcho();
    using connector = new TcpConnector();
    const first = await connector.connect(echo.address);
    connector.release(echo.address, first);
    const second = await connector.connect(echo.address, { fresh: true });
    assert.notEqual(second, first);
    second.destroy();
  });

  for (const [what, script] of [
    ["ends", (socket: Socket) => socket.end()],
    ["resets", (socket: Socket) => socket.resetAndDestroy()],
    ["speaks on", (socket: Socket) => socket.write("unasked")],
  ] as const) {
    test(`forgets an idle connection that the server ${what}`, async () => {
      await using echo = await startEcho();
      using connector = new TcpConnector();
      const socket = await connector.connect(echo.address);
      connector.release(echo.address, socket);
      const { socket: serverSide } = await echo.connection(0);
      script(serverSide);
      await until("it is forgotten", () => connector.idleCount === 0);
      assert.equal(socket.destroyed, true);
      const next = await connector.connect(echo.address);
      assert.equal(await ask(next, "hi"), "hi");
      next.destroy();
    });
  }

  test("closes what can't be used again", async () => {
    await using echo = await startEcho();
    using connector = new TcpConnector();
    const spoil: ((socket: Socket) => unknown)[] = [
      (socket) => socket.end(),
      (socket) => socket.destroy(),
      (socket) => socket.unshift(Buffer.from("unread")),
      (socket) => socket.write(Buffer.alloc(20_000_000)),
    ];
    for (const way of spoil) {
      const socket = await connector.connect(echo.address);
      way(socket);
      assert.equal(connector.release(echo.address, socket), false);
      assert.equal(socket.destroyed, true);
    }
    assert.equal(connector.idleCount, 0);
  });

  test("closes what has been idle too long, and the oldest when there is no room", async () => {
    await using echo = await startEcho();
    using connector = new TcpConnector({ size: 2, idleTimeout: 300 });
    const sockets = await Promise.all([1, 2, 3].map(() => connector.connect(echo.address)));
    for (const socket of sockets) connector.release(echo.address, socket);
    assert.deepEqual(
      sockets.map((socket) => socket.destroyed),
      [true, false, false],
    );
    await until("all are closed", () => connector.idleCount === 0);
    assert.ok(sockets.every((socket) => socket.destroyed));
  });

  test("keeps nothing once it is closed", async () => {
    await using echo = await startEcho();
    const connector = new TcpConnector();
    const [idle, busy] = await Promise.all([
      connector.connect(echo.address),
      connector.connect(echo.address),
    ]);
    connector.release(echo.address, idle);
    connector.close();
    assert.equal(idle.destroyed, true);
    assert.equal(busy.destroyed, false);
    assert.equal(connector.release(echo.address, busy), false);
    assert.equal(busy.destroyed, true);
  });

  test("says why there is no connection", async () => {
    using connector = new TcpConnector();
    const closed = `127.0.0.1:${await freePort()}`;
    await assert.rejects(connector.connect(closed), { code: "UPSTREAM_CONNECT_REFUSED" });
    await assert.rejects(connector.connect("unix:/nowhere/at.all"), { code: "UPSTREAM_CONNECT_FAILED" });
    const notOurs = new HttpPeer(closed, { localAddress: "not an address" });
    await assert.rejects(connector.connect(notOurs), { code: "UPSTREAM_CONNECT_FAILED" });
  });

  test("gives up when the peer's time is over or nobody wants it any more", async () => {
    await using deaf = await startDeafServer();
    using connector = new TcpConnector();
    const peer = new HttpPeer(`127.0.0.1:${deaf.port}`, { connectTimeout: 50 });
    await assert.rejects(connector.connect(peer), { code: "UPSTREAM_CONNECT_TIMEOUT", status: 504 });
    const reason = new Error("never mind");
    const abort = new AbortController();
    const attempt = connector.connect(`127.0.0.1:${deaf.port}`, { signal: abort.signal });
    abort.abort(reason);
    await assert.rejects(attempt, reason);
    await assert.rejects(connector.connect(peer, { signal: abort.signal }), reason);
  });
});
