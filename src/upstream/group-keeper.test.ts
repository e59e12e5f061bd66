import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualAlarmClock } from "../base/alarms.ts";
import { seededRandom } from "../base/random.ts";
import { GroupKeeper } from "./group-keeper.ts";
import { GroupMemory } from "./group-memory.ts";
import { DEFAULT_GROUP } from "./group-settings.ts";
import { toInit } from "./server.ts";
import { ServerGroup } from "./server-group.ts";

test("smoke", async () => {
  const clock = new ManualAlarmClock();
  const random = seededRandom("a");
  const memory = GroupMemory.local(8);
  const settings = { ...DEFAULT_GROUP, servers: ["a:1", "b:1", "c:1"].map(toInit) };
  const group = new ServerGroup(settings, memory, { clock, random });
  const keeper = new GroupKeeper("g", settings, memory, {
    ...{ clock, random },
    onServers: (records) => group.setServers(records),
    onEvent: () => undefined,
  });
  await keeper.start();
  const names = () => Array.from({ length: 6 }, () => group.select(null, null).address[0]).join("");
  assert.equal(names(), "abcabc");
  keeper.order("b:1", "disabled");
  assert.equal(names().includes("b"), false);
  keeper.setServers(["a:1", "d:1"].map(toInit));
  assert.deepEqual([...new Set(names())].sort(), ["a", "d"]);
  keeper.stop();
});
