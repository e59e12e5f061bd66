import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, test } from "node:test";
import { webSocketAccept } from "../../src/http/websocket.ts";
import { Http2Error } from "../../src/http2/error-codes.ts";
import { FrameFlag, FrameType } from "../../src/http2/frames.ts";
import { DEFAULT_LOCAL_SETTINGS, SettingId } from "../../src/http2/settings.ts";
import { until } from "../kit/deadline.ts";
import { literals } from "../kit/hpack.ts";
import { Http2Client, readAnswer } from "../kit/http2-client.ts";
import { connectFrames, type FrameClient } from "../kit/http2-frame-client.ts";
import { type FrameConnection, type FrameScript, startFrameServer } from "../kit/http2-frame-server.ts";
import { frame } from "../kit/http2-frames.ts";
import { patternBytes } from "../kit/pattern.ts";
import type { RawClient } from "../kit/raw-client.ts";
import { type ProxyUnderTest, readPattern, request, standstill, startProxy, writePattern } from "./proxy.ts";

const MB = 1024 * 1024;
const KEY = "dGhlIHNhbXBsZSBub25jZQ==";
const UPGRADE = request(
  "GET /chat?room=1",
  "Connection: Upgrade",
  "Upgrade: websocket",
  `Sec-WebSocket-Key: ${KEY}`,
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Protocol: chat",
);
const CONNECT = "CONNECT far.example:443 HTTP/1.1\r\nHost: far.example:443\r\n\r\n";
const KNOWS_TUNNELS = { ...DEFAULT_LOCAL_SETTINGS, enableConnectProtocol: true };

interface Stage extends AsyncDisposable {
  readonly proxy: ProxyUnderTest;
  readonly client: RawClient;
  readonly connections: readonly FrameConnection[];
}

