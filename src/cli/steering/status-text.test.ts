import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createPaint, type Paint } from "./paint.ts";
import { limitsText, listenersText, listText, pluginsText, upstreamsText } from "./status-text.ts";
import type { ApiLimit, ApiServer, ApiUpstream } from "./upstreams-client.ts";

const PIPE = createPaint(false, true);
/** Says where colours are. */
const COLOURED: Paint = { isTerminal: true, colour: (colour, text) => `<${colour}>${text}</>` };
const NOW = 10_000_000;
const ROOM = { width: Number.POSITIVE_INFINITY, now: NOW };

function server(address: string, change: Partial<ApiServer> = {}): ApiServer {
  return {
    ...{ address, state: "up", reason: "", since: NOW - 65_000, weight: 1, ramp: 1, priority: 0, zone: null },
    ...{ requests: 0, latency: null },
    counts: {
      ...{ requests: 0, responses_5xx: 0, connect_failures: 0, failures: 0, retries: 0, ejections: 0 },
    },
    ...change,
  };
}

function upstream(servers: readonly ApiServer[], change: Partial<ApiUpstream> = {}): ApiUpstream {
  return {
    ...{ name: "api", policy: "round_robin", servers, requests: 0, pending: 0, retries: 0 },
    ...{ discovery_error: null },
    ...change,
  };
}

const SERVERS = [
  server("127.0.0.1:3000", {
    ...{ requests: 12, latency: 1.25, weight: 10, ramp: 0.4 },
    counts: {
      ...{ requests: 10_234, responses_5xx: 1, connect_failures: 2, failures: 3, retries: 4, ejections: 5 },
    },
  }),
  server("127.0.0.1:3001", { state: "down", since: NOW - 12_000, reason: "connect ECONNREFUSED" }),
  server("127.0.0.1:3002", {
    state: "draining",
    since: NOW - 3_700_000,
    reason: "by order",
    latency: 1234.5,
  }),
];

describe("the status of a group", () => {
  test("is a table with states, times and reasons", () => {
    const text = upstreamsText([upstream(SERVERS, { requests: 12, pending: 1, retries: 2 })], PIPE, ROOM);
    assert.deepEqual(text.split("\n"), [
      "api: round_robin, 1 of 3 servers up, 12 requests under way, 1 waiting, 2 repeated",
      "STATE    SERVER         SINCE   WEIGHT ACTIVE REQUESTS 5XX FAILED RETRIED EJECTED LATENCY WHY",
      "up       127.0.0.1:3000 1m05s 10 (40%)     12    10234   1      5       4       5  1.3 ms",
      "down     127.0.0.1:3001   12s        1      0        0   0      0       0       0       - connect ECONNREFUSED",
      "draining 127.0.0.1:3002 1h01m        1      0        0   0      0       0       0 1235 ms by order",
      "",
    ]);
  });

  test("names zones and priorities only where there are some", () => {
    const text = upstreamsText([upstream([server("a:1", { zone: "east", priority: 1 })])], PIPE, ROOM);
    assert.match(text, /PRIORITY ZONE ACTIVE/);
    assert.match(text, / 1 east /);
  });

  test("leaves out what matters less where there is no room", () => {
    const text = upstreamsText([upstream(SERVERS)], PIPE, { ...ROOM, width: 60 });
    for (const line of text.split("\n").slice(1)) assert.ok(line.length <= 60, line);
    assert.match(text, /^down +127\.0\.0\.1:3001/m);
  });

  test("is coloured by states", () => {
    const [first = "", , second = "", third = ""] = upstreamsText([upstream(SERVERS)], COLOURED, ROOM).split(
      "\n",
    );
    assert.ok(first.startsWith("<blue>api</>: round_robin, <yellow>1 of 3 servers up</>, 0"), first);
    assert.ok(second.startsWith("<green>up</>       127"), second);
    assert.ok(third.startsWith("<red>down</>     127"), third);
  });

  test("tells why servers can't be looked up, and what has no servers", () => {
    const text = upstreamsText([upstream([], { discovery_error: "dns: \x1b[2Jno such host" })], PIPE, ROOM);
    assert.deepEqual(text.split("\n"), [
      "api: round_robin, 0 of 0 servers up, 0 requests under way",
      "can't look up servers: dns: ·[2Jno such host",
      "no servers",
      "",
    ]);
    assert.equal(upstreamsText([], PIPE, ROOM), "There are no upstreams.\n");
  });
});

test("the list of groups has tabs between fields in a pipe, and is for people on a terminal", () => {
  assert.equal(listText([upstream(SERVERS)], PIPE), "api\tround_robin\t1\t3\n");
  assert.equal(listText([], PIPE), "");
  assert.match(listText([upstream([server("a:1", { requests: 1 })])], COLOURED), /1 of 1 server up/);
});

test("limits are told by how they limit and what they refused", () => {
  const counts = { allowed: 1000, refused: 20, shadowed: 3, errors: 4 };
  const limit: ApiLimit = {
    ...{ name: "per client", algorithm: "fixed_window", limit: 5, window: 60_000, burst: 0, shadow: false },
    ...{ is_remote: false, counts },
  };
  const limits = [
    limit,
    { ...limit, name: "bucket", algorithm: "token_bucket", window: 500, burst: 9, is_remote: true },
    { ...limit, name: "at once", algorithm: "concurrency", shadow: true },
  ];
  assert.deepEqual(limitsText(limits, PIPE, ROOM).split("\n"), [
    "",
    "Limits",
    "NAME       ALGORITHM    LIMIT                   ALLOWED REFUSED SHADOWED ERRORS WHERE",
    "per client fixed_window 5 in 1m00s                 1000      20        3      4 here",
    "bucket     token_bucket 5 in 500ms, bursts of 9    1000      20        3      4 redis",
    "at once    concurrency  5 at once (shadow)         1000      20        3      4 here",
    "",
  ]);
  assert.equal(limitsText([], PIPE, ROOM), "");
});

test("listeners are told with all that has come to them", () => {
  const listener = {
    ...{ name: "web", connections: 20, connections_open: 3, connections_refused: 1, requests: 12_345 },
    ...{ bytes_in: 1_234, bytes_out: 56_789_000, failed: 7 },
  };
  assert.deepEqual(listenersText([listener], PIPE, ROOM).split("\n"), [
    "",
    "Listeners",
    "NAME REQUESTS FAILED CONNECTIONS OPEN REFUSED     IN     OUT",
    "web     12345      7          20    3       1 1.2 kB 56.8 MB",
    "",
  ]);
  assert.equal(listenersText([], PIPE, ROOM), "");
});

test("plugins are told with how often their processes ended", () => {
  const plugin = {
    ...{ name: "rot", title: "rot13", version: "0123456789ab", isolate: "process", connections: 12 },
    ...{ connections_open: 3, calls: 4000, failed: 2, restarts: 1 },
  };
  const inside = { ...plugin, name: "odd\u001b", isolate: "none", restarts: 0 };
  assert.deepEqual(pluginsText([plugin, inside], PIPE, ROOM).split("\n"), [
    "",
    "Plugins",
    "NAME PLUGIN VERSION      OPEN CONNECTIONS CALLS ERRORS RESTARTS",
    "rot  rot13  0123456789ab    3          12  4000      2        1",
    "odd· rot13  0123456789ab    3          12  4000      2        -",
    "",
  ]);
  assert.equal(pluginsText([], PIPE, ROOM), "");
});
