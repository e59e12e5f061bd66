import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { BARE_ROUTE } from "../../test/kit/bare-route.ts";
import { KeptGroup } from "../../test/kit/kept-group.ts";
import { proxyMeans } from "../../test/kit/proxy-means.ts";
import { createSession, type LoneSession, type SessionInit } from "../../test/kit/session.ts";
import { parseConfig } from "../config/load.ts";
import { ResponseHead } from "../http/heads.ts";
import type { ProxyPhases } from "../proxy/phases.ts";
import { DEFAULT_RETRY_POLICY } from "../proxy/retries.ts";
import type { Session } from "../proxy/session.ts";
import { DEFAULT_GROUP } from "../upstream/group-settings.ts";
import { createConfiguredProxy, type RouteContext } from "./configured-proxy.ts";
import type { FilterPhases } from "./modules/filter-module.ts";
import type { Action, ProxySettings, RouteSettings, UpstreamSettings } from "./settings.ts";

function toUpstream(upstream: string, request: (Action & { kind: "upstream" })["request"] = null): Action {
  return { kind: "upstream", upstream, request, split: null, mirror: null };
}

function upstreamOf(name: string, ...addresses: readonly string[]): UpstreamSettings {
  const servers = addresses.map((address) => ({ address, weight: 1, priority: 0, zone: null }));
  const retries = { ...DEFAULT_RETRY_POLICY, onConnectFailure: true };
  return { ...DEFAULT_GROUP, name, servers, peer: {}, hashBy: [], sticky: null, retries };
}

function settings(...routes: readonly Partial<RouteSettings>[]): ProxySettings {
  return {
    listeners: [
      {
        name: "main",
        forwarding: { trustedProxies: [] },
        plugins: [],
        filters: [],
        routes: routes.map((route, i) => {
          return { ...BARE_ROUTE, name: `r${i}`, action: toUpstream("one"), ...route };
        }),
      },
    ],
    upstreams: [upstreamOf("one", "10.0.0.1:80"), upstreamOf("two", "10.0.0.1:80", "10.0.0.2:80")],
  };
}

type Phases = ProxyPhases<RouteContext>;

function proxy(...routes: readonly Partial<RouteSettings>[]): Phases {
  const all = settings(...routes);
  return createConfiguredProxy(all, "main", proxyMeans(all, "main"));
}

function run(phases: Phases, init: SessionInit = {}): LoneSession<RouteContext> {
  const lone = createSession<RouteContext>(init);
  phases.requestFilter?.(lone.session);
  return lone;
}

function choose(phases: Phases, { session }: LoneSession<RouteContext>): string {
  session.tries++;
  session.peer = phases.upstreamPeer(session) as NonNullable<typeof session.peer>;
  return session.peer.toString();
}

function mayTryAgain({ session }: LoneSession<RouteContext>): boolean {
  const gate = session.retryGate!;
  const isLetIn = gate.enter(session as Session<unknown>);
  if (isLetIn) gate.leave();
  return isLetIn;
}

/** What becomes of a session whose servers all refuse: those that were tried. */
function tryAll(phases: Phases): string {
  const lone = run(phases);
  const tried: string[] = [];
  for (;;) {
    tried.push(choose(phases, lone));
    if (!mayTryAgain(lone)) return tried.join(" ");
  }
}

describe("a listener with one upstream", () => {
  test("has nothing but the phases that choose a server", () => {
    for (const upstream of ["one", "two"]) {
      const phases = proxy({ action: toUpstream(upstream) }, { match: { kind: "method", methods: ["GET"] } });
      assert.deepEqual(Object.keys(phases).sort(), ["upstreamPeer"]);
    }
  });

  test("looks at requests once it has a fault", () => {
    const { listeners } = parseConfig(
      "listeners: [{ bind: 0, upstream: 3000, faults: [{ abort: 503 }] }]",
      "a.yaml",
      {},
    );
    const phases = proxy({ faults: listeners[0]!.routes[0]!.faults });
    assert.deepEqual(Object.keys(phases).sort(), ["requestFilter", "upstreamPeer"]);
    assert.equal(run(phases).answer?.status, 503);
  });

  test("has the phases of its filters and no others", () => {
    const named: Record<string, FilterPhases<unknown>> = {
      header: { responseFilter() {} },
      body: { newContext: () => 1, responseBodyFilter() {} },
      plain: { logging() {} },
    };
    const filters = new Map(
      Object.entries(named).map(([name, phases]) => [name, { name, module: `${name}.ts`, phases }]),
    );
    const phasesOf = (own: readonly string[], ofRoute: readonly string[] = []): string[] => {
      const all = settings({ action: toUpstream("one"), filters: ofRoute });
      const [listener] = all.listeners;
      const filtered = { ...all, listeners: [{ ...listener!, filters: own }] };
      return Object.keys(
        createConfiguredProxy(filtered, "main", { ...proxyMeans(filtered, "main"), filters }),
      ).sort();
    };
    const always = ["requestFilter", "upstreamPeer"];
    assert.deepEqual(phasesOf([], ["header"]), [...always, "responseFilter"].sort());
    assert.deepEqual(phasesOf([], ["body"]), always);
    assert.deepEqual(phasesOf(["plain"], ["body"]), ["logging", "newContext", ...always]);
    assert.throws(() => phasesOf(["nobody"]), RangeError);
  });

  test("counts a repeated attempt for the server that failed before it", () => {
    const all = settings({ action: toUpstream("two") });
    const { group, ...rig } = new KeptGroup({ servers: ["10.0.0.1:80", "10.0.0.2:80"] });
    const phases = createConfiguredProxy(all, "main", {
      ...proxyMeans(all, "main"),
      groups: new Map([["two", group]]),
    });
    assert.equal(tryAll(phases), "10.0.0.1:80 10.0.0.2:80");
    assert.deepEqual(
      rig.keeper.status().servers.map(({ counts }) => counts.retries),
      [1, 0],
    );
  });

  test("sends requests of one key to one server, and spreads those that have none", () => {
    for (const policy of ["ketama", "maglev"] as const) {
      const all = settings({});
      const hashBy = [{ kind: "header", name: "x-user" } as const];
      const upstreams = [{ ...upstreamOf("one", "10.0.0.1:80", "10.0.0.2:80"), policy, hashBy }];
      const phases = createConfiguredProxy(
        { ...all, upstreams },
        "main",
        proxyMeans({ ...all, upstreams }, "main"),
      );
      const chosen = (init: SessionInit): Set<string> =>
        new Set(Array.from({ length: 8 }, () => choose(phases, run(phases, init))));
      assert.equal(chosen({ headers: ["X-User: 7"] }).size, 1);
      assert.equal(chosen({}).size, 2);
      assert.equal(chosen({ headers: ["X-User: "] }).size, 2);
    }
  });

  test("uses the same peer each time", () => {
    const phases = proxy({});
    const peers = [1, 2].map(() => {
      const lone = run(phases);
      choose(phases, lone);
      return lone.session.peer;
    });
    assert.equal(peers[0], peers[1]);
    assert.equal(String(peers[0]), "10.0.0.1:80");
  });
});

