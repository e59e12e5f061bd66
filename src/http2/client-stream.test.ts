import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { until } from "../../test/kit/deadline.ts";
import { literals } from "../../test/kit/hpack.ts";
import type { FrameConnection, FrameScript } from "../../test/kit/http2-frame-server.ts";
import { frame } from "../../test/kit/http2-frames.ts";
import { Http2Upstream } from "../../test/kit/http2-upstream.ts";
import { HttpHeaders } from "../http/http-headers.ts";
import type { Http2ClientSettings } from "./client-options.ts";
import { Http2Error } from "./error-codes.ts";
import { FrameFlag, FrameType } from "./frames.ts";

/** A connection whose server has told its settings. */
async function start(
  script: FrameScript,
  settings: Partial<Http2ClientSettings> = {},
): Promise<Http2Upstream> {
  const upstream = await Http2Upstream.start(script, settings);
  await until("it has told", () => upstream.connection.hasPeerSettings);
  return upstream;
}

function resetOf(upstream: Http2Upstream, id: number): Promise<string> {
  const { far } = upstream;
  return far.until(() => far.stream(id).reset !== null).then(() => far.stream(id).reset!);
}

/** Settles when all that the server has said so far was read. */
async function allRead(connection: FrameConnection): Promise<void> {
  const note = `ping ack ${String(connection.notes.length).padStart(8, "0")}`;
  connection.sendPing(note.slice(-8));
  await connection.until(() => connection.notes.includes(note));
}

describe("the answer to a request", () => {
  test("is told as it comes: interim responses, head, body, trailers", async () => {
    await using upstream = await start(async (connection) => {
      const id = await connection.request(0);
      connection.respond(id, 103, [["link", "</a>"]], false);
      connection.respond(id, 200, [["x-a", "1"]], false);
      await connection.sendBody(id, Buffer.from("body"), false);
      connection.sendHeaders(id, literals([["x-end", "yes"]]), true);
    });
    const outcome = await upstream.send().outcome.done;
    assert.deepEqual([outcome.interim, outcome.status, outcome.reason], [[103], 200, "OK"]);
    assert.deepEqual(outcome.headers, { "x-a": "1" });
    assert.deepEqual([outcome.body, outcome.trailers?.get("x-end")], ["body", "yes"]);
    assert.equal(upstream.connection.active, 0);
  });

  for (const [method, status] of [
    ["HEAD", 200],
    ["GET", 204],
    ["GET", 304],
  ] as const) {
    test(`has no body to ${method} with ${status}, however long it says that one would be`, async () => {
      await using upstream = await start(async (connection) => {
        const fields = status === 204 ? [] : ([["content-length", "1000"]] as const);
        connection.respond(await connection.request(0), status, fields, true);
        connection.respond(await connection.request(1), status, fields, false);
        connection.sendRaw(frame(FrameType.Data, FrameFlag.EndStream, 3, "x"));
      });
      const good = await upstream.send({ method }).outcome.done;
      assert.deepEqual([good.status, good.body, good.error], [status, "", null]);
      assert.equal((await upstream.send({ method }).outcome.done).error?.code, "UPSTREAM_BAD_RESPONSE");
    });
  }

  test("that comes before all of the request stops the rest of it", async () => {
    await using upstream = await start(async (connection) => {
      await connection.answer(await connection.request(0), "enough");
    });
    const { outcome, stream } = upstream.send({ method: "POST", body: "some", length: 1000 });
    assert.equal((await outcome.done).body, "enough");
    stream.sendBody(Buffer.from("more"), 0, 4);
    stream.sendEnd(null);
    assert.equal(await resetOf(upstream, 1), "CANCEL");
    assert.equal(Buffer.concat(upstream.far.stream(1).body).toString(), "some");
  });

  test("that is whole is told to its end, though the server is gone meanwhile", async () => {
    for (const how of ["reset", "close"]) {
      await using upstream = await start(async (connection) => {
        const id = await connection.request(0);
        await connection.answer(id, "all of it");
        if (how === "reset") connection.sendReset(id, Http2Error.NoError);
        else connection.end();
        await allRead(connection).catch(() => undefined);
      });
      const { outcome, stream } = upstream.send({ method: "POST", body: "some", length: 1000 });
      stream.pauseResponse();
      await until("the stream is over", () => stream.isClosed);
      assert.equal(outcome.body, "");
      stream.resumeResponse();
      assert.deepEqual([outcome.body, outcome.error], ["all of it", null]);
      assert.equal(outcome.events.at(-1), "end");
    }
  });

  test("that nobody wants is read on when it is short, and stopped when it isn't", async () => {
    await using upstream = await start(async (connection) => {
      for (const [i, size] of [1000, 10_000_000].entries()) {
        const id = await connection.request(i);
        connection.respond(id, 500, [["content-length", String(size)]], false);
        await connection.sendBody(id, Buffer.alloc(Math.min(size, 1000)), size === 1000);
      }
    });
    for (let i = 0; i < 2; i++) {
      const { stream, outcome } = upstream.send();
      outcome.onHead = () => stream.dismiss();
      await until("it is over", () => upstream.connection.active === 0);
      assert.deepEqual(outcome.events, ["head"]);
    }
    assert.equal(await resetOf(upstream, 3), "CANCEL");
    assert.equal(upstream.far.stream(1).reset, null);
  });
});