/** A proxy before a server of HTTP/2 that knows WebSockets. */
async function startStage(script: FrameScript, settings = KNOWS_TUNNELS): Promise<Stage> {
  const stack = new AsyncDisposableStack();
  const origin = stack.use(await startFrameServer(script, settings));
  const proxy = stack.use(await startProxy({ origin, peer: { protocol: "h2c" }, allowConnect: true }));
  return {
    proxy,
    client: await proxy.connect(),
    connections: origin.connections,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** Agrees to the first request and goes on with its stream. */
function agreeing(goOn: (connection: FrameConnection, id: number) => Promise<void> | void): FrameScript {
  return async (connection, index) => {
    const id = await connection.request(0);
    if (index > 0) return connection.answer(id, "another");
    connection.respond(id, 200, [["x-told", "1"]], false);
    await goOn(connection, id);
  };
}

function bodyOf(connection: FrameConnection | undefined, id: number): Buffer {
  return Buffer.concat(connection?.stream(id).body ?? []);
}

function lengthOf(connection: FrameConnection, id: number): number {
  return connection.stream(id).body.reduce((sum, { length }) => sum + length, 0);
}

describe("a WebSocket to a server of HTTP/2", () => {
  test("is an extended CONNECT there, and an upgrade to the client", async () => {
    await using stage = await startStage(
      agreeing(async (connection, id) => {
        await connection.until(() => bodyOf(connection, id).length === 5);
        await connection.sendBody(id, Buffer.from("hello too"));
      }),
    );
    void stage.client.write(UPGRADE);
    const head = await stage.client.readHead();
    assert.match(head, /^HTTP\/1\.1 101 Switching Protocols\r\n/);
    assert.match(head, /\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n/);
    assert.match(head.toLowerCase(), /\r\nx-told: 1\r\n/);
    assert.ok(head.toLowerCase().includes(`sec-websocket-accept: ${webSocketAccept(KEY).toLowerCase()}\r\n`));
    void stage.client.write("hello");
    assert.equal((await stage.client.readToEnd()).toString(), "hello too");
    const sent = new Map(stage.connections[0]!.heads[0]);
    assert.deepEqual(
      [":method", ":protocol", ":scheme", ":authority", ":path"].map((name) => sent.get(name)),
      ["CONNECT", "websocket", "http", "a.example", "/chat?room=1"],
    );
    assert.equal(sent.get("sec-websocket-version"), "13");
    assert.equal(sent.get("sec-websocket-protocol"), "chat");
    for (const name of ["sec-websocket-key", "upgrade", "connection", "content-length"]) {
      assert.equal(sent.has(name), false, name);
    }
    stage.client.end();
    await stage.connections[0]!.until(() => stage.connections[0]!.stream(1).ended);
    await stage.proxy.settled();
    assert.deepEqual(stage.proxy.reported, []);
  });

  test("isn't asked for by a request with a body, or of another method", async () => {
    await using stage = await startStage(async (connection) => {
      for (let index = 0; index < 4; index++) {
        await connection.answer(await connection.request(index), "no WebSocket");
      }
    });
    const chunked = UPGRADE.replace(
      "\r\n\r\n",
      "\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    );
    const sized = UPGRADE.replace("\r\n\r\n", "\r\nContent-Length: 5\r\n\r\nhello");
    for (const text of [chunked, sized, UPGRADE.replace("GET", "POST"), sized.replace("GET", "POST")]) {
      assert.equal((await stage.client.exchange(text)).body.toString(), "no WebSocket");
    }
    assert.equal(stage.connections.length, 1);
    const [connection] = stage.connections;
    const methods = connection!.heads.map((fields) => new Map(fields).get(":method"));
    assert.deepEqual(methods, ["GET", "GET", "POST", "POST"]);
    assert.deepEqual(
      [1, 3, 5, 7].map((id) => bodyOf(connection, id).toString()),
      ["hello", "hello", "", "hello"],
    );
  });

  test("may be refused, which ends its stream and nothing else", async () => {
    await using stage = await startStage(async (connection) => {
      const id = await connection.request(0);
      connection.respond(id, 403, [["content-length", "2"]], false);
      await connection.sendBody(id, Buffer.from("no"));
      await connection.answer(await connection.request(1), "ok");
    });
    const refused = await stage.client.exchange(UPGRADE);
    assert.deepEqual([refused.status, refused.body.toString()], [403, "no"]);
    assert.equal((await stage.client.exchange(request("GET /"))).body.toString(), "ok");
    assert.equal(stage.connections.length, 1);
    assert.equal(stage.connections[0]?.stream(1).ended, true);
    assert.equal(stage.connections[0]?.stream(1).reset, null);
  });

  test("isn't sent to a server that doesn't say that it knows any, and speaks not against it", async () => {
    await using stage = await startStage(
      async (connection) => connection.answer(await connection.request(0), "ok"),
      DEFAULT_LOCAL_SETTINGS,
    );
    assert.equal((await stage.client.exchange(UPGRADE)).status, 502);
    const [reported] = stage.proxy.reported;
    assert.deepEqual([reported?.error.code, reported?.error.source], ["UPSTREAM_NO_WEBSOCKET", "internal"]);
    const other = await stage.proxy.connect();
    assert.equal((await other.exchange(request("GET /"))).body.toString(), "ok");
    assert.deepEqual(stage.connections[0]?.requests, ["GET /"]);
  });

  test("waits until the server has told its settings", async () => {
    await using origin = await startFrameServer(async (connection) => {
      connection.mutesSettings = true;
      await connection.until(() => connection.settings.enablePush === false);
      assert.equal(connection.heads.length, 0);
      connection.sendSettings([[SettingId.EnableConnectProtocol, 1]]);
      connection.respond(await connection.request(0), 200, [], false);
    }, null);
    await using proxy = await startProxy({ origin, peer: { protocol: "h2c" } });
    const client = await proxy.connect();
    void client.write(UPGRADE);
    assert.match(await client.readHead(), /^HTTP\/1\.1 101 /);
    client.destroy();
  });

  test("ends with the server's reset, and with the client's", async () => {
    for (const who of ["server", "client"]) {
      await using stage = await startStage(
        agreeing(async (connection, id) => {
          await connection.until(() => bodyOf(connection, id).length > 0);
          if (who === "server") connection.sendReset(id, Http2Error.ConnectError);
          await connection.answer(await connection.request(1), "ok");
        }),
      );
      void stage.client.write(UPGRADE);
      await stage.client.readHead();
      await stage.client.write("x");
      if (who === "client") stage.client.reset();
      else assert.equal(await stage.client.closed, "reset");
      const other = await stage.proxy.connect();
      assert.equal((await other.exchange(request("GET /"))).body.toString(), "ok");
      if (who === "client") assert.equal(stage.connections[0]?.stream(1).reset, "CANCEL");
      assert.equal(stage.connections.length, 1);
    }
  });

  test("is cut with its connection, and outlives a GOAWAY", async () => {
    await using stage = await startStage(
      agreeing(async (connection, id) => {
        connection.sendGoaway(id, Http2Error.NoError, "");
        await connection.until(() => bodyOf(connection, id).length > 0);
        await connection.sendBody(id, Buffer.from("still here"), false);
        await connection.until(() => bodyOf(connection, id).length > 1);
        connection.close();
      }),
    );
    void stage.client.write(UPGRADE);
    await stage.client.readHead();
    const other = await stage.proxy.connect();
    assert.equal((await other.exchange(request("GET /"))).body.toString(), "another");
    await stage.client.write("x");
    assert.equal((await stage.client.readExactly(10)).toString(), "still here");
    await stage.client.write("x");
    assert.notEqual(await stage.client.closed, "open");
    await stage.proxy.settled(1);
  });

  test("has no heads but the first", async () => {
    await using stage = await startStage(
      agreeing(async (connection, id) => {
        connection.sendRaw(
          frame(
            FrameType.Headers,
            FrameFlag.EndHeaders | FrameFlag.EndStream,
            id,
            literals([["x-end", "1"]]),
          ),
        );
        await connection.answer(await connection.request(1), "ok");
      }),
    );
    void stage.client.write(UPGRADE);
    await stage.client.closed;
    const other = await stage.proxy.connect();
    assert.equal((await other.exchange(request("GET /"))).body.toString(), "ok");
    assert.equal(stage.connections[0]?.stream(1).reset, "PROTOCOL_ERROR");
  });

  test("whose client doesn't read holds up nobody else, and loses nothing", async () => {
    await using stage = await startStage(
      agreeing(async (connection, id) => {
        const all = connection.sendBody(id, patternBytes(32 * MB, 0, 1));
        await connection.answer(await connection.request(1), "ok");
        await all;
      }),
    );
    void stage.client.write(UPGRADE);
    await stage.client.readHead();
    stage.client.pause();
    const other = await stage.proxy.connect();
    assert.equal((await other.exchange(request("GET /"))).body.toString(), "ok");
    stage.client.resume();
    await readPattern(stage.client, 32 * MB, 1);
  });

  test("stops a client whose server doesn't read", async () => {
    let goOn = (): void => undefined;
    await using stage = await startStage(
      agreeing(async (connection, id) => {
        connection.mutesWindows = true;
        await new Promise<void>((resolve) => {
          goOn = resolve;
        });
        connection.openWindows(id);
        await connection.until(() => lengthOf(connection, id) === 32 * MB);
        await connection.sendBody(id, Buffer.from("all"));
      }),
    );
    void stage.client.write(UPGRADE);
    await stage.client.readHead();
    let isWritten = false;
    const writing = writePattern(stage.client, 32 * MB, 3).then(() => {
      isWritten = true;
    });
    await until("the window is used up", () => lengthOf(stage.connections[0]!, 1) === 65_535);
    assert.equal(isWritten, false);
    goOn();
    await writing;
    assert.equal((await stage.client.readExactly(3)).toString(), "all");
    assert.ok(bodyOf(stage.connections[0], 1).equals(patternBytes(32 * MB, 0, 3)));
  });
});

/** Asks for a WebSocket and sends the server a window of bytes, and some for which there is no room. */
async function openAndFill(stage: Stage, client: FrameClient): Promise<void> {
  client.request(1, false, [
    [":method", "CONNECT"],
    [":protocol", "websocket"],
    [":scheme", "http"],
    [":authority", "a.example"],
    [":path", "/chat"],
  ]);
  assert.equal(await client.statusOf(1), 200);
  for (let left = 65_535; left > 0; left -= 16_384) {
    client.sendRaw(frame(FrameType.Data, 0, 1, Buffer.alloc(Math.min(left, 16_384))));
  }
  await until("the window is used up", () => lengthOf(stage.connections[0]!, 1) === 65_535);
  client.sendRaw(frame(FrameType.Data, 0, 1, "waits"));
}

describe("a WebSocket of which one side takes nothing any more", () => {
  const deaf = agreeing((connection) => {
    connection.mutesWindows = true;
  });

  test("is gone when a client that has said its last word resets it", async () => {
    await using stage = await startStage(deaf);
    await using client = await connectFrames(stage.proxy.port);
    await openAndFill(stage, client);
    client.sendRaw(frame(FrameType.Data, 0, 1, "held"));
    client.sendRaw(frame(FrameType.Data, FrameFlag.EndStream, 1));
    client.sendReset(1, Http2Error.NoError);
    await until("the tunnel is gone", () => stage.proxy.count("tunnelsActive") === 0);
    await stage.connections[0]!.until(() => stage.connections[0]!.stream(1).reset === "CANCEL");
  });

  test("is gone when a client leaves that hasn't taken the end", async () => {
    await using stage = await startStage(
      agreeing(async (connection, id) => {
        await connection.until(() => connection.stream(id).ended);
        void connection.sendBody(id, patternBytes(32 * MB, 0, 1), false).catch(() => undefined);
        await standstill(() => connection.stream(id).sends.available + 1);
        connection.sendRaw(frame(FrameType.Data, FrameFlag.EndStream, id));
        connection.sendPing("all said");
      }),
    );
    void stage.client.write(UPGRADE);
    await stage.client.readHead();
    stage.client.pause();
    stage.client.end();
    await until("all is said", () => stage.connections[0]!.notes.includes("ping ack all said"));
    stage.client.reset();
    await until("the tunnel is gone", () => stage.proxy.count("tunnelsActive") === 0);
  });
});

describe("CONNECT to a server of HTTP/2", () => {
  test("is sent on, from clients of both versions", async () => {
    const script: FrameScript = async (connection) => {
      for (let i = 0; i < 2; i++) {
        const id = await connection.request(i);
        connection.respond(id, 200, [["content-length", "7"]], false);
        await connection.until(() => bodyOf(connection, id).length === 5);
        await connection.sendBody(id, Buffer.from("and you"));
      }
    };
    await using stage = await startStage(script);
    void stage.client.write(CONNECT);
    const head = await stage.client.readHead();
    assert.match(head, /^HTTP\/1\.1 200 /);
    assert.doesNotMatch(head, /content-length/i);
    void stage.client.write("hello");
    assert.equal((await stage.client.readToEnd()).toString(), "and you");
    stage.client.end();

    await using client = new Http2Client(stage.proxy.port);
    const stream = client.open({ ":method": "CONNECT", ":authority": "far.example:443" });
    await once(stream, "response");
    stream.end("hello");
    const { body, code } = await readAnswer(stream);
    assert.deepEqual([body.toString(), code], ["and you", 0]);
    for (const sent of stage.connections[0]!.heads) {
      const pseudo = sent.filter(([name]) => name.startsWith(":"));
      assert.deepEqual(pseudo, [
        [":method", "CONNECT"],
        [":authority", "far.example:443"],
      ]);
    }
    assert.equal(stage.connections.length, 1);
  });

  test("may be refused with an answer like any other", async () => {
    await using stage = await startStage(async (connection) => {
      for (let i = 0; ; i++) {
        const id = await connection.request(i);
        connection.respond(id, 407, [["content-length", "4"]], false);
        await connection.sendBody(id, Buffer.from("who?"));
      }
    });
    const refused = await stage.client.exchange(CONNECT);
    assert.deepEqual([refused.status, refused.body.toString()], [407, "who?"]);
    await using client = new Http2Client(stage.proxy.port);
    const stream = client.open({ ":method": "CONNECT", ":authority": "far.example:443" });
    const answer = readAnswer(stream);
    await once(stream, "response");
    stream.end();
    const { status, body } = await answer;
    assert.deepEqual([status, body.toString()], [407, "who?"]);
    assert.equal(stage.proxy.count("tunnels"), 0);
    assert.equal(stage.connections.length, 1);
  });

  test("is sent to another connection when its stream is refused", async () => {
    await using stage = await startStage(async (connection) => {
      connection.sendReset(await connection.request(0), Http2Error.RefusedStream);
      const id = await connection.request(1);
      connection.respond(id, 200, [], false);
      await connection.sendBody(id, Buffer.from("at last"));
    });
    void stage.client.write(CONNECT);
    assert.match(await stage.client.readHead(), /^HTTP\/1\.1 200 /);
    assert.equal((await stage.client.readToEnd()).toString(), "at last");
    stage.client.end();
  });
});
