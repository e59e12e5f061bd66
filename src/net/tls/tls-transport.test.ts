// In a process of its own: it counts the sockets that are open.

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { describe, test } from "node:test";
import { connect as secure, type TLSSocket } from "node:tls";
import { Recorder } from "../../../test/kit/accepted-transport.ts";
import { createAuthority } from "../../../test/kit/certificates.ts";
import { until } from "../../../test/kit/deadline.ts";
import { startHttp1Server } from "../../../test/kit/http1-server.ts";
import { connectSecurely } from "../../../test/kit/tls-client.ts";
import { createServerContext, startTlsServer, type TlsServer } from "../../../test/kit/tls-server.ts";
import { ServerConnection } from "../../http1/server-connection.ts";
import { leaveUnread } from "../node-sockets.ts";
import { adoptAccepted } from "../onread-socket.ts";
import { sharedReadSlab } from "../slabs.ts";
import type { Transport } from "../transport.ts";
import type { ClientHello } from "./client-hello.ts";
import { securedSocket } from "./secured-socket.ts";
import type { ServerContext } from "./server-context.ts";

const authority = await createAuthority();
const identity = await authority.issue();
const context = createServerContext([identity], { alpn: ["http/1.1"] });

interface Accepted extends AsyncDisposable {
  readonly transport: Transport;
  readonly handler: Recorder;
  readonly client: TLSSocket;
  readonly server: TlsServer;
}

/** A client and the transport over the server's end of its connection. */
async function accept(prepare?: (transport: Transport) => void): Promise<Accepted> {
  const handler = new Recorder();
  const accepted = Promise.withResolvers<Transport>();
  const onSecure = (socket: TLSSocket): void => {
    const transport = adoptAccepted(socket, handler);
    prepare?.(transport);
    accepted.resolve(transport);
  };
  const server = await startTlsServer({ choose: context, onSecure });
  const client = await connectSecurely(server.port, { ALPNProtocols: ["http/1.1"] });
  client.on("error", () => undefined);
  const transport = await accepted.promise;
  return {
    transport,
    handler,
    client,
    server,
    async [Symbol.asyncDispose]() {
      client.destroy();
      transport.destroy();
      await server[Symbol.asyncDispose]();
    },
  };
}

function carrierOf({ socket }: Transport): Socket {
  return securedSocket(socket)!.carrier;
}

/** Bytes that tell their place. */
function pattern(size: number, seed: number): Buffer {
  const bytes = Buffer.allocUnsafe(size);
  for (let at = 0; at < size; at++) bytes[at] = (at * 31 + (at >> 8) * 7 + seed) & 255;
  return bytes;
}

