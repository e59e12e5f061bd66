import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { proxyMeans } from "../../../test/kit/proxy-means.ts";
import { createSession, type SessionInit } from "../../../test/kit/session.ts";
import { parseConfig } from "../../config/load.ts";
import { createConfiguredProxy, type RouteContext } from "../configured-proxy.ts";
import type { ProxySettings } from "../settings.ts";
import { allocateFaultCounts } from "./fault-counts.ts";
import { HttpFaults, type HttpFaultsOptions } from "./http-faults.ts";

/** A listener with one route that answers `ok` and has these faults. */
function settingsWith(faults: string): ProxySettings {
  return parseConfig(
    `listeners: [{ bind: 0, name: main, forwarded: { trusted_proxies: [192.0.2.0/24] }, respond: ok, faults: [${faults}] }]`,
    "a.yaml",
    {},
  );
}

class Rig {
  readonly faults: HttpFaults;
  readonly #filter: (init: SessionInit) => number;

  constructor(faults: string, options: Partial<HttpFaultsOptions> = {}, settings = settingsWith(faults)) {
    this.faults = new HttpFaults(settings, "main", { seed: "seed", ...options });
    const phases = createConfiguredProxy(settings, "main", proxyMeans(settings, "main", this.faults));
    this.#filter = (init) => {
      const lone = createSession<RouteContext>(init);
      phases.requestFilter!(lone.session);
      return lone.answer!.status;
    };
  }

  ask(init: SessionInit = {}): number {
    return this.#filter(init);
  }

  /** Which of so many requests the only fault strikes: their numbers, 1 for the first. */
  struck(requests: number, init: SessionInit = {}): number[] {
    const numbers = Array.from({ length: requests }, (_, i) => i + 1);
    return numbers.filter(() => this.ask(init) === 503);
  }
}

describe("a fault strikes", () => {
  test("every request unless it is told otherwise", () => {
    assert.deepEqual(new Rig("{ abort: 503 }").struck(3), [1, 2, 3]);
  });

  test("the first so many", () => {
    assert.deepEqual(new Rig("{ first: 2, abort: 503 }").struck(5), [1, 2]);
  });

  test("every so many-th", () => {
    assert.deepEqual(new Rig("{ every: 3, abort: 503 }").struck(10), [3, 6, 9]);
  });

  test("what all that is said of it leaves", () => {
    assert.deepEqual(new Rig("{ first: 6, every: 2, abort: 503 }").struck(12), [2, 4, 6]);
    assert.deepEqual(new Rig("{ first: 6, percentage: 0, abort: 503 }").struck(12), []);
  });

  test("only requests that match, and counts no others", () => {
    const rig = new Rig("{ first: 1, abort: 503, match: { method: POST, path: /a/* } }");
    const asked = [
      { method: "POST", target: "/b" },
      { method: "GET", target: "/a/x" },
      { method: "POST", target: "/a/%78?q" },
      { method: "POST", target: "/a/x" },
    ].map((init) => rig.ask(init));
    assert.deepEqual(asked, [200, 200, 503, 200]);
  });

  test("by any matcher of routes, whatever the path may be read as", () => {
    const ask = (match: string, init: SessionInit): number =>
      new Rig(`{ abort: 503, match: ${match} }`).ask(init);
    assert.equal(ask("{ header: { x-a: 1 } }", { headers: ["X-A: 1"] }), 503);
    assert.equal(ask("{ query: { q: true } }", { target: "/?q" }), 503);
    assert.equal(ask("{ client: 203.0.113.9 }", { headers: ["X-Forwarded-For: 203.0.113.9"] }), 503);
    assert.equal(ask("{ not: { host: a.example } }", {}), 200);
    assert.equal(ask("/a/b", { target: "/a%2fb" }), 503);
    assert.equal(ask("/a", { target: "/x/../a" }), 200);
  });

  test("the requests of each value of its key", () => {
    const rig = new Rig("{ first: 1, key: X-User, abort: 503 }");
    const users = ["ann", "bob", "ann", "bob", "cyn"];
    assert.deepEqual(
      users.map((user) => rig.ask({ headers: [`X-User: ${user}`] })),
      [503, 503, 200, 200, 503],
    );
    assert.deepEqual(rig.struck(3), [1]);
  });

  test("as many in all as it may, in however many threads", () => {
    const settings = settingsWith("{ first: 3, abort: 503 }");
    const counts = allocateFaultCounts(settings);
    const threads = [1, 2, 3].map((thread) => new Rig("", { seed: `${thread}`, counts }, settings));
    const struck = threads.flatMap((rig) => rig.struck(2));
    assert.deepEqual(struck, [1, 2, 1]);
  });
});

