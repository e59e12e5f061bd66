import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createSession } from "../../../test/kit/session.ts";
import { ProxyError } from "../../base/errors.ts";
import type { ProxyPhases } from "../../proxy/phases.ts";
import type { Session } from "../../proxy/session.ts";
import { FilterChain, HOOKED_PHASES, type HookedPhase } from "./filter-chain.ts";
import type { FilterPhases } from "./filter-module.ts";
import { withFilters } from "./filter-phases.ts";
import type { OwnFilter } from "./own-filter.ts";

type Call = (session: Session<unknown>, ...more: readonly unknown[]) => unknown;

function filter(name: string, phases: Readonly<Record<string, Call>>): OwnFilter {
  return { name, module: `${name}.ts`, phases: phases as FilterPhases<unknown> };
}

/** Phases of a proxy behind a listener's filters and those of its only route, and a session whose route is chosen. */
function stage(
  listener: readonly OwnFilter[],
  route: readonly OwnFilter[],
  own: object = {},
): { phases: Record<string, Call>; session: Session<unknown> } {
  const before = new FilterChain(listener, "the listener web");
  const chain = new FilterChain(route, "the route pages", listener);
  const proxy = { upstreamPeer: () => null, ...own } as unknown as ProxyPhases<unknown>;
  const phases = withFilters(proxy, before, [chain]) as unknown as Record<string, Call>;
  const { session } = createSession<unknown>();
  phases["newContext"]?.(session);
  phases["earlyRequestFilter"]?.(session);
  chain.begin(
    session,
    chain.hooks.requestFilter === null ? null : (each) => chain.hooks.requestFilter!.run(each),
  );
  return { phases, session };
}

/** A filter that says in each phase that it was called. */
function caller(name: string, calls: string[]): OwnFilter {
  const say = (phase: HookedPhase): [string, Call] => [phase, () => void calls.push(`${name} ${phase}`)];
  return filter(name, Object.fromEntries(HOOKED_PHASES.map(say)));
}

describe("the phases of filters", () => {
  test("are called in the order in which requests and responses meet them", () => {
    const calls: string[] = [];
    const said = { responseFilter: () => void calls.push("proxy"), suppressErrorLog: () => true };
    const { phases, session } = stage([caller("one", calls)], [caller("two", calls)], said);
    assert.deepEqual(calls.splice(0), [
      ...["one earlyRequestFilter", "two earlyRequestFilter", "one requestFilter", "two requestFilter"],
    ]);
    const backwards = new Set<string>([
      "responseFilter",
      "upstreamResponseFilter",
      "failToProxy",
      "responseCacheFilter",
    ]);
    for (const phase of HOOKED_PHASES.slice(2)) {
      const isTowardsClient = backwards.has(phase) || phase.endsWith("TrailerFilter");
      const order = isTowardsClient ? ["two", "one"] : ["one", "two"];
      const expected = order.map((name) => `${name} ${phase}`);
      phases[phase]!(session, null, null);
      assert.deepEqual(calls.splice(0), phase === "responseFilter" ? ["proxy", ...expected] : expected);
    }
    assert.equal(phases["suppressErrorLog"]!(session, null), true);
    assert.equal(phases["shouldServeStale"]!(session, null), true);
  });

  test("serve nothing stale that one of them is against, and wait for nobody there", () => {
    const { phases, session } = stage([filter("no", { shouldServeStale: () => false })], [caller("yes", [])]);
    assert.equal(phases["shouldServeStale"]!(session, 503), false);
    const own = { shouldServeStale: () => Promise.resolve(true) };
    const later = stage([caller("yes", [])], [], own);
    assert.ok(
      later.phases["shouldServeStale"]!(later.session, null) instanceof Promise,
      "whoever asks refuses that",
    );
  });

  test("end with who answers or refuses, and with nothing else that is returned", async () => {
    const calls: string[] = [];
    const no = filter("no", { requestFilter: () => false, proxyUpstreamFilter: async () => false });
    const { phases, session } = stage([no], [caller("next", calls)], {
      proxyUpstreamFilter: () => void calls.push("proxy"),
    });
    assert.deepEqual(calls.splice(0), ["next earlyRequestFilter", "next requestFilter"]);
    assert.equal(await phases["proxyUpstreamFilter"]!(session), false);
    assert.deepEqual(calls.splice(0), []);

    const answers = filter("answers", { requestFilter: (each) => each.respond({ status: 204 }) });
    stage([answers], [caller("next", calls)]);
    assert.deepEqual(calls.splice(0), ["next earlyRequestFilter"]);
  });

  test("say whose error it is, and leave alone what was thrown on purpose", async () => {
    const refusal = new ProxyError("NO_PEER");
    const late = filter("late", {
      errorWhileProxy: async () => undefined,
      responseFilter: () => Promise.reject("no words"),
      upstreamResponseFilter: () => {
        throw refusal;
      },
    });
    const { phases, session } = stage([], [late]);
    const of = (phase: string, what: string): RegExp =>
      new RegExp(
        `^A filter threw an error: ${phase} of the filter late \\(late\\.ts\\) on the route pages: ${what}$`,
      );
    assert.throws(() => phases["errorWhileProxy"]!(session), {
      code: "FILTER_FAILED",
      message: of("errorWhileProxy", "it returned a promise, but is synchronous"),
    });
    await assert.rejects(Promise.resolve(phases["responseFilter"]!(session)), {
      message: of("responseFilter", "no words"),
    });
    assert.throws(
      () => phases["upstreamResponseFilter"]!(session),
      (error) => error === refusal,
    );
  });

  test("are those of filters that have a context, also when another one fails to make its own", () => {
    const calls: string[] = [];
    const bad = filter("bad", {
      newContext: () => {
        throw new Error("never");
      },
      logging: () => void calls.push("bad logging"),
    });
    const chain = new FilterChain([caller("one", calls), bad, caller("two", calls)], "the listener web");
    const proxy = { upstreamPeer: () => assert.fail() } as ProxyPhases<unknown>;
    const phases = withFilters(proxy, chain, []) as unknown as Record<string, Call>;
    const { session } = createSession<unknown>();
    assert.throws(() => phases["newContext"]!(session), /newContext of the filter bad .*: never$/);
    phases["failToProxy"]!(session, null);
    phases["logging"]!(session, null);
    assert.deepEqual(calls, ["one failToProxy", "one logging"]);
  });

  test("log whatever becomes of the log of another", async () => {
    const calls: string[] = [];
    const broken = filter("broken", {
      logging: () => {
        throw new Error("broken");
      },
    });
    const slow = filter("slow", { logging: () => Promise.reject(new Error("slow")) });
    for (const own of [{}, broken.phases]) {
      const { phases, session } = stage([broken, caller("one", calls)], [slow, caller("two", calls)], own);
      calls.length = 0;
      await assert.rejects(async () => await phases["logging"]!(session, null), /broken/);
      assert.deepEqual(calls, ["one logging", "two logging"]);
    }
  });
});
