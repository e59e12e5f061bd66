import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { status as Status } from "@grpc/grpc-js";
import { ManualAlarmClock } from "../../src/base/alarms.ts";
import type { Session } from "../../src/proxy/session.ts";
import { until } from "../kit/deadline.ts";
import { GrpcClient, GrpcOrigin, statusOf } from "../kit/grpc.ts";
import { type Http2Answer, Http2Client, readAnswer } from "../kit/http2-client.ts";
import { startOrigin } from "../kit/origins.ts";
import { startProxy } from "./proxy.ts";

const peer = { protocol: "h2c" } as const;
const CALL = {
  ":method": "POST",
  ":path": "/held",
  "content-type": "application/grpc+proto",
  te: "trailers",
};

function statusIn(answer: Http2Answer): [where: "head" | "trailers", status: string | undefined] {
  const inHead = answer.headers["grpc-status"];
  if (inHead !== undefined) return ["head", String(inHead)];
  return ["trailers", answer.trailers?.["grpc-status"]?.toString()];
}

describe("the time of a call", () => {
  test("ends it with a status, and at the server", async () => {
    const alarms = new ManualAlarmClock();
    await using origin = await startOrigin({ http2: true });
    await using proxy = await startProxy({ origin, peer, alarms });
    await using client = new Http2Client(proxy.port);
    const answer = client.send({ ...CALL, "grpc-timeout": "5S" }, "");
    const record = await origin.request(0);
    alarms.advance(4_999);
    alarms.advance(2);
    assert.deepEqual(statusIn(await answer), ["head", String(Status.DEADLINE_EXCEEDED)]);
    assert.equal(await record.finished, false);
    assert.deepEqual(
      proxy.reported.map(({ error }) => error.code),
      ["DEADLINE_EXCEEDED"],
    );
  });

  test("ends a response that was begun, with trailers", async () => {
    const alarms = new ManualAlarmClock();
    await using origin = await startOrigin({ http2: true });
    origin.handle("/begun", ({ response }) => {
      assert.ok("stream" in response);
      response.writeHead(200, { "content-type": "application/grpc" });
      response.write(Buffer.from([0, 0, 0, 0, 1, 0x61]));
    });
    await using proxy = await startProxy({ origin, peer, alarms });
    await using client = new Http2Client(proxy.port);
    const stream = client.open({ ...CALL, ":path": "/begun", "grpc-timeout": "100m" });
    stream.end();
    stream.once("data", () => alarms.advance(100));
    const answer = await readAnswer(stream);
    assert.deepEqual([answer.code, answer.body.length], [0, 6]);
    assert.deepEqual(statusIn(answer), ["trailers", String(Status.DEADLINE_EXCEEDED)]);
  });

  for (const [given, expected] of [
    ["2H", "7200000"],
    ["3M", "180000"],
    ["4S", "4000"],
    ["5m", "5"],
    ["6000u", "6"],
    ["7000000n", "7"],
  ] as const) {
    test(`is understood as ${given}`, async () => {
      const alarms = new ManualAlarmClock();
      await using origin = await startOrigin({ http2: true });
      await using proxy = await startProxy({ origin, peer, alarms });
      await using client = new Http2Client(proxy.port);
      let isOver = false;
      const answer = client.send({ ...CALL, "grpc-timeout": given }, "").finally(() => {
        isOver = true;
      });
      const record = await origin.request(0);
      assert.equal(record.headers["grpc-timeout"], given);
      alarms.advance(Number(expected) - 1);
      await client.get("/");
      assert.equal(isOver, false);
      alarms.advance(1);
      assert.equal(statusIn(await answer)[1], String(Status.DEADLINE_EXCEEDED));
    });
  }

  for (const given of ["", "5", "S", "5 S", "-5S", "5s", "1.5S", "123456789S", "5S, 6S"]) {
    test(`can't be ${JSON.stringify(given)}`, async () => {
      await using origin = await startOrigin({ http2: true });
      await using proxy = await startProxy({ origin, peer });
      await using client = new Http2Client(proxy.port);
      const answer = await client.send({ ...CALL, "grpc-timeout": given }, "");
      assert.deepEqual(statusIn(answer), ["head", String(Status.INTERNAL)]);
      assert.equal(origin.requests.length, 0);
    });
  }

  test("may be over before it begins", async () => {
    await using origin = await startOrigin({ http2: true });
    await using proxy = await startProxy({ origin, peer });
    await using client = new Http2Client(proxy.port);
    const answer = await client.send({ ...CALL, "grpc-timeout": "0m" }, "");
    assert.deepEqual(statusIn(answer), ["head", String(Status.DEADLINE_EXCEEDED)]);
    // It is no reason to part with the client.
    assert.equal((await client.get("/")).status, 200);
    assert.deepEqual(client.goaways, []);
  });

  test("is told to servers as what is left of it", async () => {
    const alarms = new ManualAlarmClock();
    const requestFilter = (): void => alarms.advance(1_500);
    await using origin = await startOrigin({ http2: true });
    await using proxy = await startProxy({ origin, peer, alarms, phases: { requestFilter } });
    await using client = new Http2Client(proxy.port);
    const answer = client.send({ ...CALL, "grpc-timeout": "4S" }, "");
    const record = await origin.request(0);
    assert.equal(record.headers["grpc-timeout"], "2500m");
    origin.release();
    await answer;
  });

  test("goes on while attempts fail and are waited for", async () => {
    const alarms = new ManualAlarmClock();
    await using origin = await startOrigin({ http2: true });
    origin.handle("/busy", ({ response }) => {
      response.setHeader("content-type", "application/grpc");
      response.setHeader("grpc-status", Status.UNAVAILABLE);
      response.end();
    });
    const retries = {
      maxTries: 9,
      onGrpcStatus: [Status.UNAVAILABLE],
      backoff: 10_000,
      longestBackoff: 10_000,
    };
    await using proxy = await startProxy({ origin, peer, alarms, retries, random: { next: () => 1 } });
    await using client = new Http2Client(proxy.port);
    const answer = client.send({ ...CALL, ":path": "/busy", "grpc-timeout": "1H" }, "");
    await until("the second attempt is there", () => {
      alarms.advance(1_000);
      return origin.requests.length === 2;
    });
    alarms.advance(3_600_000);
    assert.deepEqual(statusIn(await answer), ["head", String(Status.DEADLINE_EXCEEDED)]);
    const left = Number.parseInt(String(origin.requests[1]!.headers["grpc-timeout"]), 10);
    assert.ok(left <= 3_590_000, `${left} ms are left`);
  });

  test("has a longest that the proxy or a program sets, told to servers", async () => {
    const alarms = new ManualAlarmClock();
    const requestFilter = (session: Session): void => {
      if (session.request.headers.has("x-short")) session.limitCall(200);
    };
    await using origin = await startOrigin({ http2: true });
    await using proxy = await startProxy({
      origin,
      peer,
      alarms,
      grpcTimeout: 3_000,
      phases: { requestFilter },
    });
    await using client = new Http2Client(proxy.port);
    const told: (string | undefined)[] = [];
    for (const [i, fields] of [
      {},
      { "grpc-timeout": "9S" },
      { "grpc-timeout": "1S" },
      { "x-short": "1" },
    ].entries()) {
      const answer = client.send({ ...CALL, ...fields }, "");
      told.push((await origin.request(i)).headers["grpc-timeout"]?.toString());
      alarms.advance(3_000);
      assert.equal(statusIn(await answer)[1], String(Status.DEADLINE_EXCEEDED));
    }
    assert.deepEqual(told, ["3000m", "3000m", "1S", "200m"]);
  });

  test("is nothing to requests that are no calls", async () => {
    const alarms = new ManualAlarmClock();
    await using origin = await startOrigin({ http2: true });
    await using proxy = await startProxy({ origin, peer, alarms, grpcTimeout: 10 });
    await using client = new Http2Client(proxy.port);
    const answer = client.send({ ...CALL, "content-type": "text/x", "grpc-timeout": "5m" }, "");
    await origin.request(0);
    alarms.advance(1_000);
    origin.release();
    assert.equal((await answer).status, 200);
  });
});

