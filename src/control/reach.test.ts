import assert from "node:assert/strict";
import { test } from "node:test";
import { reachesEarlier } from "./reach.ts";

test("threads before the current ones hear what they can use", () => {
  const [one, other] = [new SharedArrayBuffer(8), new SharedArrayBuffer(8)];
  const [before, now] = [{ groups: new Map([["api", one]]) }, { groups: new Map([["api", other]]) }];
  assert.equal(reachesEarlier({ do: "traffic" }, before, now), true);
  assert.equal(reachesEarlier({ do: "listen" }, before, now), false);
  const servers = { do: "setServers", upstream: "api", servers: [] } as const;
  assert.equal(reachesEarlier(servers, before, before), true);
  assert.equal(reachesEarlier(servers, before, now), false);
});
