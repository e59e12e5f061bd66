import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Http2Error } from "../../src/http2/error-codes.ts";
import { SettingId } from "../../src/http2/settings.ts";
import { connectFrames, type FrameClient, POST } from "../kit/http2-frame-client.ts";
import { type FrameConnection, startFrameServer } from "../kit/http2-frame-server.ts";
import { patternBytes } from "../kit/pattern.ts";
import { type ProxyUnderTest, startProxy } from "./proxy.ts";

/*
 * A server that answers before it has the whole request, and then wants no more of that (RFC 9113 §8.1): its answer has to
 * arrive whole, wherever it waits.
 */
const peer = { protocol: "h2c" } as const;
/** More than a window without updates lets through. */
const SIZE = 100_000;

interface Way {
  /** Where the answer waits. */
  readonly held: "nowhere" | "stream window" | "connection window" | "socket";
  /** Whether the server ends its answer with END_STREAM, or only by what it declared. */
  readonly ends: boolean;
}

function hold(client: FrameClient, held: Way["held"]): void {
  client.mutesWindows = held.endsWith("window");
  if (held === "stream window") client.sendSettings([[SettingId.InitialWindowSize, 1_000]]);
  if (held === "connection window") client.sendSettings([[SettingId.InitialWindowSize, 1_000_000]]);
  if (held === "socket") client.socket.pause();
}

function release(client: FrameClient, held: Way["held"]): void {
  if (held.endsWith("window")) {
    client.openWindows(1);
    client.openWindows(1);
  }
  if (held === "socket") client.socket.resume();
}

/** Answers as soon as there is something of the upload, and then wants no more of it. */
async function answerEarly(connection: FrameConnection, size: number, ends: boolean): Promise<void> {
  const id = await connection.request(0);
  connection.mutesWindows = true;
  await connection.until(() => connection.stream(id).body.length > 0);
  connection.respond(id, 403, [["content-length", String(size)]], false);
  await connection.sendBody(id, patternBytes(size), ends);
  connection.sendReset(id, Http2Error.NoError);
}

/** Settles when the proxy has read what the server said so far. */
async function allRead(connection: FrameConnection): Promise<void> {
  connection.sendPing("all read");
  await connection.until(() => connection.notes.includes("ping ack all read"));
}

async function check(proxy: ProxyUnderTest, client: FrameClient, size: number): Promise<void> {
  assert.equal(await client.statusOf(1), 403);
  await client.until(() => client.endOf(1) !== "");
  const { body, ended } = client.stream(1);
  const whole = Buffer.concat(body);
  assert.deepEqual([whole.length, ended], [size, true]);
  assert.ok(whole.equals(patternBytes(size)));
  // For the rest of the upload.
  await client.until(() => client.stream(1).reset !== null);
  assert.equal(client.stream(1).reset, "NO_ERROR");
  assert.deepEqual(proxy.reported, []);
}

describe("an answer before the end of its request, whose server then resets the stream", () => {
  for (const held of ["nowhere", "stream window", "connection window", "socket"] as const) {
    for (const ends of [true, false]) {
      const end = ends ? "its end" : "its last byte";
      test(`is whole after ${end}, held by ${held}`, async () => {
        // What a socket holds in the kernel is far more than a window.
        const size = held === "socket" ? 12_000_000 : SIZE;
        const told = Promise.withResolvers<void>();
        await using origin = await startFrameServer(async (connection) => {
          await answerEarly(connection, size, ends);
          await allRead(connection);
          told.resolve();
        });
        await using proxy = await startProxy({ origin, peer });
        await using client = await connectFrames(proxy.port);
        await client.until(() => client.notes.includes("settings ack"));
        hold(client, held);
        client.request(1, false, [...POST, ["content-length", "1000000"]]);
        const upload = client.sendPiece(1, patternBytes(1_000_000)).catch(() => undefined);
        if (held.endsWith("window")) await told.promise;
        release(client, held);
        await check(proxy, client, size);
        client.close();
        await upload;
      });
    }
  }
});

describe("an answer whose end never comes", () => {
  /** What came on a stream whose server sends so much of 1,000 bytes before it resets the stream. */
  async function cutAfter(bytes: number, code: Http2Error): Promise<string> {
    await using origin = await startFrameServer(async (connection) => {
      const id = await connection.request(0);
      connection.respond(id, 200, [["content-length", "1000"]], false);
      await connection.sendBody(id, patternBytes(bytes), false);
      await allRead(connection);
      connection.sendReset(id, code);
    });
    await using proxy = await startProxy({ origin, peer });
    await using client = await connectFrames(proxy.port);
    client.request(1, false, [...POST, ["content-length", "1000000"]]);
    await client.until(() => client.stream(1).reset !== null);
    const { body, ended, reset } = client.stream(1);
    const errors = proxy.reported.map(({ error }) => error.code).join();
    return [Buffer.concat(body).length, ended ? "whole" : "cut", reset, errors].join(" ");
  }

  test("is cut for the client too, whatever code the server resets it with", async () => {
    assert.equal(await cutAfter(999, Http2Error.NoError), "999 cut INTERNAL_ERROR UPSTREAM_RESET");
    assert.equal(await cutAfter(999, Http2Error.Cancel), "999 cut INTERNAL_ERROR UPSTREAM_RESET");
  });

  test("isn't taken back from a client that has all of it", async () => {
    assert.equal(await cutAfter(1000, Http2Error.InternalError), "1000 whole NO_ERROR UPSTREAM_RESET");
  });
});
