import assert from "node:assert/strict";
import { test } from "node:test";
import type { StreamEvent } from "../../proxy/stream-proxy.ts";
import { toJsonLine, toTextLine } from "./event-lines.ts";

const EVENT: StreamEvent = {
  kind: "timeout",
  proxy: "tcp",
  time: Date.UTC(2026, 0, 2, 3, 4, 5, 6),
  connection: "0-1",
  client: "127.0.0.1:50001",
  detail: "idle for 500 ms",
};

test("an event as a line", () => {
  assert.equal(
    toTextLine(EVENT),
    "2026-01-02T03:04:05.006Z timeout        tcp  127.0.0.1:50001  idle for 500 ms",
  );
  assert.equal(
    toTextLine({ ...EVENT, client: "", detail: "" }),
    "2026-01-02T03:04:05.006Z timeout        tcp",
  );
});

test("an event as JSON", () => {
  const { kind, time, ...rest } = EVENT;
  assert.deepEqual(JSON.parse(toJsonLine(EVENT)), {
    ...{ event: kind, time: new Date(time).toISOString() },
    ...rest,
  });
});
