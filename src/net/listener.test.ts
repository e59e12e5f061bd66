import assert from "node:assert/strict";
import { once } from "node:events";
import { BoundSocket, type Socket } from "node:net";
import { describe, test } from "node:test";
import { createTemporaryDirectory } from "../../test/kit/files.ts";
import { findProgram, skipWithout } from "../../test/kit/peer.ts";
import { runProgram } from "../../test/kit/process.ts";
import { connectRaw } from "../../test/kit/raw-client.ts";
import type { Address } from "./address.ts";
import { DEFAULT_LISTENER_OPTIONS, Listener } from "./listener.ts";

/** A listener, and the sockets that it handed over. */
async function open(address: Address): Promise<{ listener: Listener; next: () => Promise<Socket> }> {
  const waiting: ((socket: Socket) => void)[] = [];
  const listener = await Listener.open({ address }, DEFAULT_LISTENER_OPTIONS, {
    onAccept: (socket) => waiting.shift()?.(socket),
    onAcceptError: (error) => assert.fail(error),
  });
  return { listener, next: () => new Promise((resolve) => waiting.push(resolve)) };
}

const LOCAL: Address = { kind: "tcp", host: "127.0.0.1", port: 0 };

describe("a listener", () => {
  test("says where it listens and hands over sockets that don't read yet", async () => {
    const { listener, next } = await open(LOCAL);
    assert.match(listener.address, /^127\.0\.0\.1:\d+$/);
    assert.equal(listener.address, `127.0.0.1:${listener.port}`);
    const accepted = next();
    await using client = await connectRaw(listener.port);
    const socket = await accepted;
    void client.write("hello");
    assert.equal(socket.readableLength, 0);
    const [chunk] = (await once(socket.resume(), "data")) as [Buffer];
    assert.equal(chunk.toString(), "hello");
    // One direction may end without the other.
    client.end();
    await once(socket, "end");
    socket.end("bye");
    assert.equal((await client.readToEnd()).toString(), "bye");
    listener.close();
  });

  test("listens on all interfaces, on IPv6 and on Unix sockets", async () => {
    await using directory = await createTemporaryDirectory();
    const everywhere = await open({ kind: "tcp", host: "", port: 0 });
    assert.ok(everywhere.listener.port > 0);
    const v6 = await open({ kind: "tcp", host: "::1", port: 0 });
    assert.match(v6.listener.address, /^\[::1\]:\d+$/);
    const unix = await open({ kind: "unix", path: directory.join("socket") });
    assert.equal(unix.listener.address, `unix:${directory.join("socket")}`);
    assert.equal(unix.listener.port, 0);
    for (const { listener } of [everywhere, v6, unix]) listener.close();
  });

  test("rejects with the reason when it can't be bound", async () => {
    const { listener } = await open(LOCAL);
    await assert.rejects(open({ kind: "tcp", host: "127.0.0.1", port: listener.port }), {
      code: "EADDRINUSE",
    });
    listener.close();
  });

  test("that is closed accepts nothing more and leaves what stands alone", async () => {
    const { listener, next } = await open(LOCAL);
    const accepted = next();
    const { port } = listener;
    await using client = await connectRaw(port);
    const socket = await accepted;
    listener.close();
    await assert.rejects(connectRaw(port), { code: "ECONNREFUSED" });
    socket.end("still there");
    assert.equal((await client.readToEnd()).toString(), "still there");
    socket.destroy();
  });

  test("lets as many connections wait as it is told, on an address and on a descriptor", {
    skip: skipWithout("ss"),
  }, async () => {
    const bound = new BoundSocket({ host: "127.0.0.1", port: 0 });
    const boundTo = `127.0.0.1:${bound.address().port}`;
    const events = { onAccept: () => undefined, onAcceptError: () => undefined };
    for (const on of [{ address: LOCAL }, { fds: [bound.fd()], boundTo }]) {
      const listener = await Listener.open(on, { ...DEFAULT_LISTENER_OPTIONS, backlog: 37 }, events);
      const port = listener.address.split(":").at(-1);
      const { stdout } = await runProgram(findProgram("ss")!, ["-Hltn", `sport = :${port}`]);
      assert.equal(stdout.trim().split(/\s+/)[2], "37");
      listener.close();
    }
  });
});