describe("a transport over TLS", () => {
  test("says what was agreed on, also when it is closed", async () => {
    await using accepted = await accept();
    const { transport, handler } = accepted;
    assert.equal(transport.tls?.alpn, "http/1.1");
    assert.equal(transport.tls.serverName, "localhost");
    assert.notEqual(transport.remoteAddress, "");
    transport.destroy();
    await handler.closed;
    assert.equal(transport.tls.version, "TLSv1.3");
  });

  test("carries bytes both ways, and each end by itself", async () => {
    await using accepted = await accept();
    const { transport, handler, client } = accepted;
    client.end("question");
    await until("the end came", () => handler.events.includes("end"));
    assert.equal(handler.text, "question");
    transport.sendText("an");
    transport.sendText("swer");
    transport.end();
    const chunks: Buffer[] = [];
    for await (const chunk of client) chunks.push(chunk as Buffer);
    assert.equal(Buffer.concat(chunks).toString(), "answer");
    await handler.closed;
    assert.equal(handler.error, null);
  });

  test("sends exactly what it was given while its slab is used again", async () => {
    await using accepted = await accept();
    const { transport, client, handler } = accepted;
    client.pause();
    const expected: Buffer[] = [];
    for (let round = 0; round < 3000; round++) {
      const bytes = pattern(100 + ((round * 977) % 7900), round);
      expected.push(Buffer.from(bytes));
      transport.send(bytes, 0, bytes.length);
      bytes.fill(0);
      // Some of them within one turn, some in turns of their own.
      if (round % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    assert.ok(transport.hasUnsent);
    assert.ok(handler.events.includes("blocked"));
    const whole = Buffer.concat(expected);
    const received: Buffer[] = [];
    let length = 0;
    client.on("data", (chunk: Buffer) => {
      received.push(chunk);
      length += chunk.length;
    });
    client.resume();
    await until("all of it came", () => length >= whole.length);
    assert.ok(Buffer.concat(received).equals(whole));
    await until("it is told", () => handler.events.includes("drain"));
  });

  test("a view of the shared slab is copied, not kept", async () => {
    await using accepted = await accept();
    const { transport, client } = accepted;
    const slab = sharedReadSlab.buffer;
    const first = pattern(20_000, 1);
    first.copy(slab, 0);
    transport.send(slab, 0, first.length);
    slab.fill(0, 0, first.length);
    let received = Buffer.alloc(0);
    client.on("data", (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
    });
    await until("it came", () => received.length === first.length);
    assert.ok(received.equals(first));
  });

  test("stops reading while it is paused", async () => {
    await using accepted = await accept((transport) => transport.pause());
    const { transport, handler, client } = accepted;
    const bytes = pattern(8 * 1024 * 1024, 3);
    client.write(bytes);
    await until("the client has to wait", () => client.writableNeedDrain);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(handler.received, 0);
    const chunks: Buffer[] = [];
    handler.onBytes = (buffer, start, end) => chunks.push(Buffer.from(buffer.subarray(start, end)));
    transport.resume();
    await until("all of it came", () => handler.received === bytes.length);
    assert.ok(Buffer.concat(chunks).equals(bytes));
  });

  test("what is decrypted behind a pause waits, and the end behind it", async () => {
    await using accepted = await accept();
    const { transport, handler, client } = accepted;
    // Of many records, some of which come at once.
    const bytes = pattern(1024 * 1024, 5);
    const chunks: Buffer[] = [];
    let whilePaused = 0;
    handler.onBytes = (buffer, start, end) => {
      if (transport.paused) whilePaused++;
      chunks.push(Buffer.from(buffer.subarray(start, end)));
      transport.pause();
      setImmediate(() => transport.resume());
    };
    client.end(bytes);
    await until("the end came", () => handler.events.includes("end"));
    assert.ok(Buffer.concat(chunks).equals(bytes));
    assert.ok(chunks.length > 60);
    assert.equal(whilePaused, 0);
  });

  test("tells what the kernel has taken", async () => {
    await using accepted = await accept();
    const { transport, client } = accepted;
    const before = transport.takenBytes;
    const received = once(client, "data");
    transport.sendText("x".repeat(1000));
    await received;
    assert.ok(transport.takenBytes >= before + 1000);
  });

  test("is gone, with what it goes through, when it is reset right after its end", async () => {
    await using accepted = await accept();
    const { transport, handler, client } = accepted;
    const errors: Error[] = [];
    carrierOf(transport).on("error", (error) => errors.push(error));
    // Nothing of the handshake is on its way any more: the end goes out at once.
    client.write("question");
    await until("it came", () => handler.text === "question");
    transport.end();
    transport.reset();
    await handler.closed;
    assert.deepEqual(errors, []);
    client.destroy();
    const sockets = (): number =>
      process.getActiveResourcesInfo().filter((one) => one === "TCPSocketWrap").length;
    await until("no socket is open", () => sockets() === 0);
  });

  // What the kernel tells of it to is then TLS, which has a session to offer, and not who reads.
  for (const last of ["write", "end"] as const) {
    test(`knows of a reset right behind the handshake, and the client's last ${last}`, async () => {
      const handler = new Recorder();
      const carrier = Promise.withResolvers<Socket>();
      const onSecure = (socket: TLSSocket): void => {
        const transport = adoptAccepted(socket, handler);
        handler.onBytes = () => setImmediate(() => transport.sendText("an answer that nobody gets"));
      };
      const choose = (_hello: ClientHello, socket: Socket): ServerContext => {
        carrier.resolve(socket);
        return context;
      };
      await using server = await startTlsServer({ choose, onSecure });
      const raw = connect({ port: server.port, host: "127.0.0.1" });
      const client = secure({ socket: raw, rejectUnauthorized: false, ALPNProtocols: ["http/1.1"] });
      client.on("error", () => undefined);
      const accepted = await carrier.promise;
      await once(client, "secureConnect");
      const readOn = leaveUnread(accepted);
      await new Promise<unknown>((resolve) => client[last]("question", resolve));
      raw.resetAndDestroy();
      await once(raw, "close");
      readOn();
      await handler.closed;
      assert.equal(handler.received, "question".length);
    });
  }

  test("resets with TCP's own reset", async () => {
    await using accepted = await accept();
    const { transport, client, handler } = accepted;
    const failed = once(client, "error");
    transport.reset();
    const [error] = (await failed) as [NodeJS.ErrnoException];
    assert.equal(error.code, "ECONNRESET");
    await handler.closed;
  });
});

describe("HTTP/1 over TLS", () => {
  test("requests and responses, several on one connection", async () => {
    await using http = await startHttp1Server({
      onComplete: (request) => request.answer(`${request.target} ${request.body}`),
    });
    const onSecure = (socket: Socket): void => {
      http.connections.push(new ServerConnection(socket, http.options, http));
    };
    await using server = await startTlsServer({ choose: context, onSecure });
    const client = await connectSecurely(server.port);
    let text = "";
    client.on("data", (bytes: Buffer) => {
      text += bytes.toString("latin1");
    });
    client.write("GET /one HTTP/1.1\r\nHost: a\r\n\r\n");
    await until("one is answered", () => text.includes("/one"));
    client.write("POST /two HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody");
    await once(client, "end");
    assert.match(text, /^HTTP\/1\.1 200 OK\r\n[\s\S]*\/one [\s\S]*\/two body$/);
    assert.equal(http.requests[0]!.connection.transport.tls?.version, "TLSv1.3");
    client.destroy();
  });
});