describe("a request", () => {
  test("is sent with its body and trailers", async () => {
    await using upstream = await start(async (connection) => {
      const id = await connection.request(0);
      await connection.until(() => connection.stream(id).ended);
      await connection.answer(id, "ok");
    });
    const trailers = HttpHeaders.from({ "x-end": "yes" });
    const { outcome } = upstream.send({ method: "POST", body: "hello", length: 5, trailers });
    await outcome.done;
    assert.equal(Buffer.concat(upstream.far.stream(1).body).toString(), "hello");
    assert.equal(upstream.far.stream(1).blocks.length, 2);
  });

  test("that is given up hears nothing more, sent or not", async () => {
    await using upstream = await start(async (connection) => {
      const id = await connection.request(0);
      await connection.until(() => connection.stream(id).reset !== null);
      connection.sendRaw(frame(FrameType.Headers, FrameFlag.EndHeaders, id, literals([[":status", "200"]])));
      connection.sendRaw(frame(FrameType.Data, FrameFlag.EndStream, id, "late"));
      await allRead(connection);
    });
    const { stream, outcome } = upstream.send();
    await upstream.far.request(0);
    stream.abort();
    await upstream.far.until(() => upstream.far.notes.some((note) => note.startsWith("ping ack")));
    assert.deepEqual(outcome.events, []);
    assert.equal(upstream.lost, null);
    upstream.connection.takeStream().abort();
    assert.equal(upstream.connection.active, 0);
  });

  test("may be repeated when a connection that had been used dies before its answer, and not after it", async () => {
    await using upstream = await start(async (connection) => {
      await connection.answer(await connection.request(0), "warm");
      const id = await connection.request(1);
      await connection.request(2);
      connection.respond(id, 200, [], false);
      await allRead(connection);
      connection.close();
    });
    assert.equal(upstream.connection.takeStream().reused, false);
    await upstream.send().outcome.done;
    const [begun, waiting] = [upstream.send(), upstream.send()];
    assert.equal(begun.stream.reused, true);
    const errors = await Promise.all([begun, waiting].map(({ outcome }) => outcome.done));
    assert.deepEqual(
      errors.map(({ error }) => error?.retry),
      ["no", "reused"],
    );
  });
});

describe("the time that a server has", () => {
  test("to answer runs from the end of the request, and starts again with interim responses", async () => {
    await using upstream = await start(
      async (connection) => {
        const id = await connection.request(0);
        for (let i = 0; i < 5; i++) {
          const begin = performance.now();
          await until("a while is over", () => performance.now() - begin > 350);
          connection.respond(id, 103, [], false);
        }
        await connection.answer(id, "at last");
      },
      { firstByteTimeout: 1500 },
    );
    assert.equal((await upstream.send().outcome.done).body, "at last");
    const { stream, outcome } = upstream.send({ method: "POST", length: 10, body: "hello" });
    const begin = performance.now();
    await until("longer than the timeout", () => performance.now() - begin > 1800);
    assert.equal(outcome.error, null);
    stream.sendBody(Buffer.from("there"), 0, 5);
    stream.sendEnd(null);
    assert.equal((await outcome.done).error?.code, "UPSTREAM_FIRST_BYTE_TIMEOUT");
  });

  test("to go on doesn't run while nobody reads", async () => {
    await using upstream = await start(
      async (connection) => {
        const id = await connection.request(0);
        connection.respond(id, 200, [], false);
        await connection.sendBody(id, Buffer.from("half"), false);
      },
      { readTimeout: 200 },
    );
    const { stream, outcome } = upstream.send();
    outcome.onHead = () => stream.pauseResponse();
    await until("the head is there", () => outcome.status === 200);
    const begin = performance.now();
    await until("longer than the timeout", () => performance.now() - begin > 600);
    assert.equal(outcome.error, null);
    stream.resumeResponse();
    assert.equal((await outcome.done).error?.code, "UPSTREAM_READ_TIMEOUT");
    assert.equal(await resetOf(upstream, 1), "CANCEL");
  });

  test("to take what waits ends its stream, not the others", async () => {
    await using upstream = await start(
      async (connection) => {
        connection.mutesWindows = true;
        await connection.request(0);
        await connection.until(() => connection.stream(1).reset !== null);
        await connection.answer(await connection.request(1), "ok");
      },
      { writeTimeout: 200 },
    );
    const { outcome } = upstream.send({ method: "POST", body: "x".repeat(100_000) });
    assert.equal((await outcome.done).error?.code, "UPSTREAM_WRITE_TIMEOUT");
    assert.equal((await upstream.send().outcome.done).body, "ok");
  });
});
