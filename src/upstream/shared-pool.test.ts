import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { until } from "../../test/kit/deadline.ts";
import { Outcome } from "../../test/kit/http1-client.ts";
import {
  type FrameConnection,
  type FrameScript,
  type FrameServer,
  startFrameServer,
} from "../../test/kit/http2-frame-server.ts";
import { freePort } from "../../test/kit/ports.ts";
import type { ProxyError } from "../base/errors.ts";
import { RequestHead } from "../http/heads.ts";
import type { UpstreamStream } from "../http/streams.ts";
import { Http2Error } from "../http2/error-codes.ts";
import { DEFAULT_LOCAL_SETTINGS, type LocalSettings, SettingId } from "../http2/settings.ts";
import type { PendingStream, StreamCallback } from "./connect-attempt.ts";
import { HttpPeer, type PeerOptions } from "./peer.ts";
import type { PoolOptions } from "./pool.ts";
import { SharedPool } from "./shared-pool.ts";

/** Somebody who wants a stream, and has a request sent on it as soon as there is one. */
class Asker implements StreamCallback {
  readonly outcome = new Outcome();
  stream: UpstreamStream | null = null;
  isNew: boolean | null = null;
  error: ProxyError | null = null;
  pending: PendingStream | null = null;

  onStream(stream: UpstreamStream, isNew: boolean): void {
    this.stream = stream;
    this.isNew = isNew;
    stream.begin(this.outcome);
    const head = RequestHead.from({ target: "/", headers: { Host: "a" } });
    stream.sendHead(head, "none", { lines: "", dropped: 0, upgrade: null, accept: null });
    stream.sendEnd(null);
  }

  onConnectFailed(error: ProxyError): void {
    this.error = error;
  }

  get isServed(): boolean {
    return this.stream !== null || this.error !== null;
  }
}

class Stage implements AsyncDisposable {
  readonly pool: SharedPool;
  readonly server: FrameServer;

  constructor(server: FrameServer, pool: Partial<PoolOptions>) {
    this.server = server;
    const fallback = { onHttp1: () => assert.fail("it speaks HTTP/2") };
    this.pool = new SharedPool({ size: 8, idleTimeout: 0, ...pool }, fallback);
  }

  static async start(
    script: FrameScript,
    settings?: LocalSettings | null,
    pool: Partial<PoolOptions> = {},
  ): Promise<Stage> {
    return new Stage(await startFrameServer(script, settings), pool);
  }

  peer(options: PeerOptions = {}): HttpPeer {
    return new HttpPeer(`127.0.0.1:${this.server.port}`, { protocol: "h2c", ...options });
  }

