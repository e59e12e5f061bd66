import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { describe, test } from "node:test";
import { setTimeout as delay, setImmediate as nextTurn } from "node:timers/promises";
import { until } from "../../test/kit/deadline.ts";
import { createTemporaryDirectory } from "../../test/kit/files.ts";
import { PatternVerifier, patternBytes, patternStream } from "../../test/kit/pattern.ts";
import { freePort, listen } from "../../test/kit/ports.ts";
import { connectRaw, type RawClient } from "../../test/kit/raw-client.ts";
import { type RawScript, startRawOrigin } from "../../test/kit/raw-origin.ts";
import { startTransportPipe } from "../../test/kit/transport-pipe.ts";
import { connectTo } from "./connect.ts";
import { adoptAccepted, overSocket } from "./onread-socket.ts";
import { sharedReadSlab } from "./slabs.ts";
import type { Transport, TransportHandler } from "./transport.ts";

/** Records what a transport tells. */
class Recorder implements TransportHandler {
  readonly events: string[] = [];
  text = "";
  received = 0;
  onBytes: ((bytes: Buffer, start: number, end: number) => void) | null = null;
  error: Error | null = null;
  readonly closed: Promise<void>;
  readonly #close: () => void;

  constructor() {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    this.#close = resolve;
  }

  onData(bytes: Buffer, start: number, end: number): void {
    this.received += end - start;
    if (this.onBytes === null) this.text += bytes.toString("latin1", start, end);
    else this.onBytes(bytes, start, end);
  }

  onEnd(): void {
    this.events.push("end");
  }

  onBlocked(): void {
    this.events.push("blocked");
  }

  onDrain(): void {
    this.events.push("drain");
  }

  onClose(error: Error | null): void {
    this.error = error;
    this.events.push("close");
    this.#close();
  }
}

type Adopt = (socket: Socket, handler: TransportHandler) => Transport;

interface Accepted extends AsyncDisposable {
  readonly transport: Transport;
  readonly handler: Recorder;
  readonly client: RawClient;
}

/** A client and the transport over the other end of its connection. */
async function accept(adopt: Adopt = adoptAccepted, path?: string): Promise<Accepted> {
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true, noDelay: true });
  const port = await listen(server, path === undefined ? {} : { path });
  const accepted = once(server, "connection");
  const client = await connectRaw(path === undefined ? port : { path });
  const [socket] = (await accepted) as [Socket];
  const handler = new Recorder();
  const transport = adopt(socket, handler);
  return {
    transport,
    handler,
    client,
    async [Symbol.asyncDispose]() {
      server.close();
      transport.destroy();
      await client[Symbol.asyncDispose]();
    },
  };
}

const ways: Record<string, Adopt> = {
  "an adopted socket": adoptAccepted,
  "a socket with events": overSocket,
};

