import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { until } from "../../test/kit/deadline.ts";
import { literals } from "../../test/kit/hpack.ts";
import { frame, uint32 } from "../../test/kit/http2-frames.ts";
import { Http2Upstream } from "../../test/kit/http2-upstream.ts";
import { Http2Error } from "./error-codes.ts";
import { FrameFlag, FrameType } from "./frames.ts";
import { DEFAULT_LOCAL_SETTINGS, SettingId } from "./settings.ts";

const goaway = (notes: readonly string[]): string | undefined =>
  notes.find((note) => note.startsWith("goaway"));

describe("what a server has to say first", () => {
  test("are its settings, within a time; without them there never was a connection", async () => {
    await using upstream = await Http2Upstream.start(
      (connection) => {
        connection.mutesSettings = true;
      },
      { answerTimeout: 100 },
      null,
    );
    const { outcome } = upstream.send();
    assert.equal(upstream.connection.hasRoom, false);
    assert.equal((await outcome.done).error?.code, "UPSTREAM_CONNECT_TIMEOUT");
    await upstream.far.until(() => goaway(upstream.far.notes) !== undefined);
    assert.match(goaway(upstream.far.notes)!, /^goaway 0 SETTINGS_TIMEOUT none came/);
  });

  test("is that it knows ours, within a time", async () => {
    await using upstream = await Http2Upstream.start(
      (connection) => {
        connection.mutesSettings = true;
      },
      { answerTimeout: 100 },
    );
    const { outcome } = upstream.send();
    assert.equal((await outcome.done).error?.code, "UPSTREAM_BAD_RESPONSE");
    await upstream.far.until(() => goaway(upstream.far.notes) !== undefined);
    assert.match(goaway(upstream.far.notes)!, /SETTINGS_TIMEOUT no acknowledgement came/);
  });

  test("is waited for no longer once both have come", async () => {
    await using upstream = await Http2Upstream.start(
      async (connection) => {
        const id = await connection.request(0);
        await until("more than the timeout is over", () => performance.now() - begin > 400);
        await connection.answer(id, "late");
      },
      { answerTimeout: 100 },
    );
    const begin = performance.now();
    const { outcome } = upstream.send();
    assert.equal((await outcome.done).body, "late");
    assert.equal(upstream.lost, null);
  });
});

describe("how many streams there may be", () => {
  test("is one before the server has told, then as many as it allows, and as it allows later", async () => {
    await using upstream = await Http2Upstream.start(
      async (connection) => {
        connection.mutesSettings = true;
        await connection.request(0);
        connection.sendSettings([[SettingId.MaxConcurrentStreams, 3]]);
      },
      {},
      null,
    );
    const { connection } = upstream;
    upstream.send();
    assert.deepEqual([connection.capacity, connection.hasRoom], [1, false]);
    await until("it has told", () => connection.hasPeerSettings);
    assert.deepEqual([connection.capacity, connection.hasRoom], [3, true]);
    upstream.send();
    const third = upstream.send();
    assert.equal(connection.hasRoom, false);
    await upstream.far.request(2);
    upstream.far.sendSettings([[SettingId.MaxConcurrentStreams, 1]]);
    await until("it allows less", () => connection.capacity === 1);
    third.stream.abort();
    assert.deepEqual([connection.active, connection.hasRoom], [2, false]);
    upstream.far.sendSettings([[SettingId.MaxConcurrentStreams, 500]]);
    await until("it allows more than we want", () => connection.capacity === 128);
    assert.equal(connection.hasRoom, true);
    upstream.far.sendSettings([[SettingId.MaxConcurrentStreams, 0]]);
    await until("it allows none", () => connection.capacity === 0);
    assert.equal(connection.hasRoom, false);
  });

  test("is no more than there were when the server refused one, until one of them ends", async () => {
    await using upstream = await Http2Upstream.start(async (connection) => {
      await connection.request(2);
      connection.sendReset(5, Http2Error.RefusedStream);
    });
    await until("it has told", () => upstream.connection.hasPeerSettings);
    const sent = [upstream.send(), upstream.send(), upstream.send()];
    assert.equal((await sent[2]!.outcome.done).error?.code, "UPSTREAM_REFUSED");
    assert.equal(upstream.connection.hasRoom, false);
    sent[0]!.stream.abort();
    assert.equal(upstream.connection.hasRoom, true);
  });

  test("counts those that were given out and have sent nothing", async () => {
    await using upstream = await Http2Upstream.start(() => undefined, { streams: 2 });
    const { connection } = upstream;
    await until("it has told", () => connection.hasPeerSettings);
    const streams = [connection.takeStream(), connection.takeStream()];
    assert.deepEqual([connection.active, connection.hasRoom], [2, false]);
    for (const stream of streams) {
      stream.abort();
      stream.abort();
    }
    assert.deepEqual([connection.active, connection.requestCount], [0, 0]);
  });
});

