import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { pipeline } from "node:stream/promises";
import { after, before, describe, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { connect as secure, TLSSocket } from "node:tls";
import { createAuthority } from "../../test/kit/certificates.ts";
import { captureHello } from "../../test/kit/client-hello.ts";
import { until } from "../../test/kit/deadline.ts";
import { createTemporaryDirectory } from "../../test/kit/files.ts";
import { connectRaw, type RawClient } from "../../test/kit/raw-client.ts";
import { visitSecurely } from "../../test/kit/tls-client.ts";
import { writeIdentity } from "../../test/kit/tls-proxy.ts";
import type { CertificateSource } from "../net/tls/certificate-files.ts";
import { type RunningServer, serve } from "./serve.ts";
import { type TcpClientInfo, type TcpServiceOptions, tcpService } from "./tcp-service.ts";

const authority = await createAuthority();
const clients = await createAuthority({ commonName: "Clients" });
const directory = await createTemporaryDirectory();
let tls: CertificateSource;

before(async () => {
  tls = await writeIdentity(directory, "own", await authority.issue());
});
after(() => directory[Symbol.asyncDispose]());

const echo = async (socket: Socket): Promise<void> => pipeline(socket, socket);

function start(options: Partial<TcpServiceOptions> = {}): Promise<RunningServer> {
  return serve(tcpService({ handler: echo, tls, ...options }));
}

function connectTo(port: number): Promise<RawClient> {
  return connectRaw(port, { tls: { servername: "localhost", ca: authority.cert } });
}

async function untilIdle(server: RunningServer): Promise<void> {
  await until("nothing is open", () => server.counters.connectionsOpen === 0);
}

describe("a TCP service with TLS", () => {
  test("hands over a secured socket, and what is known of it", async () => {
    const told = Promise.withResolvers<[Socket, TcpClientInfo]>();
    const ca = await directory.write("clients.pem", clients.cert);
    const clientCertificates = { mode: "required", ca: [ca], crl: [] } as const;
    await using server = await start({
      tls: { ...tls, clientCertificates },
      alpn: ["echo"],
      handler: (socket, client) => {
        told.resolve([socket, client]);
        return echo(socket);
      },
    });
    const alice = await clients.issue({ commonName: "alice" });
    const visit = await visitSecurely(server.port, { ...alice, ALPNProtocols: ["echo"] });
    assert.deepEqual([visit.answer, visit.alpn], ["ping", "echo"]);
    const [socket, client] = await told.promise;
    assert.ok(socket instanceof TLSSocket);
    assert.equal(client.address, "127.0.0.1");
    assert.equal(client.listener, `127.0.0.1:${server.port}`);
    assert.equal(client.tls?.version, "TLSv1.3");
    assert.equal(client.tls.serverName, "localhost");
    assert.equal(client.tls.peerCertificate?.commonName, "alice");
    await assert.rejects(visitSecurely(server.port));
    await untilIdle(server);
  });

  // Node never says of an answer to it that it is written.
  test("lets go of a client that resets the connection right behind its handshake", async () => {
    const reported: unknown[] = [];
    let asked = false;
    const handler = async (socket: Socket): Promise<void> => {
      await once(socket, "data");
      asked = true;
      await nextTurn();
      await pipeline(["an answer that nobody gets"], socket);
    };
    await using server = await serve(tcpService({ handler, tls }), {
      onError: (error) => void reported.push(error),
    });
    const raw = connect(server.port, "127.0.0.1");
    const client = secure({ socket: raw, rejectUnauthorized: false });
    client.on("error", () => {});
    client.once("secureConnect", () => {
      client.write("question");
      setImmediate(() => raw.resetAndDestroy());
    });
    await until("it has asked", () => asked);
    await untilIdle(server);
    assert.deepEqual(reported, []);
  });

  test("closes the ends one by one, after all that was written", async () => {
    const size = 5_000_000;
    await using server = await start({
      handler: async (socket) => {
        let received = 0;
        for await (const chunk of socket.iterator({ destroyOnReturn: false })) received += chunk.length;
        socket.write(Buffer.alloc(received, "y"));
      },
    });
    await using client = await connectTo(server.port);
    client.end(Buffer.alloc(size, "x"));
    assert.equal((await client.readToEnd()).length, size);
    await untilIdle(server);
  });

  test("resets the connection of a handler that throws", async () => {
    const handler = async (): Promise<void> => {
      await Promise.resolve();
      throw new Error("no");
    };
    await using server = await start({ handler });
    await using client = await connectTo(server.port);
    assert.equal(await client.closed, "reset");
    await untilIdle(server);
  });

  test("counts connections in their handshake, and closes them in time", async () => {
    await using server = await start({ tls: { ...tls, handshakeTimeout: 300 }, maxConnections: 1 });
    await using mute = await connectRaw(server.port);
    await until("it came", () => server.counters.connectionsOpen === 1);
    await using other = await connectRaw(server.port);
    assert.notEqual(await other.closed, "here");
    await mute.closed;
    await untilIdle(server);
    assert.equal(server.counters.timeouts, 1);
    await using plain = await connectRaw(server.port);
    void plain.write("GET / HTTP/1.1\r\n\r\n");
    assert.equal((await plain.readToEnd()).length, 0);
    await untilIdle(server);
    assert.equal((await visitSecurely(server.port)).answer, "ping");
  });

  test("has certificates of the program's choice", async () => {
    const own = await clients.issue({ names: ["own.example"] });
    const certificateCallback = (name: string): typeof own | null => {
      if (name === "broken.example") throw new Error("no idea");
      return name === "own.example" ? own : null;
    };
    await using server = await start({ certificateCallback });
    assert.equal((await visitSecurely(server.port, { servername: "own.example" })).issuer, "Clients");
    assert.equal((await visitSecurely(server.port)).issuer, "Sluice test authority");
    await assert.rejects(visitSecurely(server.port, { servername: "broken.example" }));
    await untilIdle(server);
  });

  test("ends with all that is open", async () => {
    const server = await start();
    await using stalled = await connectRaw(server.port);
    await stalled.write(await captureHello());
    await stalled.readSome();
    await using open = await connectTo(server.port);
    await until("both are open", () => server.counters.connectionsOpen === 2);
    await server.close({ grace: 0 });
    await Promise.all([stalled.closed, open.closed]);
    await untilIdle(server);
  });

  test("says what it can't do", async () => {
    assert.throws(() => tcpService({ handler: echo, tls: {} }), /tls has no certificate/);
    const passthrough = [{ names: ["a.example"], upstreams: ["127.0.0.1:1"] }];
    assert.throws(
      () => tcpService({ handler: echo, tls: { ...tls, passthrough } }),
      /passes no connections on/,
    );
    await assert.rejects(start({ tls: { cert: directory.join("missing.pem") } }), /missing\.pem/);
  });
});