for (const [name, adopt] of Object.entries(ways)) {
  describe(`a transport over ${name}`, () => {
    test("hands on what comes and sends what it is given", async () => {
      await using pair = await accept(adopt);
      const { transport, handler, client } = pair;
      void client.write("hello");
      await until("it came", () => handler.text === "hello");
      transport.sendText("one ");
      transport.send(Buffer.from("[two] three"), 1, 4);
      const large = patternBytes(100_000);
      transport.send(large, 0, large.length);
      transport.sendText("end");
      assert.equal((await client.readExactly(7)).toString(), "one two");
      assert.ok((await client.readExactly(large.length)).equals(large));
      assert.equal((await client.readExactly(3)).toString(), "end");
    });

    test("ends each direction by itself", async () => {
      await using pair = await accept(adopt);
      const { transport, handler, client } = pair;
      client.end("last");
      await until("the end came", () => handler.events.includes("end"));
      assert.equal(handler.text, "last");
      assert.equal(transport.ended, true);
      assert.equal(transport.closed, false);
      transport.sendText("still here");
      await nextTurn();
      transport.sendText(", and bye");
      transport.end();
      assert.equal((await client.readToEnd()).toString(), "still here, and bye");
      await handler.closed;
      assert.equal(handler.error, null);
      assert.deepEqual(handler.events, ["end", "drain", "close"]);
    });

    test("goes on hearing after its own end", async () => {
      await using pair = await accept(adopt);
      const { transport, handler, client } = pair;
      transport.end();
      assert.equal((await client.readToEnd()).length, 0);
      client.end("after");
      await handler.closed;
      assert.equal(handler.text, "after");
    });

    test("sees a reset as an error, and sends one", async () => {
      await using pair = await accept(adopt);
      pair.client.reset();
      await pair.handler.closed;
      assert.equal((pair.handler.error as NodeJS.ErrnoException | null)?.code, "ECONNRESET");
      await using other = await accept(adopt);
      other.transport.sendText("part");
      other.transport.reset();
      assert.equal(await other.client.closed, "reset");
      await other.handler.closed;
      assert.equal(other.handler.error, null);
    });

    test("closes at once, with what was gathered", async () => {
      await using pair = await accept(adopt);
      const { transport, handler, client } = pair;
      transport.sendText("answer");
      transport.destroy();
      assert.equal(transport.closed, true);
      assert.deepEqual(handler.events, []);
      assert.equal((await client.readToEnd()).toString(), "answer");
      await handler.closed;
      assert.deepEqual(handler.events, ["close"]);
    });

    test("says and hears nothing any more once it is closed", async () => {
      await using pair = await accept(adopt);
      const { transport, handler, client } = pair;
      transport.pause();
      void client.write("unheard");
      transport.destroy();
      transport.sendText("unsaid");
      transport.send(Buffer.alloc(100_000), 0, 100_000);
      transport.resume();
      transport.end();
      transport.reset();
      transport.destroy();
      await handler.closed;
      await nextTurn();
      assert.deepEqual(handler.events, ["close"]);
      assert.equal(handler.text, "");
    });

    test("stops reading while it is paused", async () => {
      await using pair = await accept(adopt);
      const { transport, handler, client } = pair;
      handler.onBytes = () => transport.pause();
      void client.write("x".repeat(10));
      await until("something came", () => handler.received === 10);
      void client.write("y".repeat(10));
      await delay(50);
      assert.equal(handler.received, 10);
      transport.resume();
      await until("the rest came", () => handler.received === 20);
    });

    test("can be paused and resumed while bytes are handled", async () => {
      await using pair = await accept(adopt);
      const { transport, handler, client } = pair;
      handler.onBytes = () => {
        transport.pause();
        transport.resume();
      };
      for (let sent = 1; sent <= 20; sent++) {
        void client.write("x");
        await until(`byte ${sent} came`, () => handler.received === sent);
      }
      transport.pause();
      transport.resume();
      transport.pause();
      void client.write("x");
      await delay(20);
      assert.equal(handler.received, 20);
      transport.resume();
      await until("the last came", () => handler.received === 21);
    });

    test("hears the end after a pause", async () => {
      await using pair = await accept(adopt);
      const { transport, handler, client } = pair;
      transport.pause();
      client.end("late");
      await delay(30);
      assert.deepEqual([handler.text, handler.events], ["", []]);
      transport.resume();
      await until("the end came", () => handler.events.includes("end"));
      assert.equal(handler.text, "late");
    });

    test("tells when too much waits, and when all of it is gone", async () => {
      await using pair = await accept(adopt);
      const { transport, handler, client } = pair;
      client.pause();
      const piece = patternBytes(64 * 1024);
      let sent = 0;
      while (!transport.blocked) {
        const from = sent % piece.length;
        transport.send(piece, from, piece.length);
        sent += piece.length - from;
        await nextTurn();
      }
      assert.equal(transport.hasUnsent, true);
      assert.deepEqual(handler.events, ["blocked"]);
      const before = transport.takenBytes;
      assert.ok(before > 0 && before < sent);
      client.resume();
      await until("all is gone", () => handler.events.length === 2);
      assert.deepEqual(
        [handler.events, transport.blocked, transport.hasUnsent],
        [["blocked", "drain"], false, false],
      );
      assert.equal(transport.takenBytes, sent);
      assert.equal((await client.readExactly(sent)).length, sent);
    });
  });
}