describe("a server that goes away", () => {
  test("says which streams it deals with; the others were not touched", async () => {
    await using upstream = await Http2Upstream.start(async (connection) => {
      await connection.request(2);
      connection.sendGoaway(3, Http2Error.NoError, "");
      await connection.answer(1, "one");
      await connection.answer(3, "two");
    });
    await until("it has told", () => upstream.connection.hasPeerSettings);
    const sent = [upstream.send(), upstream.send(), upstream.send({ method: "POST" })];
    const [one, two, three] = await Promise.all(sent.map(({ outcome }) => outcome.done));
    assert.deepEqual([one?.body, two?.body, three?.error?.code], ["one", "two", "UPSTREAM_REFUSED"]);
    assert.equal(three?.error?.retry, "untouched");
    assert.equal(upstream.connection.usable, false);
    await until("the connection is closed", () => upstream.lost !== null);
  });

  test("may say it twice, and then that it takes fewer", async () => {
    await using upstream = await Http2Upstream.start(async (connection) => {
      await connection.request(1);
      connection.sendGoaway(0x7fff_ffff, Http2Error.NoError, "");
      connection.sendGoaway(1, Http2Error.NoError, "");
      await connection.answer(1, "one");
    });
    await until("it has told", () => upstream.connection.hasPeerSettings);
    const [one, two] = [upstream.send(), upstream.send()];
    assert.equal((await one.outcome.done).body, "one");
    assert.equal((await two.outcome.done).error?.code, "UPSTREAM_REFUSED");
  });

  test("refuses what was given out and isn't sent yet", async () => {
    await using upstream = await Http2Upstream.start(async (connection) => {
      await connection.request(0);
      connection.sendGoaway(1, Http2Error.NoError, "");
    });
    const { connection } = upstream;
    await until("it has told", () => connection.hasPeerSettings);
    upstream.send();
    const late = connection.takeStream();
    await until("it goes away", () => !connection.usable);
    const { outcome } = upstream.sendOn(late, { method: "POST" });
    assert.equal((await outcome.done).error?.code, "UPSTREAM_REFUSED");
    assert.equal(upstream.far.streams.has(3), false);
  });

  test("ends its connection when nothing is under way, and says why when something was", async () => {
    await using idle = await Http2Upstream.start((connection) =>
      connection.sendGoaway(0, Http2Error.NoError, "bye"),
    );
    await until("it is closed", () => idle.lost !== null);

    await using busy = await Http2Upstream.start(async (connection) => {
      await connection.request(0);
      connection.sendGoaway(1, Http2Error.EnhanceYourCalm, "too many cooks");
      connection.end();
    });
    const { error } = await busy.send().outcome.done;
    assert.equal(error?.code, "UPSTREAM_CLOSED");
    assert.match(String(error?.cause), /ENHANCE_YOUR_CALM too many cooks/);
  });

  test("too often is a flood", async () => {
    const many = Buffer.concat(Array(9000).fill(frame(FrameType.Goaway, 0, 0, uint32(1, 0))));
    await using upstream = await Http2Upstream.start(async (connection) => {
      await connection.request(0);
      connection.sendRaw(many);
    });
    assert.equal((await upstream.send().outcome.done).error?.code, "UPSTREAM_FLOOD");
    await upstream.far.until(() => goaway(upstream.far.notes) !== undefined);
    assert.match(goaway(upstream.far.notes)!, /ENHANCE_YOUR_CALM/);
  });
});