describe("failing over", () => {
  test("tries each server once", () => {
    for (const match of [null, { kind: "method", methods: ["GET"] } as const]) {
      assert.equal(tryAll(proxy({ match, action: toUpstream("one") })), "10.0.0.1:80");
      const phases = proxy({ match, action: toUpstream("two") });
      assert.equal(tryAll(phases), "10.0.0.1:80 10.0.0.2:80");
      choose(phases, run(phases));
      assert.equal(tryAll(phases), "10.0.0.2:80 10.0.0.1:80");
    }
  });

  test("isn't kept from a server by what other sessions take in between", () => {
    const phases = proxy({ action: toUpstream("two") });
    const lone = run(phases);
    assert.equal(choose(phases, lone), "10.0.0.1:80");
    assert.equal(mayTryAgain(lone), true);
    choose(phases, run(phases));
    assert.equal(choose(phases, lone), "10.0.0.2:80");
  });
});

describe("routes", () => {
  test("send, redirect, answer, or leave it at 404", () => {
    const path = (text: string): RouteSettings["match"] => ({
      kind: "path",
      paths: [{ kind: "exact", path: text }],
    });
    const phases = proxy(
      { match: path("/app"), action: toUpstream("two") },
      { match: path("/old"), action: { kind: "redirect", status: 301, target: "/new" } },
      { match: path("/ok"), action: { kind: "respond", status: 200, headers: [], body: "ok" } },
    );
    assert.deepEqual(Object.keys(phases).sort(), ["requestFilter", "upstreamPeer"]);
    const app = run(phases, { target: "/app" });
    assert.equal(app.answer, null);
    assert.equal(app.session.context?.name, "r0");
    assert.equal(choose(phases, app), "10.0.0.1:80");
    assert.equal(run(phases, { target: "/old" }).answer?.status, 301);
    assert.equal(String(run(phases, { target: "/ok" }).answer?.body), "ok");
    assert.throws(() => run(phases, { target: "/none" }), { code: "NO_ROUTE", status: 404 });
    assert.throws(() => run(phases, { target: "/x/../app" }), {
      code: "DOWNSTREAM_BAD_REQUEST",
      status: 400,
    });
  });

  test("without a match and without an upstream take everything too", () => {
    const phases = proxy({ action: { kind: "respond", status: 503, headers: [], body: null } });
    assert.equal(run(phases).answer?.status, 503);
    assert.throws(() => run(proxy()), { code: "NO_ROUTE" });
  });

  test("change requests and responses of their own only", () => {
    const request = { path: [], query: null, host: { kind: "upstream" } as const, headers: null };
    const phases = proxy(
      { match: { kind: "host", hosts: ["a.example"] }, action: toUpstream("two", request) },
      { response: { remove: ["server"], set: [], add: [["x-r", "1"]] } },
    );
    const seen = ["a.example", "b.example"].map((host) => {
      const lone = run(phases, { host });
      choose(phases, lone);
      const sent = lone.session.request.fork();
      phases.upstreamRequestFilter!(lone.session, sent);
      const response = ResponseHead.from({ status: 200, headers: { server: "x" } });
      phases.responseFilter!(lone.session, response);
      return [sent.headers.get("host"), response.headers.toJSON()];
    });
    assert.deepEqual(seen, [
      ["10.0.0.1:80", { server: "x" }],
      ["b.example", { "x-r": "1" }],
    ]);
  });
});

test("a request is copied before a server is chosen, so once for all attempts", () => {
  const mirror = { upstream: "two", share: 0, mostPending: 1, mostBuffered: 0, timeout: 1_000 };
  const phases = proxy({ action: { kind: "upstream", upstream: "one", request: null, split: null, mirror } });
  assert.deepEqual(Object.keys(phases).sort(), ["proxyUpstreamFilter", "requestFilter", "upstreamPeer"]);
  const lone = run(phases);
  assert.equal(phases.proxyUpstreamFilter!(lone.session), true);
  assert.equal(choose(phases, lone), "10.0.0.1:80");
});

test("names what isn't there", () => {
  assert.throws(
    () => createConfiguredProxy(settings(), "other", proxyMeans(settings(), "main")),
    /no listener "other"/,
  );
  assert.throws(() => proxy({ action: toUpstream("three") }), /no upstream "three"/);
});