describe("an adopted socket", () => {
  test("really reads into the thread's slab", async () => {
    await using pair = await accept();
    const { handler, client } = pair;
    let memory: ArrayBufferLike | null = null;
    handler.onBytes = (bytes) => {
      memory = bytes.buffer;
    };
    void client.write("x");
    await until("it came", () => memory !== null);
    assert.equal(memory, sharedReadSlab.buffer.buffer, "'data' events are the fallback, not the rule");
  });

  test("knows its peer and has no listeners of ours", async () => {
    await using pair = await accept();
    assert.equal(pair.transport.remoteAddress, "127.0.0.1");
    for (const event of ["data", "error", "drain"])
      assert.equal(pair.transport.socket.listenerCount(event), 0, event);
  });

  test("gives back what a small write held, though nobody was told to wait", async () => {
    await using directory = await createTemporaryDirectory();
    await using pair = await accept(adoptAccepted, directory.join("socket"));
    const { transport, handler, client } = pair;
    let drains = 0;
    const handleDrain = transport.handleDrain.bind(transport);
    transport.handleDrain = () => {
      drains++;
      handleDrain();
    };
    client.pause();
    while (!transport.hasUnsent) {
      transport.sendText("x".repeat(2000));
      await nextTurn();
    }
    assert.equal(transport.blocked, false);
    client.resume();
    await until("all is gone", () => !transport.hasUnsent);
    assert.deepEqual([drains, handler.events], [1, []]);
  });

  test("works over Unix sockets, where a reset is a close", async () => {
    await using directory = await createTemporaryDirectory();
    await using pair = await accept(adoptAccepted, directory.join("socket"));
    const { transport, handler, client } = pair;
    void client.write("hello");
    await until("it came", () => handler.text === "hello");
    assert.equal(transport.remoteAddress, "");
    transport.sendText("part");
    transport.reset();
    assert.equal((await client.readToEnd()).toString(), "part");
    await handler.closed;
  });

  test("that is gone already is announced as closed", async () => {
    const server = createServer({ pauseOnConnect: true });
    const port = await listen(server);
    const accepted = once(server, "connection");
    await using _client = await connectRaw(port);
    const [socket] = (await accepted) as [Socket];
    socket.destroy();
    const handler = new Recorder();
    adoptAccepted(socket, handler);
    await handler.closed;
    server.close();
  });
});

describe("a connection that we open", () => {
  const echo: RawScript = async (connection) => connection.end(await connection.readToEnd());

  test("stands, reads into the slab and ends", async () => {
    await using origin = await startRawOrigin(echo);
    for (const host of ["127.0.0.1", "localhost", ""]) {
      const handler = new Recorder();
      const { promise, resolve } = Promise.withResolvers<void>();
      const transport = connectTo({ kind: "tcp", host, port: origin.port }, {}, handler, resolve);
      await promise;
      let memory: ArrayBufferLike | null = null;
      handler.onBytes = (bytes) => {
        memory = bytes.buffer;
      };
      transport.sendText("ping");
      transport.end();
      await handler.closed;
      assert.equal(handler.received, 4);
      assert.equal(memory, sharedReadSlab.buffer.buffer);
      assert.equal(handler.error, null);
    }
  });

  test("that nobody takes is closed with the reason", async () => {
    const handler = new Recorder();
    const port = await freePort();
    connectTo({ kind: "tcp", host: "127.0.0.1", port }, {}, handler, () => assert.fail("connected"));
    await handler.closed;
    assert.equal((handler.error as NodeJS.ErrnoException | null)?.code, "ECONNREFUSED");
  });

  test("can be given up while it is being made", async () => {
    await using origin = await startRawOrigin(echo);
    for (const way of ["destroy", "reset"] as const) {
      const handler = new Recorder();
      const address = { kind: "tcp", host: "127.0.0.1", port: origin.port } as const;
      const transport = connectTo(address, {}, handler, () => assert.fail("connected"));
      transport.sendText("never");
      transport[way]();
      await handler.closed;
      assert.deepEqual(handler.events, ["close"]);
    }
  });
});