describe("a server that lets a request wait in vain", () => {
  test("gets no other one before it has answered a PING", async () => {
    await using upstream = await Http2Upstream.start(
      async (connection) => {
        connection.mutesPings = true;
        await connection.request(0);
        await connection.until(() => connection.stream(1).reset !== null && connection.pings > 0);
      },
      { firstByteTimeout: 100, answerTimeout: 60_000 },
    );
    const { connection } = upstream;
    await until("it has told", () => connection.hasPeerSettings);
    assert.equal((await upstream.send().outcome.done).error?.code, "UPSTREAM_FIRST_BYTE_TIMEOUT");
    assert.deepEqual([connection.usable, connection.hasRoom], [true, false]);
    await upstream.far.until(() => upstream.far.pings > 0);
    const before = upstream.roomChanges;
    upstream.far.sendRaw(frame(FrameType.Ping, FrameFlag.Ack, 0, "\0\0\0\0\0\0\0\0"));
    await until("it has answered", () => connection.hasRoom);
    assert.ok(upstream.roomChanges > before);
  });

  test("loses its connection when it doesn't answer that either, in the middle of a head for example", async () => {
    await using upstream = await Http2Upstream.start(
      async (connection) => {
        connection.mutesPings = true;
        await connection.request(1);
        const head = frame(FrameType.Headers, FrameFlag.EndHeaders, 1, literals([[":status", "200"]]));
        connection.sendRaw(head.subarray(0, head.length - 1));
      },
      { firstByteTimeout: 100, answerTimeout: 200 },
    );
    await until("it has told", () => upstream.connection.hasPeerSettings);
    const [one, two] = [upstream.send(), upstream.send({ method: "POST", length: 5, body: "hell" })];
    assert.equal((await one.outcome.done).error?.code, "UPSTREAM_FIRST_BYTE_TIMEOUT");
    assert.equal((await two.outcome.done).error?.code, "UPSTREAM_CLOSED");
    await until("it is closed", () => upstream.lost !== null);
  });
});

describe("windows", () => {
  test("of streams change with the initial one, below nothing too", async () => {
    await using upstream = await Http2Upstream.start(
      async (connection) => {
        connection.mutesWindows = true;
        await connection.until(() => lengthOf(connection.stream(1).body) === 1000);
        connection.sendSettings([[SettingId.InitialWindowSize, 100]]);
        await connection.until(() => connection.notes.includes("settings ack"));
        connection.sendRaw(frame(FrameType.WindowUpdate, 0, 1, uint32(901)));
        await connection.until(() => lengthOf(connection.stream(1).body) > 1000);
        assert.equal(lengthOf(connection.stream(1).body), 1001);
        connection.sendSettings([[SettingId.InitialWindowSize, 5000]]);
        await connection.until(() => connection.stream(1).ended);
        await connection.answer(1, "all");
      },
      {},
      { ...DEFAULT_LOCAL_SETTINGS, initialWindowSize: 1000 },
    );
    await until("it has told", () => upstream.connection.hasPeerSettings);
    const { outcome } = upstream.send({ method: "POST", body: "x".repeat(4000) });
    assert.equal((await outcome.done).body, "all");
    assert.deepEqual(outcome.events, ["blocked", "head", "end"]);
  });

  test("that are opened while a stream is given out count for it", async () => {
    await using upstream = await Http2Upstream.start(
      () => undefined,
      {},
      {
        ...DEFAULT_LOCAL_SETTINGS,
        initialWindowSize: 0,
      },
    );
    const { connection } = upstream;
    await until("it has told", () => connection.hasPeerSettings);
    const stream = connection.takeStream();
    upstream.far.sendSettings([[SettingId.InitialWindowSize, 50]]);
    await until(
      "it has told again",
      () => upstream.far.notes.filter((note) => note === "settings ack").length > 1,
    );
    upstream.sendOn(stream, { method: "POST", body: "x".repeat(100) });
    await upstream.far.until(() => lengthOf(upstream.far.stream(1).body) === 50);
  });
});

function lengthOf(pieces: readonly Buffer[]): number {
  return pieces.reduce((sum, { length }) => sum + length, 0);
}
