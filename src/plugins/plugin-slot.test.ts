import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { sumOf } from "../base/traffic/log-buckets.ts";
import { HISTOGRAM_AT, TrafficCount } from "../base/traffic/traffic-row.ts";
import { type Plugin, PluginError, TO_CLIENT, TO_UPSTREAM } from "./plugin.ts";
import { allocatePluginCounts, PluginCounts, sumPluginCounts } from "./plugin-counts.ts";
import { PluginRow } from "./plugin-row.ts";
import { PluginSlot } from "./plugin-slot.ts";

/** Writes its name behind what comes, and down what becomes of it. */
function stamp(name: string, log: string[], more: Partial<Plugin> = {}): Plugin {
  return {
    name,
    transforms: true,
    filtersRequests: true,
    openConnection: (client) => {
      log.push(`${name} open ${client}`);
      return {
        transform: (_direction, bytes, start, end) =>
          Buffer.from(`${bytes.toString("latin1", start, end)}${name}`),
        close: () => void log.push(`${name} close`),
      };
    },
    filterRequest: (head) => `${head}${name}`,
    close: () => void log.push(`${name} free`),
    ...more,
  };
}

const BYTES = Buffer.from("-");

describe("the place of a plugin", () => {
  test("keeps connections with what they began with, and frees that when the last is closed", () => {
    const log: string[] = [];
    const slot = new PluginSlot("stamp", stamp("old", log), PluginCounts.local());
    const [first, second] = [slot.openConnection("a"), slot.openConnection("b")];
    slot.replace(stamp("new", log));
    const third = slot.openConnection("c");
    const seen = [first, third].map((connection) => String(connection.transform(TO_UPSTREAM, BYTES, 0, 1)));
    assert.deepEqual(seen, ["-old", "-new"]);
    first.close();
    first.close();
    assert.ok(!log.includes("old free"));
    second.close();
    slot.close();
    third.close();
    assert.deepEqual(log.slice(2), [
      "new open c",
      "old close",
      "old close",
      "old free",
      "new close",
      "new free",
    ]);
  });

  test("lets go at once of what nobody uses, also of what comes when it is closed", () => {
    const log: string[] = [];
    const slot = new PluginSlot("stamp", stamp("one", log), PluginCounts.local());
    slot.replace(stamp("two", log));
    slot.close();
    slot.replace(stamp("three", log));
    assert.deepEqual(log, ["one free", "two free", "three free"]);
    for (const use of [() => slot.openConnection(""), () => slot.filterRequest("")])
      assert.throws(use, { name: "PluginError", message: "Plugin stamp: it is used no more" });
  });

  test("counts what goes through in all threads, and says whose fault an error is", async () => {
    const memory = allocatePluginCounts(2);
    const log: string[] = [];
    const fails = (): never => {
      throw new PluginError("broken");
    };
    const slots = [0, 1].map((row) => new PluginSlot("p", stamp("s", log), new PluginCounts(memory, row)));
    for (const slot of slots) {
      const connection = slot.openConnection("");
      connection.transform(TO_UPSTREAM, BYTES, 0, 1);
      connection.transform(TO_CLIENT, BYTES, 0, 1);
      slot.filterRequest("");
      if (slot === slots[0]) connection.close();
    }
    const [slot] = slots;
    slot!.replace(
      stamp("bad", log, { openConnection: fails, filterRequest: () => Promise.reject(new Error("later")) }),
    );
    assert.throws(() => slot!.openConnection(""), { name: "PluginError", message: "Plugin p: broken" });
    await assert.rejects(async () => slot!.filterRequest(""), { message: "Plugin p: later" });
    slot!.replace(stamp("no", log, { filterRequest: () => 403 }));
    assert.equal(slot!.filterRequest(""), 403);
    const { nanoseconds, latencies, ...counts } = sumPluginCounts(memory);
    assert.ok(nanoseconds > 0);
    // The first of each thread, and then every eighth: those that failed have no end.
    assert.equal(sumOf(latencies.subarray(HISTOGRAM_AT)), 2);
    assert.ok(latencies[TrafficCount.latencyMax]! > 0);
    assert.deepEqual(counts, {
      ...{ connections: 2, connectionsOpen: 1, requests: 3, refusals: 1, calls: 8, errors: 2, restarts: 0 },
      ...{ bytesInUp: 2, bytesOutUp: 4, bytesInDown: 2, bytesOutDown: 4 },
    });
  });
});

describe("plugins in a row", () => {
  test("stand with the first next to the client, in both directions", () => {
    const row = new PluginRow([stamp("a", []), stamp("b", [])]);
    for (const [direction, expected] of [
      [TO_UPSTREAM, "-ab"],
      [TO_CLIENT, "-ba"],
    ] as const) {
      let text = "";
      const owner = {
        onPiped(bytes: Buffer) {
          text += String(bytes);
        },
        ...{ onPipedEnd() {}, onPipeBusy() {}, onPipeIdle() {}, onPipeFailed() {} },
      };
      row.open("").pipe(direction, owner).push(BYTES, 0, 1);
      assert.equal(text, expected);
    }
  });

  test("see a head as the one before left it, until one answers", async () => {
    const seen: string[] = [];
    const later = stamp("b", [], { filterRequest: async (head) => `${head}b` });
    const row = new PluginRow([stamp("a", []), later, stamp("c", [])]);
    assert.equal(await row.filterRequest("-", (head) => void seen.push(head)), "-abc");
    assert.deepEqual(seen, ["-a", "-ab", "-abc"]);
    const refusing = new PluginRow([
      stamp("a", []),
      stamp("b", [], { filterRequest: () => 403 }),
      stamp("c", []),
    ]);
    assert.equal(
      refusing.filterRequest("-", () => undefined),
      403,
    );
    const passing = stamp("a", [], { filterRequest: () => null });
    assert.equal(
      new PluginRow([passing]).filterRequest("-", () => undefined),
      null,
    );
  });

  test("open no connection when one of them can't", () => {
    const log: string[] = [];
    const broken = stamp("b", log, {
      openConnection: () => {
        throw new PluginError("no");
      },
    });
    assert.throws(() => new PluginRow([stamp("a", log), broken]).open("x"), /no/);
    assert.deepEqual(log, ["a open x", "a close"]);
  });
});