describe("a percentage", () => {
  test("is the share of requests that it strikes", () => {
    const { length } = new Rig("{ percentage: 30, abort: 503 }").struck(10_000);
    assert.ok(Math.abs(length - 3_000) < 150, `${length} of 10000`);
    assert.equal(new Rig("{ percentage: 100, abort: 503 }").struck(100).length, 100);
  });

  test("strikes the same requests with the same seed, and others with another", () => {
    const struck = (seed: string): number[] =>
      new Rig("{ percentage: 30, abort: 503 }", { seed }).struck(200);
    assert.deepEqual(struck("a"), struck("a"));
    assert.notDeepEqual(struck("a"), struck("b"));
  });

  test("isn't disturbed by what other faults draw", () => {
    const both = "{ name: a, percentage: 30, abort: 503 }, { name: b, percentage: 50, delay: 1s }";
    const [alone, beside] = [both.slice(0, both.indexOf("}") + 1), both].map((faults) => {
      const rig = new Rig(faults);
      const hits: number[] = [];
      for (let i = 0; i < 50; i++) {
        const before = rig.faults.list()[0]!.hits;
        try {
          rig.ask();
        } catch {
          // A request that waits has no answer yet.
        }
        hits.push(rig.faults.list()[0]!.hits - before);
      }
      return hits;
    });
    assert.deepEqual(alone, beside);
  });
});

describe("faults by their names", () => {
  const faults = "{ name: busy, first: 1, abort: 503 }, { enabled: false, abort: 429 }";

  test("are listed with what they have struck", () => {
    const rig = new Rig(faults);
    rig.ask();
    assert.deepEqual(rig.faults.list(), [
      { name: "busy", route: "routes[0]", enabled: true, hits: 1 },
      { name: "routes[0].faults[1]", route: "routes[0]", enabled: false, hits: 0 },
    ]);
  });

  test("are switched on and off, and begin to count anew", () => {
    const rig = new Rig(faults);
    assert.deepEqual([rig.ask(), rig.ask()], [503, 200]);
    rig.faults.setEnabled("routes[0].faults[1]", true);
    rig.faults.setEnabled("busy", true);
    assert.deepEqual([rig.ask(), rig.ask()], [429, 429]);
    rig.faults.setEnabled("busy", false);
    rig.faults.setEnabled("routes[0].faults[1]", false);
    assert.equal(rig.ask(), 200);
    rig.faults.setEnabled("busy", true);
    assert.deepEqual([rig.ask(), rig.ask()], [503, 200]);
  });

  test("count on in a thread that catches up with others", () => {
    const settings = settingsWith("{ name: busy, enabled: false, first: 2, abort: 503 }");
    const counts = allocateFaultCounts(settings);
    const [old, young] = [1, 2].map((thread) => new Rig("", { seed: `${thread}`, counts }, settings));
    old!.faults.setEnabled("busy", true);
    assert.equal(old!.ask(), 503);
    young!.faults.setEnabled("busy", true, true);
    assert.deepEqual([young!.ask(), young!.ask()], [503, 200]);
  });

  test("have to be there", () => {
    assert.throws(() => new Rig(faults).faults.setEnabled("lazy", true), /no fault "lazy"/);
    assert.throws(() => new HttpFaults(settingsWith(faults), "other", { seed: "" }), /no listener "other"/);
  });
});

test("of several that answer the first one does", () => {
  assert.equal(new Rig("{ abort: 500 }, { abort: 501 }").ask(), 500);
});
