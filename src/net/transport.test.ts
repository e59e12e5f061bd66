import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { describe, test } from "node:test";
import { setTimeout as delay, setImmediate as nextTurn } from "node:timers/promises";
import { type Adopt, acceptTransport, Recorder } from "../../test/kit/accepted-transport.ts";
import { until } from "../../test/kit/deadline.ts";
import { createTemporaryDirectory } from "../../test/kit/files.ts";
import { patternBytes } from "../../test/kit/pattern.ts";
import { freePort, listen } from "../../test/kit/ports.ts";
import { connectRaw } from "../../test/kit/raw-client.ts";
import { type RawScript, startRawOrigin } from "../../test/kit/raw-origin.ts";
import { connectTo } from "./connect.ts";
import { adoptAccepted, overSocket } from "./onread-socket.ts";
import { sharedReadSlab } from "./slabs.ts";

const ways: Record<string, Adopt> = {
  "an adopted socket": adoptAccepted,
  "a socket with events": overSocket,
};

for (const [name, adopt] of Object.entries(ways)) {
  describe(`a transport over ${name}`, () => {
    test("hands on what comes and sends what it is given", async () => {
      await using pair = await acceptTransport(adopt);
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

    test("is closed by a reset right after its end", async () => {
      await using pair = await acceptTransport(adopt);
      pair.transport.end();
      pair.transport.reset();
      await pair.handler.closed;
    });

    test("ends each direction by itself", async () => {
      await using pair = await acceptTransport(adopt);
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
      await using pair = await acceptTransport(adopt);
      const { transport, handler, client } = pair;
      transport.end();
      assert.equal((await client.readToEnd()).length, 0);
      client.end("after");
      await handler.closed;
      assert.equal(handler.text, "after");
    });

    test("sees a reset as an error, and sends one", async () => {
      await using pair = await acceptTransport(adopt);
      pair.client.reset();
      await pair.handler.closed;
      assert.equal((pair.handler.error as NodeJS.ErrnoException | null)?.code, "ECONNRESET");
      await using other = await acceptTransport(adopt);
      other.transport.sendText("part");
      other.transport.reset();
      assert.equal(await other.client.closed, "reset");
      await other.handler.closed;
      assert.equal(other.handler.error, null);
    });

    test("closes at once, with what was gathered", async () => {
      await using pair = await acceptTransport(adopt);
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
      await using pair = await acceptTransport(adopt);
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
      await using pair = await acceptTransport(adopt);
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
      await using pair = await acceptTransport(adopt);
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
      await using pair = await acceptTransport(adopt);
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
      await using pair = await acceptTransport(adopt);
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
    await using pair = await acceptTransport();
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
    await using pair = await acceptTransport();
    assert.equal(pair.transport.remoteAddress, "127.0.0.1");
    for (const event of ["data", "error", "drain"])
      assert.equal(pair.transport.socket.listenerCount(event), 0, event);
  });

  test("gives back what a small write held, though nobody was told to wait", async () => {
    await using directory = await createTemporaryDirectory();
    await using pair = await acceptTransport(adoptAccepted, directory.join("socket"));
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

  test("keeps what waits for the kernel, whatever the socket's stream says of itself", async () => {
    await using pair = await acceptTransport();
    const { transport, handler, client } = pair;
    client.pause();
    const bytes = patternBytes(1024 * 1024);
    while (!transport.blocked) transport.send(bytes, 0, bytes.length);
    transport.socket.emit("drain");
    assert.ok(transport.blocked);
    assert.deepEqual(handler.events, ["blocked"]);
  });

  test("works over Unix sockets, where a reset is a close", async () => {
    await using directory = await createTemporaryDirectory();
    await using pair = await acceptTransport(adoptAccepted, directory.join("socket"));
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
