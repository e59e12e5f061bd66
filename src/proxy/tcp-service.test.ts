import assert from "node:assert/strict";
import { once } from "node:events";
import type { Socket } from "node:net";
import { pipeline } from "node:stream/promises";
import { describe, test } from "node:test";
import { createTemporaryDirectory } from "../../test/kit/files.ts";
import { connectRaw, type RawClient } from "../../test/kit/raw-client.ts";
import { serve } from "./serve.ts";
import type { ConnectionInfo } from "./session.ts";
import { type TcpServiceOptions, tcpService } from "./tcp-service.ts";

const echo = async (socket: Socket): Promise<void> => pipeline(socket, socket);

function service(options: Partial<TcpServiceOptions> = {}): ReturnType<typeof tcpService> {
  return tcpService({ handler: echo, ...options });
}

async function echoes(client: RawClient, text: string): Promise<void> {
  void client.write(text);
  assert.equal((await client.readExactly(text.length)).toString(), text);
}

async function readAll(port: number): Promise<Buffer> {
  await using client = await connectRaw(port);
  return await client.readToEnd();
}

describe("a TCP service", () => {
  test("hands over a socket whose ends close one by one", async () => {
    await using server = await serve(service());
    await using client = await connectRaw(server.port);
    await client.write("hello");
    assert.equal((await client.readExactly(5)).toString(), "hello");
    client.end(Buffer.alloc(1_000_000, "x"));
    assert.equal((await client.readToEnd()).length, 1_000_000);
    assert.equal(server.counters.connectionsAccepted, 1);
  });

  test("tells the handler who is there", async () => {
    const told = Promise.withResolvers<ConnectionInfo>();
    await using server = await serve(
      service({
        handler: (socket, client) => {
          told.resolve(client);
          socket.end();
        },
      }),
    );
    await using client = await connectRaw(server.port);
    const { address, port, listener } = await told.promise;
    assert.equal(address, "127.0.0.1");
    assert.equal(port, client.socket.localPort);
    assert.equal(listener, `127.0.0.1:${server.port}`);
  });

  test("ends the connection when the handler's promise is kept, after all that was written", async () => {
    await using server = await serve(
      service({
        handler: async (socket) => {
          socket.write(Buffer.alloc(5_000_000, "y"));
        },
      }),
    );
    await using client = await connectRaw(server.port);
    // What the client sends meanwhile must not cost it the answer.
    void client.write(Buffer.alloc(100_000));
    assert.equal((await client.readToEnd()).length, 5_000_000);
  });

  test("leaves the end to a handler that returns nothing", async () => {
    await using server = await serve(
      service({
        handler(socket) {
          socket.pipe(socket);
        },
      }),
    );
    await using client = await connectRaw(server.port);
    await client.write("a");
    assert.equal((await client.readExactly(1)).toString(), "a");
    await client.write("b");
    assert.equal((await client.readExactly(1)).toString(), "b");
  });

  for (const [kind, handler] of [
    [
      "throws",
      () => {
        throw new Error("no such luck");
      },
    ],
    ["rejects", () => Promise.reject(new Error("no such luck"))],
  ] as const) {
    test(`reports a handler that ${kind}, and closes that connection alone`, async () => {
      const reported: [string, string][] = [];
      let failing = false;
      await using server = await serve(
        service({ name: "mine", handler: (socket) => (failing ? handler() : echo(socket)) }),
        { onError: (error, about) => reported.push([about, (error as Error).message]) },
      );
      await using good = await connectRaw(server.port);
      await echoes(good, "1");
      failing = true;
      await assert.rejects(readAll(server.port), /reset/i);
      await echoes(good, "2");
      assert.deepEqual(reported, [["mine", "no such luck"]]);
    });
  }

  test("forgets a connection whose handler fails after it has ended it", async () => {
    const handler = (socket: Socket): void => {
      socket.end("bye");
      throw new Error("no such luck");
    };
    await using server = await serve(service({ handler }));
    await using client = await connectRaw(server.port);
    assert.equal(await client.closed, "end");
    // Waits for those that are open.
    await server.close();
  });

  test("says nothing of a handler that failed because its client left", async () => {
    const reported: unknown[] = [];
    const failed = Promise.withResolvers<unknown>();
    const handler = async (socket: Socket): Promise<void> => {
      try {
        await pipeline(socket, socket);
      } catch (error) {
        failed.resolve(error);
        throw error;
      }
    };
    await using server = await serve(service({ handler }), { onError: (error) => reported.push(error) });
    const client = await connectRaw(server.port);
    await echoes(client, "1");
    client.reset();
    assert.ok((await failed.promise) instanceof Error);
    await new Promise(setImmediate);
    assert.deepEqual(reported, []);
  });

  test("refuses connections past its limit", async () => {
    await using server = await serve(service({ maxConnections: 1 }));
    await using first = await connectRaw(server.port);
    await echoes(first, "1");
    await using second = await connectRaw(server.port);
    assert.equal((await second.readToEnd()).length, 0);
    await echoes(first, "2");
    assert.equal(server.counters.connectionsRefused, 1);
    assert.equal(server.counters.connectionsOpen, 1);
  });

  test("closes connections that have been idle too long", async () => {
    await using server = await serve(service({ idleTimeout: 50 }));
    await using client = await connectRaw(server.port);
    await echoes(client, "1");
    assert.equal((await client.readToEnd()).length, 0);
  });

  test("waits for open connections when it is drained, and tells their handlers", async () => {
    const aborted = Promise.withResolvers<void>();
    const server = await serve(
      service({
        handler: async (socket, _client, signal) => {
          socket.write("1");
          await once(signal, "abort");
          aborted.resolve();
          socket.write("bye");
        },
      }),
    );
    await using client = await connectRaw(server.port);
    await client.readExactly(1);
    const closed = server.close();
    await aborted.promise;
    assert.equal((await client.readToEnd()).toString(), "bye");
    client.end();
    await closed;
    assert.equal(server.counters.connectionsOpen, 0);
  });

  test("cuts what is left after the grace period", async () => {
    const server = await serve(service());
    await using client = await connectRaw(server.port);
    await echoes(client, "1");
    await server.close({ grace: 10 });
    assert.equal((await client.readToEnd()).length, 0);
  });

  test("listens on Unix sockets", async () => {
    await using directory = await createTemporaryDirectory();
    const path = directory.join("echo.sock");
    await using server = await serve(service(), { bind: `unix:${path}` });
    assert.deepEqual(server.addresses, [`unix:${path}`]);
    assert.deepEqual(server.ports, [0]);
    await using client = await connectRaw({ path });
    await echoes(client, "1");
  });
});