test("the longest time of a call ends one whose client still sends", async () => {
  await using origin = await GrpcOrigin.start();
  await using proxy = await startProxy({ origin, peer, grpcTimeout: 200 });
  using client = new GrpcClient(proxy.port);
  const talk = client.talk();
  const ended = statusOf(talk);
  const writing = setInterval(() => talk.write(Buffer.alloc(100)), 10);
  const { status } = await ended;
  clearInterval(writing);
  assert.deepEqual([status.code, status.details], [Status.DEADLINE_EXCEEDED, "Deadline exceeded"]);
  await (await origin.call(0)).cancelled;
});

test("clients' deadlines end calls in the middle", async () => {
  await using origin = await GrpcOrigin.start();
  await using proxy = await startProxy({ origin, peer });
  using client = new GrpcClient(proxy.port);
  const calls = Array.from({ length: 50 }, (_, i) =>
    client.unary("x", i % 2 === 0 ? { "x-wait": "-1" } : {}, { timeout: i % 2 === 0 ? 150 + i : 30_000 }),
  );
  for (const [i, { code }] of (await Promise.all(calls)).entries())
    assert.equal(code, i % 2 === 0 ? Status.DEADLINE_EXCEEDED : Status.OK);
  for (const { metadata, cancelled } of origin.seen) if (metadata.get("x-wait").length > 0) await cancelled;
});
