import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { HTTP_PROBE, TCP } from "../../../test/kit/checker-stage.ts";
import { until } from "../../../test/kit/deadline.ts";
import { startOrigin } from "../../../test/kit/origins.ts";
import { startRawOrigin } from "../../../test/kit/raw-origin.ts";
import { type AlarmClock, ManualAlarmClock, threadAlarms } from "../../base/alarms.ts";
import { seededRandom } from "../../base/random.ts";
import { parseAddress } from "../../net/address.ts";
import type { HealthCheckSettings } from "../group-settings.ts";
import { createProbe } from "./create-probe.ts";
import { HealthChecker } from "./health-checker.ts";

describe("a checker of a real server", () => {
  const http: HealthCheckSettings = { ...TCP, ...HTTP_PROBE, kind: "http" };

  function checkerOf(settings: HealthCheckSettings, address: string, clock: AlarmClock) {
    const changes: string[] = [];
    const onChange = (isHealthy: boolean, reason: string): void =>
      void changes.push(`${isHealthy ? "up" : "down"}: ${reason}`);
    const probe = createProbe(settings);
    const means = { clock, random: seededRandom("checker"), probe, onChange };
    return { changes, checker: new HealthChecker(settings, parseAddress(address), means) };
  }

  test("sends nothing before the first interval has passed", async () => {
    await using origin = await startOrigin();
    const clock = new ManualAlarmClock();
    const { checker } = checkerOf({ ...http, jitter: 0.1 }, origin.address, clock);
    checker.start();
    for (let i = 0; i < 100; i++) {
      clock.advance(9.99);
      await nextTurn();
    }
    assert.equal(origin.connectionCount, 0);
    clock.advance(101);
    await origin.request(0);
    checker.stop();
  });

  test("sends nothing before the first interval has passed on a real clock", async () => {
    await using origin = await startOrigin();
    const settings = { ...http, interval: 200, jitter: 0.5 };
    const { checker } = checkerOf(settings, origin.address, threadAlarms);
    const start = performance.now();
    const first = new Promise<number>((resolve) => {
      origin.server.once("connection", () => resolve(performance.now() - start));
    });
    checker.start();
    const waited = await first;
    checker.stop();
    assert.ok(waited > 199, `${waited} ms`);
  });

  test("tells when it fails and when it answers again", async () => {
    await using origin = await startOrigin();
    let status = 200;
    origin.handle("/", ({ response }) => {
      response.statusCode = status;
      response.end();
    });
    const clock = new ManualAlarmClock();
    const { checker, changes } = checkerOf(http, origin.address, clock);
    checker.start();
    for (const [answer, expected] of [
      [200, []],
      [500, ["down: status 500"]],
      [503, ["down: status 500"]],
      [204, ["down: status 500", "up: answers again"]],
    ] as const) {
      status = answer;
      const before = origin.requests.length;
      clock.advance(1000);
      await (await origin.request(before)).finished;
      await until("it is told", () => changes.length === expected.length && origin.openConnections === 0);
      assert.deepEqual(changes, expected);
    }
    checker.stop();
  });

  test("gives up one that accepts and never answers", async () => {
    await using silent = await startRawOrigin([]);
    const clock = new ManualAlarmClock();
    const { checker, changes } = checkerOf(http, silent.address, clock);
    checker.start();
    clock.advance(1000);
    const connection = await silent.connection(0);
    await connection.readHead();
    clock.advance(300);
    assert.deepEqual(changes, ["down: no answer within 300 ms"]);
    await connection.closed;
    checker.stop();
  });
});
