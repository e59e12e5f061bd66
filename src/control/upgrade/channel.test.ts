import assert from "node:assert/strict";
import { once } from "node:events";
import { closeSync, fstatSync, openSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { describe, test } from "node:test";
import { countCopies } from "../../../test/kit/descriptors.ts";
import { createTemporaryDirectory } from "../../../test/kit/files.ts";
import { descriptorOf } from "../../net/node-sockets.ts";
import { Channel } from "./channel.ts";
import { connectTo } from "./connect-to.ts";
import { sendPiece } from "./descriptors.ts";
import { encodeFrame } from "./frames.ts";

/** Both ends of a connection. */
async function connected(): Promise<{ near: Socket; far: Socket } & Disposable> {
  await using folder = await createTemporaryDirectory();
  const path = folder.join("a.sock");
  const server = createServer().listen(path);
  const accepted = once(server, "connection") as Promise<[Socket]>;
  const near = await connectTo(path);
  const [far] = await accepted;
  server.close();
  return {
    near,
    far,
    [Symbol.dispose]() {
      near.destroy();
      far.destroy();
    },
  };
}

const isLinux = process.platform === "linux";

describe("a channel", { skip: !isLinux }, () => {
  test("passes messages both ways, and many descriptors with a long one", async () => {
    using sockets = await connected();
    const [near, far] = [new Channel(sockets.near), new Channel(sockets.far)];
    near.send({ type: "hello", pid: 1 });
    assert.deepEqual(await far.receive(), { type: "hello", pid: 1 });
    const file = openSync(import.meta.filename, "r");
    const text = "x".repeat(1_000_000);
    const delivered = near.receiveWith({ type: "take" });
    assert.deepEqual(await far.receive(), { type: "take" });
    await far.sendWith({ type: "estate", text }, Array<number>(600).fill(file));
    const { message, descriptors } = await delivered;
    assert.equal(message["text"], text);
    assert.equal(new Set(descriptors).size, 600);
    for (const descriptor of descriptors) {
      assert.equal(fstatSync(descriptor).ino, fstatSync(file).ino);
      closeSync(descriptor);
    }
    closeSync(file);
    far.send({ type: "go" });
    assert.deepEqual(await near.receive(), { type: "go" }, "Node reads again");
  });

  test("tells whose process the other end is", async () => {
    using sockets = await connected();
    assert.deepEqual(new Channel(sockets.far).peer, { pid: process.pid, uid: process.getuid?.() });
  });

  test("keeps no descriptor of a message that doesn't come whole", async () => {
    const file = openSync(import.meta.filename, "r");
    const tooFew = encodeFrame({ type: "estate" }, 3);
    const excess = Buffer.concat([encodeFrame({ type: "estate" }, 2), Buffer.from("more")]);
    const cases: [bytes: Buffer, reason: RegExp][] = [
      [tooFew, /2 descriptors came of 3/],
      [tooFew.subarray(0, -1), /closed the connection/],
      [excess, /more came than was asked for/],
      [Buffer.alloc(64, 0xff), /bytes are too many/],
    ];
    for (const [bytes, reason] of cases) {
      using sockets = await connected();
      const delivered = new Channel(sockets.near).receiveWith({ type: "take" });
      await once(sockets.far, "data");
      sendPiece(descriptorOf(sockets.far)!, bytes, [file, file]);
      sockets.far.end();
      await assert.rejects(delivered, reason);
      assert.equal(countCopies(file), 1);
    }
    closeSync(file);
  });

  test("hears what was said before the end, and then why nothing comes any more", async () => {
    using sockets = await connected();
    const near = new Channel(sockets.near);
    sockets.far.end(encodeFrame({ type: "refused", message: "busy" }));
    await near.closed;
    assert.equal((await near.receive()).type, "refused");
    await assert.rejects(near.receive(), /closed the connection/);
  });

  test("isn't kept open by who goes on talking after it was closed", async () => {
    using sockets = await connected();
    sockets.far.allowHalfOpen = true;
    const near = new Channel(sockets.near);
    sockets.far.on("error", () => undefined).write(encodeFrame({ type: "hello" }));
    near.send({ type: "refused" });
    near.close();
    const [said] = (await once(sockets.far, "data")) as [Buffer];
    assert.match(said.toString(), /refused/);
    if (!sockets.near.closed) await once(sockets.near, "close");
    await assert.rejects(near.receive(), /the connection is closed/);
  });

  test("ends with who says what nobody asked for", async () => {
    for (const bytes of [encodeFrame({ type: "estate" }, 1), Buffer.alloc(16, 0xff)]) {
      using sockets = await connected();
      const near = new Channel(sockets.near);
      const heard = near.receive();
      sockets.far.write(bytes);
      await assert.rejects(heard, /is no message of an upgrade/);
      await once(sockets.far, "close");
    }
  });
});
