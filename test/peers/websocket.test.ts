import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, before, describe, test } from "node:test";
import { type RawData, WebSocket, WebSocketServer } from "ws";
import { get, type RunningSluice, startHttp } from "../e2e/sluice.ts";
import { withDeadline } from "../kit/deadline.ts";
import { patternBytes } from "../kit/pattern.ts";
import { listen } from "../kit/ports.ts";

const MB = 1024 * 1024;
/** Bytes of the long conversation, one way; SLUICE_WS_MB=1000 makes it a gigabyte. */
const total = Number(process.env["SLUICE_WS_MB"] ?? "100") * MB;
const longest = 4 * MB;
/** Bytes that may wait in the sender: the conversation goes both ways at once, and memory stays small. */
const mostBuffered = 8 * MB;
const patience = 60_000 + total / 5000;

/** Sizes of all magnitudes from 1 B to 4 MB, until the total is reached. */
function messageSizes(): number[] {
  const magnitudes = [1, 7, 125, 126, 1000, 16_384, 65_535, 65_536, 100_000, 1_000_000, longest];
  const sizes: number[] = [];
  for (let sum = 0, i = 0; sum < total; i++) {
    const size = Math.max(1, Math.min(magnitudes[i % magnitudes.length]! - (i % 3), total - sum));
    sizes.push(size);
    sum += size;
  }
  return sizes;
}

function toBuffer(data: RawData): Buffer {
  return Buffer.isBuffer(data) ? data : Buffer.concat(data as Buffer[]);
}

/** Sends everything, no faster than it leaves. */
async function sendAll(socket: WebSocket, sizes: readonly number[], seed: number): Promise<void> {
  for (const [i, size] of sizes.entries()) {
    const sent = Promise.withResolvers<void>();
    socket.send(patternBytes(size, i, seed), (error) => (error ? sent.reject(error) : sent.resolve()));
    if (socket.bufferedAmount > mostBuffered) await sent.promise;
  }
}

/** Settles when messages of these sizes have come, every byte compared. */
function receiveAll(socket: WebSocket, sizes: readonly number[], seed: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let next = 0;
  socket.on("message", (data: RawData, isBinary) => {
    const expected = patternBytes(sizes[next] ?? 0, next, seed);
    if (!isBinary || !expected.equals(toBuffer(data))) reject(new Error(`message ${next} is another one`));
    if (++next === sizes.length) resolve();
  });
  socket.once("close", (code) => reject(new Error(`closed with ${code} after ${next} messages`)));
  return withDeadline(promise, patience, () => `message ${next} of ${sizes.length}`);
}

for (const threads of ["1", "2"]) {
  describe(`ws through ${threads} of our threads`, () => {
    const stage = {} as { sluice: RunningSluice; server: WebSocketServer; url: string };
    const http = createServer((_request, response) => response.end("plain"));

    before(async () => {
      const port = await listen(http);
      const handleProtocols = (offered: Set<string>): string | false => offered.has("chat") && "chat";
      stage.server = new WebSocketServer({ noServer: true, handleProtocols, maxPayload: 2 * longest });
      http.on("upgrade", (request, socket, head) => {
        if (request.url === "/refused") {
          socket.end("HTTP/1.1 401 Unauthorized\r\nContent-Length: 6\r\n\r\nno way");
          return;
        }
        stage.server.handleUpgrade(request, socket, head, (accepted) => {
          stage.server.emit("connection", accepted, request);
        });
      });
      stage.sluice = await startHttp([`127.0.0.1:${port}`], "--threads", threads);
      stage.url = `ws://127.0.0.1:${stage.sluice.port}`;
    });
    after(async () => {
      await stage.sluice[Symbol.asyncDispose]();
      for (const client of stage.server.clients) client.terminate();
      http.close();
    });

    /** Both ends of a new connection. */
    async function connect(path = "/", protocols: string[] = []): Promise<[WebSocket, WebSocket]> {
      const client = new WebSocket(`${stage.url}${path}`, protocols);
      const accepted = once(stage.server, "connection") as Promise<[WebSocket]>;
      await Promise.all([once(client, "open"), accepted]);
      return [client, (await accepted)[0]];
    }

    test(`echoes ${total / MB} MB in messages of all sizes, and sends as much of its own`, async () => {
      const sizes = messageSizes();
      const [client, server] = await connect();
      const own = await connect("/own");
      server.on("message", (data) => {
        const isBehind = server.bufferedAmount > mostBuffered;
        if (isBehind) server.pause();
        server.send(toBuffer(data), () => isBehind && server.resume());
      });
      await Promise.all([
        sendAll(client, sizes, 1),
        receiveAll(client, sizes, 1),
        sendAll(own[0], sizes, 2),
        receiveAll(own[1], sizes, 2),
        sendAll(own[1], sizes, 3),
        receiveAll(own[0], sizes, 3),
      ]);
      for (const socket of [client, own[0]]) {
        socket.close(1000);
        await once(socket, "close");
      }
    });

    test("agrees on a subprotocol, pings, speaks text, closes with code and reason", async () => {
      const [client, server] = await connect("/chat", ["talk", "chat"]);
      assert.equal(client.protocol, "chat");
      server.ping("are you there");
      client.ping("and you");
      const [[heard], [answered]] = await Promise.all([once(server, "pong"), once(client, "pong")]);
      assert.deepEqual([String(heard), String(answered)], ["are you there", "and you"]);
      server.send("grüß dich");
      const [text, isBinary] = await once(client, "message");
      assert.deepEqual([String(text), isBinary], ["grüß dich", false]);
      client.close(4321, "enough");
      const [code, reason] = await once(server, "close");
      assert.deepEqual([code, String(reason)], [4321, "enough"]);
    });

    test("passes a refusal on, and plain requests beside it", async () => {
      const client = new WebSocket(`${stage.url}/refused`);
      client.on("error", () => {});
      const [, response] = await once(client, "unexpected-response");
      assert.equal(response.statusCode, 401);
      response.destroy();
      assert.equal((await get(stage.sluice.port)).body.toString(), "plain");
    });

    test("tells each side when the other one breaks off", async () => {
      const [gone, server] = await connect();
      gone.terminate();
      assert.equal((await once(server, "close"))[0], 1006);
      const [client, breaking] = await connect();
      breaking.terminate();
      assert.equal((await once(client, "close"))[0], 1006);
    });

    test("keeps a hundred conversations apart", async () => {
      const pairs: [WebSocket, WebSocket][] = [];
      for (let i = 0; i < 100; i++) pairs.push(await connect(`/${i}`));
      await Promise.all(
        pairs.map(async ([client, server], i) => {
          client.send(`from ${i}`);
          server.send(`to ${i}`);
          const [[up], [down]] = await Promise.all([once(server, "message"), once(client, "message")]);
          assert.deepEqual([String(up), String(down)], [`from ${i}`, `to ${i}`]);
        }),
      );
      for (const [client] of pairs) client.terminate();
    });
  });
}
