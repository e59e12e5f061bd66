import assert from "node:assert/strict";
import { test } from "node:test";
import { connectionState } from "../../test/kit/fake-steering.ts";
import { ConnectionMeter } from "./connection-meter.ts";

test("rates are what came between two looks", () => {
  const meter = new ConnectionMeter();
  meter.take([connectionState({ bytesUp: 1000, bytesDown: 5000 })], 250);
  const [connection] = meter.take([connectionState({ bytesUp: 1500, bytesDown: 7000 })], 500);
  assert.deepEqual(connection?.history, [0, 5000]);
  assert.deepEqual(meter.up.history, [0, 1000]);
  assert.deepEqual(meter.down.history, [0, 4000]);
  assert.equal(meter.down.rate, 2000);
});

test("the first look tells nothing of rates, a connection that came later does", () => {
  const meter = new ConnectionMeter();
  assert.equal(meter.take([connectionState({ bytesUp: 1e9 })], 250)[0]?.rate, 0);
  const [, second] = meter.take(
    [connectionState({ bytesUp: 1e9 }), connectionState({ id: "2", bytesUp: 250 })],
    250,
  );
  assert.equal(second?.rate, 1000);
  assert.deepEqual(meter.up.history, [0, 1000]);
});

test("connections that went take their bytes with them, never below nothing", () => {
  const meter = new ConnectionMeter();
  meter.take([connectionState({ bytesUp: 1000 })], 250);
  meter.take([], 250);
  assert.deepEqual(meter.up.history, [0, 0]);
});

test("histories stay short", () => {
  const meter = new ConnectionMeter();
  for (let i = 0; i < 500; i++) meter.take([connectionState({ bytesUp: i })], 250);
  assert.ok(meter.up.history.length <= 120);
});
