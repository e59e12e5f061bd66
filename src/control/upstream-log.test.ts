import assert from "node:assert/strict";
import { test } from "node:test";
import { pino } from "pino";
import { FakeUpstreams } from "../../test/kit/fake-upstreams.ts";
import { logUpstreams } from "./upstream-log.ts";

/** The lines that a log has of these events: level and message, with the facts behind. */
function logOf(tell: (upstreams: FakeUpstreams) => void): (readonly [number, string, object])[] {
  const lines: string[] = [];
  const upstreams = new FakeUpstreams();
  const log = pino({ base: null, timestamp: false }, { write: (line) => void lines.push(line) });
  const forget = logUpstreams(upstreams, log);
  tell(upstreams);
  forget();
  assert.equal(upstreams.listeners, 0);
  return lines.map((line) => {
    const { level, msg, ...facts } = JSON.parse(line) as { level: number; msg: string };
    return [level, msg, facts];
  });
}

const INFO = 30;
const WARN = 40;
const ERROR = 50;
const group = "api";
const address = "a:1";

test("servers are told by what became of them and why", () => {
  const told = logOf((upstreams) => {
    const event = { kind: "server", group, address, time: 0 } as const;
    upstreams.tell({ ...event, from: "up", to: "down", reason: "status 500" });
    upstreams.tell({ ...event, from: "down", to: "up", reason: "" });
    upstreams.tell({ ...event, from: "up", to: "ejected", reason: "5 failures in a row" });
    upstreams.tell({ ...event, from: "ejected", to: "draining", reason: "by order" });
    upstreams.tell({ ...event, from: "draining", to: "disabled", reason: "by order" });
  });
  const facts = { upstream: group, server: address };
  assert.deepEqual(told, [
    [WARN, "A server is down", { ...facts, reason: "status 500" }],
    [INFO, "A server is back", { ...facts, was: "down" }],
    [
      WARN,
      "A server failed too many requests and is left out for a while",
      { ...facts, reason: "5 failures in a row" },
    ],
    [INFO, "A server is drained", { ...facts, reason: "by order" }],
    [INFO, "A server is disabled", { ...facts, reason: "by order" }],
  ]);
});

test("groups are told when none of their servers is left, when one is again, and when others come", () => {
  const told = logOf((upstreams) => {
    upstreams.tell({ kind: "group", group, isDown: true, time: 0 });
    upstreams.tell({ kind: "group", group, isDown: false, time: 0 });
    upstreams.tell({ kind: "servers", group, added: ["b:1"], removed: [address], time: 0 });
  });
  assert.deepEqual(told, [
    [ERROR, "None of an upstream's servers is available", { upstream: group }],
    [INFO, "An upstream is available again", { upstream: group }],
    [INFO, "An upstream has other servers", { upstream: group, added: ["b:1"], removed: [address] }],
  ]);
});

test("a discovery that fails says why", () => {
  const told = logOf((upstreams) =>
    upstreams.tell({ kind: "discovery", group, message: "no such host", time: 0 }),
  );
  assert.deepEqual(told, [
    [WARN, "An upstream's servers can't be looked up", { upstream: group, reason: "no such host" }],
  ]);
});
