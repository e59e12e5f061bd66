import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { buffer } from "node:stream/consumers";
import { describe, test } from "node:test";
import { createAuthority } from "../../test/kit/certificates.ts";
import { patternBytes } from "../../test/kit/pattern.ts";
import { connectSecurely } from "../../test/kit/tls-client.ts";
import { createServerContext, startTlsServer } from "../../test/kit/tls-server.ts";
import { SocketWriter } from "./socket-writer.ts";

const authority = await createAuthority();
const context = createServerContext([await authority.issue()], { alpn: ["http/1.1"] });

interface Pair extends AsyncDisposable {
  /** The end that is written to. */
  readonly near: Socket;
  readonly far: Socket;
}

async function plainPair(): Promise<Pair> {
  const server = createServer({ allowHalfOpen: true }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const far = connect({ port: (server.address() as { port: number }).port, host: "127.0.0.1" });
  const [near] = (await once(server, "connection")) as [Socket];
  return pairOf(near, far, () => void server.close());
}

async function securePair(): Promise<Pair> {
  const accepted = Promise.withResolvers<Socket>();
  const server = await startTlsServer({ choose: context, onSecure: accepted.resolve });
  const far = await connectSecurely(server.port, { ALPNProtocols: ["http/1.1"] });
  return pairOf(await accepted.promise, far, () => server[Symbol.asyncDispose]());
}

function pairOf(near: Socket, far: Socket, close: () => void | PromiseLike<void>): Pair {
  near.on("error", () => undefined);
  far.on("error", () => undefined);
  return {
    near,
    far,
    async [Symbol.asyncDispose]() {
      near.destroy();
      far.destroy();
      await close();
    },
  };
}

interface Listening {
  readonly writer: SocketWriter;
  /** Times it was told that all is out. */
  drained: number;
}

function listenTo(socket: Socket): Listening {
  const owner = { handleDrain: (): void => void listening.drained++ };
  const listening: Listening = { writer: new SocketWriter(socket, owner), drained: 0 };
  socket.on("drain", owner.handleDrain);
  return listening;
}

for (const [name, pair] of Object.entries({ plain: plainPair, TLS: securePair })) {
  describe(`a writer to a ${name} socket`, () => {
    test("keeps the order of what has to wait, and ends behind it", async () => {
      await using ends = await pair();
      const { writer } = listenTo(ends.near);
      const whole = patternBytes(24 * 1024 * 1024);
      let at = 0;
      for (let size = 1; at < whole.length; size = (size * 7) % 300_007) {
        writer.write(whole.subarray(at, at + size));
        at += size;
      }
      writer.end();
      assert.ok(writer.unsent > 0);
      assert.ok(writer.isEnded);
      assert.equal(Buffer.compare(await buffer(ends.far), whole), 0);
      assert.equal(writer.unsent, 0);
    });

    test("tells when what had to wait is out, each time", async () => {
      await using ends = await pair();
      const listening = listenTo(ends.near);
      let taken = 0;
      for (let round = 1; round <= 3; round++) {
        const bytes = patternBytes(12 * 1024 * 1024);
        assert.equal(listening.writer.write(bytes), false);
        assert.equal(listening.drained, round - 1);
        for (; taken < round * bytes.length; )
          taken += ((await once(ends.far, "data")) as [Buffer])[0].length;
        assert.equal(listening.writer.unsent, 0);
        assert.equal(listening.drained, round);
      }
    });

    test("closes a socket whose peer is gone, with what Node calls the error", async () => {
      await using ends = await pair();
      const { writer } = listenTo(ends.near);
      const failed = Promise.withResolvers<NodeJS.ErrnoException>();
      ends.near.on("error", failed.resolve);
      writer.write(patternBytes(12 * 1024 * 1024));
      writer.write(patternBytes(100));
      ends.far.destroy();
      const error = await failed.promise;
      assert.match(error.message, /^write (ECONNRESET|EPIPE)|^read ECONNRESET/);
      assert.ok(ends.near.destroyed);
      writer.write(patternBytes(100));
    });

    test("closes a socket on which nothing may be written any more", async () => {
      await using ends = await pair();
      const { writer } = listenTo(ends.near);
      const failed = Promise.withResolvers<Error>();
      ends.near.on("error", failed.resolve);
      writer.write(Buffer.from("a"));
      await once(ends.far, "data");
      ends.near.end();
      await once(ends.near, "finish");
      writer.write(Buffer.from("b"));
      assert.match((await failed.promise).message, /^write E(PIPE|PROTO):/);
      assert.ok(ends.near.destroyed);
      assert.equal(writer.unsent, 0);
    });

    test("forgets what waits when the socket is destroyed", async () => {
      await using ends = await pair();
      const listening = listenTo(ends.near);
      listening.writer.write(patternBytes(12 * 1024 * 1024));
      listening.writer.write(patternBytes(100));
      ends.near.destroy();
      await once(ends.near, "close");
      await new Promise(setImmediate);
      assert.equal(listening.drained, 0);
    });
  });
}

describe("a writer to a socket that still connects", () => {
  test("has it wait in the stream, and what follows behind it", async () => {
    await using server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const accepted = once(server, "connection") as Promise<[Socket]>;
    const near = connect({ port: (server.address() as { port: number }).port, host: "127.0.0.1" });
    const { writer } = listenTo(near);
    assert.equal(writer.write(Buffer.from("one ")), false);
    const [far] = await accepted;
    if (near.connecting) await once(near, "connect");
    writer.write(Buffer.from("two"));
    writer.end();
    assert.equal(String(await buffer(far)), "one two");
  });
});
