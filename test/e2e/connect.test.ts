import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Session } from "../../src/proxy/session.ts";
import { HttpPeer } from "../../src/upstream/peer.ts";
import { patternBytes } from "../kit/pattern.ts";
import { answering, ok, readPattern, request, startProxy, writePattern } from "./proxy.ts";

const MB = 1024 * 1024;

describe("CONNECT", () => {
  const text = request("CONNECT far.example:443");

  test("is a 405 where it isn't enabled", async () => {
    await using proxy = await startProxy({ origin: answering(ok()) });
    const client = await proxy.connect();
    const response = await client.exchange(`${text}early bytes`);
    assert.deepEqual([response.status, response.header("connection")], [405, "close"]);
    assert.equal(response.header("allow"), "GET, HEAD, POST, PUT, PATCH, DELETE");
    assert.equal((await client.readToEnd()).length, 0);
    assert.equal(proxy.origin.connections.length, 0);
  });

  test("joins the client and the peer that the phases choose", async () => {
    const seen: string[] = [];
    const size = 8 * MB;
    await using proxy = await startProxy({
      origin: async (connection) => {
        void connection.write("a server that speaks first\r\n");
        await Promise.all([readPattern(connection, size, 1), writePattern(connection, size, 2)]);
        await connection.readToEnd();
        connection.end("bye");
      },
      allowConnect: true,
      phases: {
        requestFilter: ({ request: { method, target, host } }) =>
          void seen.push(`${method} ${target} ${host}`),
        connectedToUpstream: async () => {
          await nextTurn();
          seen.push("connected");
        },
        upstreamRequestFilter: () => assert.fail("nothing is sent"),
        responseFilter: (_, { headers }) => headers.set("X-Tunnel", "1"),
        logging: (session: Session, error) => {
          seen.push(`${session.response?.status} ${error} ${session.bytesReceived} ${session.bytesSent}`);
        },
      },
    });
    const tunnel = await proxy.connect();
    void tunnel.write(Buffer.concat([Buffer.from(text), patternBytes(1000, 0, 1)]));
    const head = await tunnel.readHead();
    assert.match(head, /^HTTP\/1.1 200 OK\r\n/);
    assert.match(head, /\r\nX-Tunnel: 1\r\n/);
    assert.doesNotMatch(head, /content-length|transfer-encoding/i);
    await tunnel.readUntil("speaks first\r\n");
    await Promise.all([writePattern(tunnel, size - 1000, 1, 1000), readPattern(tunnel, size, 2)]);
    tunnel.end();
    assert.equal((await tunnel.readToEnd()).toString(), "bye");
    await proxy.settled();
    const sent = "a server that speaks first\r\nbye".length + size;
    assert.deepEqual(seen, ["CONNECT far.example:443 a.example", "connected", `200 null ${size} ${sent}`]);
  });

  test("passes on the end of a client that has said everything at once", async () => {
    await using proxy = await startProxy({
      origin: async (connection) => connection.end(`heard ${await connection.readToEnd()}`),
      allowConnect: true,
      phases: { connectedToUpstream: () => nextTurn() },
    });
    for (const said of ["", "all there is to say"]) {
      const tunnel = await proxy.connect();
      tunnel.end(`${text}${said}`);
      await tunnel.readHead();
      assert.equal((await tunnel.readToEnd()).toString(), `heard ${said}`);
    }
  });

  test("to nobody is a 502, and the connection stays", async () => {
    await using proxy = await startProxy({ origin: { port: 1 }, allowConnect: true });
    const client = await proxy.connect();
    for (let i = 0; i < 2; i++) assert.equal((await client.exchange(text)).status, 502);
    assert.equal(proxy.reported[0]?.error.code, "UPSTREAM_CONNECT_REFUSED");
  });

  test("is tried again where failToConnect says so", async () => {
    let port = 0;
    await using proxy = await startProxy({
      origin: async (connection) => void connection.write("here"),
      allowConnect: true,
      phases: {
        upstreamPeer: ({ tries }) => new HttpPeer(`127.0.0.1:${tries === 1 ? 1 : port}`),
        failToConnect: (_, __, error) => {
          error.retry = "yes";
        },
      },
    });
    port = proxy.origin.port;
    const client = await proxy.connect();
    void client.write(text);
    await client.readHead();
    assert.equal((await client.readExactly(4)).toString(), "here");
  });

  test("is a filter's to answer instead", async () => {
    await using proxy = await startProxy({
      origin: answering(ok()),
      allowConnect: true,
      phases: {
        requestFilter: (session) => {
          if (session.request.target.startsWith("far")) session.respond({ status: 403, body: "no" });
        },
        responseFilter: (_, response) => {
          response.status = 503;
        },
      },
    });
    const client = await proxy.connect();
    const answered = await client.exchange(text);
    assert.deepEqual([answered.status, answered.body.toString()], [403, "no"]);
    const changed = await client.exchange(request("CONNECT near.example:1"));
    assert.deepEqual([changed.status, changed.header("content-length")], [503, "0"]);
    await proxy.origin.connections[0]?.closed;
  });

  test("with a body or without a port is a 400", async () => {
    await using proxy = await startProxy({ origin: answering(ok()), allowConnect: true });
    const texts = [
      request("CONNECT a:1", "Content-Length: 3"),
      request("CONNECT a:1", "Transfer-Encoding: chunked"),
      request("CONNECT a"),
      request("CONNECT /"),
      request("CONNECT http://a:1/"),
      request("CONNECT a:b"),
    ];
    for (const malformed of texts) {
      const client = await proxy.connect();
      assert.equal((await client.exchange(malformed)).status, 400, malformed);
    }
    assert.equal(proxy.origin.connections.length, 0);
  });
});