describe("a slab of its own", () => {
  const size = 4 * 1024 * 1024;

  test("is taken by a fast connection and given up when little is expected", async () => {
    await using pair = await accept();
    const { transport, handler, client } = pair;
    const verifier = new PatternVerifier();
    const reads: { readonly isOwn: boolean; readonly size: number }[] = [];
    let isMessageOver = false;
    handler.onBytes = (bytes, start, end) => {
      verifier.write(bytes.subarray(start, end));
      reads.push({ isOwn: bytes.buffer !== sharedReadSlab.buffer.buffer, size: end - start });
      if (isMessageOver) transport.expectLittle();
    };
    // All of it is there when reading begins, so that the first read fills the slab.
    const send = async (): Promise<void> => {
      transport.pause();
      const end = verifier.offset + size;
      void client.write(patternBytes(size, verifier.offset));
      await delay(50);
      transport.resume();
      await until("all came", () => verifier.offset === end);
    };
    await send();
    const kept = reads.findIndex(({ isOwn, size: length }) => isOwn && length >= 64 * 1024);
    assert.ok(kept > 0, "no slab of its own was used");
    assert.equal(reads[kept + 1]?.isOwn, true);
    isMessageOver = true;
    reads.length = 0;
    await send();
    assert.ok(reads.slice(1).every(({ isOwn }) => !isOwn));
  });

  test("is given up by a connection that is paused", async () => {
    await using pair = await accept();
    const { transport, handler, client } = pair;
    const memories: ArrayBufferLike[] = [];
    handler.onBytes = (bytes) => {
      memories.push(bytes.buffer);
      if (bytes.buffer !== sharedReadSlab.buffer.buffer) transport.pause();
    };
    transport.pause();
    void client.write(patternBytes(size));
    await delay(50);
    transport.resume();
    await until("it took a slab", () => transport.paused);
    const count = memories.length;
    transport.resume();
    await until("it read on", () => memories.length > count);
    assert.equal(memories[count], sharedReadSlab.buffer.buffer);
  });

  test("has as many holders as writes refer to it", async () => {
    // One read brings bytes for two slow peers; the one that drains first must not free the slab under the other.
    await using source = await accept();
    await using first = await accept();
    await using second = await accept();
    for (const { client } of [first, second]) client.pause();
    const expected = { first: new PatternVerifier(1), second: new PatternVerifier(2) };
    const sent = { first: 0, second: 0 };
    const fill = (to: Accepted, seed: "first" | "second"): void => {
      while (!to.transport.hasUnsent) {
        const bytes = patternBytes(1024 * 1024, sent[seed], seed === "first" ? 1 : 2);
        to.transport.send(bytes, 0, bytes.length);
        sent[seed] += bytes.length;
      }
    };
    fill(first, "first");
    fill(second, "second");
    let reads = 0;
    source.handler.onBytes = (bytes, start, end) => {
      if (bytes.buffer === sharedReadSlab.buffer.buffer || end - start < 64 * 1024) return;
      reads++;
      const middle = (start + end) >> 1;
      // What the read brought is replaced by what each peer is to get.
      patternBytes(middle - start, sent.first, 1).copy(bytes, start);
      patternBytes(end - middle, sent.second, 2).copy(bytes, middle);
      sent.first += middle - start;
      sent.second += end - middle;
      first.transport.send(bytes, start, middle);
      second.transport.send(bytes, middle, end);
    };
    void source.client.write(Buffer.alloc(8 * 1024 * 1024));
    await until("there were some", () => reads > 4);
    const check = async (to: Accepted, name: "first" | "second"): Promise<void> => {
      to.client.resume();
      while (expected[name].offset < sent[name]) expected[name].write(await to.client.readSome());
    };
    await until("nothing comes any more", async () => {
      const before = reads;
      await delay(30);
      return before === reads;
    });
    await check(first, "first");
    // Reads into whatever slabs are free by now.
    let overwritten = 0;
    source.handler.onBytes = (bytes, start, end) => {
      bytes.fill(0, start, end);
      overwritten += end - start;
    };
    source.transport.pause();
    void source.client.write(Buffer.alloc(size));
    await delay(50);
    source.transport.resume();
    await until("they are overwritten", () => overwritten === size);
    await check(second, "second");
  });
});

describe("two transports joined", () => {
  test("hold no more than a bounded part of what a slow reader doesn't take", async () => {
    const size = 60 * 1024 * 1024;
    let written = 0;
    await using origin = await startRawOrigin(async ({ socket }) => {
      const stream = patternStream(size, 5);
      stream.on("data", (chunk: Buffer) => {
        written += chunk.length;
      });
      stream.pipe(socket);
      await once(socket, "close");
    });
    await using pipe = await startTransportPipe({ kind: "tcp", host: "127.0.0.1", port: origin.port });
    const piped = pipe.next();
    await using client = await connectRaw(pipe.port);
    client.pause();
    const near = await piped;
    let waiting = 0;
    await until("nothing moves any more", async () => {
      const before = written;
      await delay(100);
      waiting = Math.max(waiting, near.transport.socket.writableLength);
      return before > 0 && before === written;
    });
    assert.ok(waiting > 0 && waiting < 1024 * 1024, `${waiting} bytes wait`);
    assert.ok(near.other.transport.paused);
    const verifier = new PatternVerifier(5);
    client.resume();
    while (verifier.offset < size) verifier.write(await client.readSome());
  });

  test("pass ends and resets on", async () => {
    await using origin = await startRawOrigin(async (connection) => {
      const heard = await connection.readToEnd();
      connection.end(`heard ${heard.length}`);
    });
    await using pipe = await startTransportPipe({ kind: "tcp", host: "127.0.0.1", port: origin.port });
    await using client = await connectRaw(pipe.port);
    client.end(patternBytes(300_000));
    assert.equal((await client.readToEnd()).toString(), "heard 300000");

    await using breaking = await startRawOrigin([
      { read: 1 },
      { send: "part" },
      { read: 1 },
      { close: "reset" },
    ]);
    await using second = await startTransportPipe({ kind: "tcp", host: "127.0.0.1", port: breaking.port });
    await using other = await connectRaw(second.port);
    void other.write("x");
    assert.equal((await other.readExactly(4)).toString(), "part");
    void other.write("y");
    assert.equal(await other.closed, "reset");
  });
});