  /** Has so many ask at once. */
  ask(times: number, peer: HttpPeer = this.peer()): Asker[] {
    return Array.from({ length: times }, () => {
      const asker = new Asker();
      const stream = this.pool.take(peer);
      if (stream !== null) asker.onStream(stream, false);
      else asker.pending = this.pool.join(peer, asker);
      return asker;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.pool.close();
    await this.server[Symbol.asyncDispose]();
    await until("no connection is left", () => this.pool.open === 0);
  }
}

const answers: FrameScript = async (connection) => {
  for (let i = 0; ; i++) await connection.answer(await connection.request(i), "ok");
};
const isSilent: FrameScript = () => undefined;

function allowing(maxConcurrentStreams: number): LocalSettings {
  return { ...DEFAULT_LOCAL_SETTINGS, maxConcurrentStreams };
}

async function answered(askers: readonly Asker[]): Promise<void> {
  for (const { body } of await Promise.all(askers.map(({ outcome }) => outcome.done)))
    assert.equal(body, "ok");
}

describe("a pool of shared connections", () => {
  test("makes one for a burst, and only what that can't carry has more made", async () => {
    await using one = await Stage.start(answers);
    await answered(one.ask(100));
    assert.equal(one.server.connections.length, 1);

    await using four = await Stage.start(answers, allowing(25));
    await answered(four.ask(1));
    const askers = four.ask(100);
    await answered(askers);
    assert.equal(four.server.connections.length, 4);
    assert.equal(askers.filter(({ isNew }) => isNew).length, 3);
  });

  test("makes no more than 32 to a peer; the others wait for their turn", async () => {
    await using stage = await Stage.start(answers, allowing(1));
    await answered(stage.ask(1));
    await answered(stage.ask(200));
    assert.equal(stage.server.connections.length, 32);
  });

  test("keeps peers apart that differ in anything, and joins those that don't", async () => {
    await using stage = await Stage.start(answers);
    for (const group of ["a", "b", "a", "b"]) await answered(stage.ask(1, stage.peer({ group })));
    assert.equal(stage.server.connections.length, 2);
  });

  test("tries a connection with one request until the server has told its settings", async () => {
    await using stage = await Stage.start(async (connection) => {
      connection.mutesSettings = true;
      await connection.request(0);
      await until("the test has looked", () => hasLooked);
      connection.sendSettings([]);
      await answers(connection, 0);
    }, null);
    let hasLooked = false;
    const askers = stage.ask(10);
    await until("one is tried", () => askers.some(({ isServed }) => isServed));
    assert.deepEqual(
      askers.map(({ isServed }) => isServed),
      [true, ...Array<boolean>(9).fill(false)],
    );
    hasLooked = true;
    await answered(askers);
    assert.equal(stage.server.connections.length, 1);
  });

  test("tells all that wait when no connection comes about, each with an error of its own", async () => {
    await using stage = await Stage.start(isSilent);
    const peer = new HttpPeer(`127.0.0.1:${await freePort()}`, { protocol: "h2c" });
    const askers = stage.ask(5, peer);
    await until("all are told", () => askers.every(({ error }) => error !== null));
    assert.equal(new Set(askers.map(({ error }) => error)).size, 5);
    for (const { error } of askers) assert.equal(error?.code, "UPSTREAM_CONNECT_REFUSED");
  });

  test("says of a wait in vain whether it was the server's settings or its streams that were missing", async () => {
    await using mute = await Stage.start((connection) => {
      connection.mutesSettings = true;
    }, null);
    const first = mute.ask(3, mute.peer({ connectTimeout: 200 }));
    await until("two are told", () => first.filter(({ error }) => error !== null).length === 2);
    for (const { error } of first.slice(1)) assert.equal(error?.code, "UPSTREAM_CONNECT_TIMEOUT");

    await using full = await Stage.start(isSilent, allowing(0));
    const second = full.ask(3, full.peer({ connectTimeout: 200 }));
    await until("two are told", () => second.filter(({ error }) => error !== null).length === 2);
    for (const { error } of second.slice(1)) assert.equal(error?.code, "UPSTREAM_OVERLOADED");
    for (const { stream } of [...first, ...second]) stream?.abort();
  });

  test("gives up a connection on which nothing may be sent, once somebody has waited for it in vain", async () => {
    await using stage = await Stage.start(async (connection, index) => {
      if (index === 0) connection.sendSettings([[SettingId.MaxConcurrentStreams, 0]]);
      await answers(connection, index);
    });
    const peer = stage.peer({ connectTimeout: 300 });
    await answered(stage.ask(1, peer));
    const connection = stage.server.connections[0]!;
    await connection.until(() => connection.notes.filter((note) => note === "settings ack").length === 2);
    const [late] = stage.ask(1, peer);
    await until("it is told", () => late!.error !== null);
    assert.equal(late!.error?.code, "UPSTREAM_OVERLOADED");
    await answered(stage.ask(1, peer));
    assert.equal(stage.server.connections.length, 2);
  });

  test("forgets who doesn't want to wait any more", async () => {
    await using stage = await Stage.start(async (connection) => {
      await connection.request(0);
      await until("two have left", () => haveLeft);
      await connection.answer(1, "ok");
      await answers(connection, 0);
    }, allowing(1));
    let haveLeft = false;
    const peer = stage.peer();
    const [warm] = stage.ask(1, peer);
    await until("there is a connection", () => warm!.isServed);
    const askers = stage.ask(3, peer);
    for (const asker of askers.slice(0, 2)) asker.pending?.cancel();
    haveLeft = true;
    await answered([warm!, askers[2]!]);
    assert.deepEqual(
      askers.map(({ isServed }) => isServed),
      [false, false, true],
    );
  });

  test("gives a request to another connection while one is in doubt", async () => {
    await using stage = await Stage.start(async (connection, index) => {
      connection.mutesPings = index === 0;
      if (index > 0) await answers(connection, index);
    });
    const peer = stage.peer({ firstByteTimeout: 100 });
    const [first] = stage.ask(1, peer);
    assert.equal((await first!.outcome.done).error?.code, "UPSTREAM_FIRST_BYTE_TIMEOUT");
    await answered(stage.ask(3, peer));
    assert.equal(stage.server.connections.length, 2);
  });
});

describe("idle shared connections", () => {
  test("are kept, as many as may be, the latest of them", async () => {
    await using stage = await Stage.start(answers, DEFAULT_LOCAL_SETTINGS, { size: 2 });
    for (const group of ["a", "b", "c"]) await answered(stage.ask(1, stage.peer({ group })));
    await until("one was closed", () => stage.pool.open === 2);
    assert.equal(stage.pool.idle, 2);
    await answered(stage.ask(1, stage.peer({ group: "c" })));
    assert.equal(stage.server.connections.length, 3);
    await answered(stage.ask(1, stage.peer({ group: "a" })));
    assert.equal(stage.server.connections.length, 4);
  });

  test("aren't kept at all where none may be", async () => {
    await using stage = await Stage.start(answers, DEFAULT_LOCAL_SETTINGS, { size: 0 });
    await answered(stage.ask(3));
    await until("it was closed", () => stage.pool.open === 0);
  });

  test("are closed after their time, and when the server goes away", async () => {
    await using timed = await Stage.start(answers, DEFAULT_LOCAL_SETTINGS, { idleTimeout: 100 });
    await answered(timed.ask(3));
    await until("it was closed", () => timed.pool.open === 0);
    assert.equal(timed.pool.idle, 0);

    let far: FrameConnection | undefined;
    await using leaving = await Stage.start(async (connection) => {
      far = connection;
      await answers(connection, 0);
    });
    await answered(leaving.ask(3));
    await until("it is idle", () => leaving.pool.idle === 1);
    far!.sendGoaway(5, Http2Error.NoError, "");
    await until("it was closed", () => leaving.pool.open === 0);
    assert.equal(leaving.pool.idle, 0);
  });

  test("are closed with the pool, others with their last request", async () => {
    let answer = (): void => undefined;
    await using stage = await Stage.start(async (connection) => {
      const id = await connection.request(0);
      answer = () => void connection.answer(id, "ok");
    });
    const [asker] = stage.ask(1);
    await until("it is asked", () => asker!.isServed && stage.server.connections.length === 1);
    await stage.server.connections[0]!.request(0);
    stage.pool.close();
    assert.equal(stage.pool.open, 1);
    answer();
    await answered([asker!]);
    await until("it was closed", () => stage.pool.open === 0);
  });
});
