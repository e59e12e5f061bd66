import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createSession, type LoneSession, type SessionInit } from "../../../test/kit/session.ts";
import { HttpHeaders } from "../../http/http-headers.ts";
import { allocateLimitMemory } from "../../limits/create-limiter.ts";
import { LimitCounts } from "../../limits/limit-counts.ts";
import { countsOf } from "../../limits/limit-memory.ts";
import type { Decision, Limiter } from "../../limits/limiter.ts";
import { ClientAddresses } from "../client-addresses.ts";
import { SessionMatcher } from "../matchers/session-matcher.ts";
import type { LimitSettings } from "../settings.ts";
import { addLimitFields, compileLimits, type LimitMeans, type RouteLimits } from "./route-limits.ts";

const base: LimitSettings = {
  name: "api",
  algorithm: "fixed_window",
  limit: 2,
  window: 60_000,
  burst: 2,
  key: [{ kind: "client", v6Prefix: 64 }],
  match: null,
  allow: [],
  shadow: false,
  status: 429,
  headers: true,
  mostKeys: 100,
  redis: null,
};

/** The limits of a route, with a clock of their own. */
class Route {
  now = 0;
  readonly limits: RouteLimits;
  readonly means: LimitMeans;
  readonly #settings: readonly LimitSettings[];

  constructor(settings: readonly Partial<LimitSettings>[], means: Partial<LimitMeans> = {}) {
    this.#settings = settings.map((one, i) => ({ ...base, name: `l${i}`, ...one }));
    this.means = {
      memories: allocateLimitMemory(this.#settings, 1),
      thread: 0,
      clients: new ClientAddresses([]),
      matcher: new SessionMatcher([]),
      now: () => this.now,
      ...means,
    };
    this.limits = compileLimits(this.#settings, this.means)!;
  }

  /** A session after its request filter. */
  async run(init: SessionInit = {}): Promise<LoneSession<unknown>> {
    const lone = createSession<unknown>(init);
    const isAnswered = await this.limits.before(lone.session);
    assert.equal(isAnswered, lone.answer !== null);
    return lone;
  }

  /** The status that a request gets, 200 when it goes on. */
  async ask(init: SessionInit = {}): Promise<number> {
    const { answer } = await this.run(init);
    return answer?.status ?? 200;
  }

  counts(name: string): Record<string, number> {
    return new LimitCounts(countsOf(this.means.memories[name]!), 0).totals;
  }
}

function fieldsOf(lone: LoneSession<unknown>): Record<string, string> {
  if (lone.answer !== null) return HttpHeaders.from(lone.answer.headers ?? []).toJSON();
  const headers = new HttpHeaders();
  addLimitFields(lone.session, headers);
  return headers.toJSON();
}

async function statuses(route: Route, ...inits: readonly SessionInit[]): Promise<number[]> {
  const seen: number[] = [];
  for (const init of inits) seen.push(await route.ask(init));
  return seen;
}

function from(address: string): SessionInit {
  return { client: { address } };
}

describe("a limit at a route", () => {
  test("refuses what is too much, at once", async () => {
    const route = new Route([{}]);
    assert.deepEqual(await statuses(route, {}, {}, {}, from("192.0.2.2")), [200, 200, 429, 200]);
    const { session } = createSession<unknown>();
    assert.equal(route.limits.before(session), true, "no promise where none is needed");
    route.now += 60_000;
    assert.equal(await route.ask(), 200);
    assert.deepEqual(route.counts("l0"), { allowed: 4, refused: 2, shadowed: 0, errors: 0 });
  });

  test("answers with the status that it is told, in plain text, and when to come again", async () => {
    for (const [status, body] of [
      [429, "HTTP 429 Too Many Requests\n"],
      [503, "HTTP 503 Service Unavailable\n"],
    ] as const) {
      const route = new Route([{ limit: 1, status, headers: false }]);
      await route.ask();
      route.now = 1500.5;
      const lone = await route.run();
      assert.deepEqual([lone.answer?.status, String(lone.answer?.body)], [status, body]);
      assert.deepEqual(fieldsOf(lone), { "content-type": "text/plain; charset=utf-8", "retry-after": "59" });
    }
  });

  test("tells no wait of less than a second", async () => {
    const route = new Route([{ limit: 1, window: 10 }]);
    await route.ask();
    assert.equal(fieldsOf(await route.run())["retry-after"], "1");
  });

  test("looks at the requests that it is for", async () => {
    const route = new Route([{ limit: 1, match: { kind: "method", methods: ["POST"] } }]);
    const post = { method: "POST" };
    assert.deepEqual(await statuses(route, {}, {}, post, post, {}), [200, 200, 200, 429, 200]);
    assert.equal(route.counts("l0")["allowed"], 1);
  });

  test("lets in uncounted whom it is told to", async () => {
    const route = new Route([{ limit: 1, allow: ["10.0.0.0/8", "fd00::/8"], key: [] }]);
    const inits = ["10.1.2.3", "fd00::1", "::ffff:10.0.0.1", "192.0.2.1", "10.1.2.3", "192.0.2.2"].map(from);
    assert.deepEqual(await statuses(route, ...inits), [200, 200, 200, 200, 200, 429]);
    assert.deepEqual(route.counts("l0"), { allowed: 1, refused: 1, shadowed: 0, errors: 0 });
  });

  test("only counts in shadow mode, and tells clients nothing", async () => {
    const route = new Route([{ limit: 1, shadow: true }]);
    assert.deepEqual(await statuses(route, {}, {}, {}), [200, 200, 200]);
    assert.deepEqual(fieldsOf(await route.run()), {});
    assert.equal(route.limits.addsFields, false);
    assert.deepEqual(route.counts("l0"), { allowed: 1, refused: 0, shadowed: 3, errors: 0 });
  });

  test("goes by who the client is, as far as trusted proxies tell", async () => {
    const trusted = ["10.0.0.1"];
    const means = { clients: new ClientAddresses(trusted), matcher: new SessionMatcher(trusted) };
    const route = new Route([{ limit: 1, allow: ["198.51.100.1"] }], means);
    const by = (address: string): SessionInit => {
      return { client: { address: "10.0.0.1" }, headers: [`X-Forwarded-For: ${address}`] };
    };
    const inits = ["203.0.113.1", "203.0.113.2", "203.0.113.1", "198.51.100.1", "198.51.100.1"].map(by);
    assert.deepEqual(await statuses(route, ...inits), [200, 200, 429, 200, 200]);
  });

  test("is no limit without memory, and there are none where there are none", () => {
    const { means } = new Route([{}]);
    assert.throws(() => compileLimits([{ ...base, name: "another" }], means), /"another" has no memory/);
    assert.equal(compileLimits([], means), null);
  });
});

describe("several limits", () => {
  test("are asked in order, and the first that is exceeded answers", async () => {
    const route = new Route([
      { limit: 2, status: 503 },
      { limit: 1, status: 429 },
    ]);
    assert.deepEqual(await statuses(route, {}, {}, {}), [200, 429, 503]);
    assert.deepEqual(route.counts("l0"), { allowed: 2, refused: 1, shadowed: 0, errors: 0 });
    assert.deepEqual(route.counts("l1"), { allowed: 1, refused: 1, shadowed: 0, errors: 0 });
  });

  test("of one name are one, wherever they stand", async () => {
    const one = new Route([{ name: "shared", limit: 3 }]);
    const other = new Route([{ name: "shared", limit: 3 }], { memories: one.means.memories });
    const seen: number[] = [];
    for (const route of [one, other, one, other, one]) seen.push(await route.ask());
    assert.deepEqual(seen, [200, 200, 200, 429, 429]);
    assert.equal(one.counts("shared")["refused"], 2);
  });
});

describe("the fields of responses", () => {
  test("tell what is left, and how long until there is all of it", async () => {
    const route = new Route([{ name: "api" }]);
    assert.deepEqual(fieldsOf(await route.run()), {
      "ratelimit-policy": '"api";q=2;w=60',
      ratelimit: '"api";r=1;t=60',
    });
    route.now = 20_100;
    assert.equal(fieldsOf(await route.run())["ratelimit"], '"api";r=0;t=40');
    assert.deepEqual(fieldsOf(await route.run()), {
      "content-type": "text/plain; charset=utf-8",
      "retry-after": "40",
      "ratelimit-policy": '"api";q=2;w=60',
      ratelimit: '"api";r=0;t=40',
    });
  });

  test("tell of each limit that the request met", async () => {
    const route = new Route([
      { name: "a", algorithm: "token_bucket", limit: 10, burst: 20, window: 1000 },
      { name: "b", match: { kind: "method", methods: ["POST"] } },
      { name: "c", headers: false },
      { name: "d", algorithm: "concurrency", limit: 4 },
      { name: "e", algorithm: "sliding_window", window: 1500, limit: 7 },
    ]);
    assert.deepEqual(fieldsOf(await route.run()), {
      "ratelimit-policy": '"a";q=10;w=1;sluice-burst=20, "d";q=4;qu="concurrent-requests", "e";q=7',
      ratelimit: '"a";r=19;t=1, "d";r=3, "e";r=6;t=2',
    });
  });

  test("tell of a refusal only the limit that it is due to, and the wait twice the same", async () => {
    const route = new Route([
      { name: "day", limit: 100, window: 86_400_000 },
      { name: "burst", algorithm: "token_bucket", limit: 1, burst: 3, window: 5000 },
    ]);
    await statuses(route, {}, {}, {});
    const fields = fieldsOf(await route.run());
    assert.equal(fields["ratelimit"], '"burst";r=0;t=5');
    assert.equal(fields["retry-after"], "5");
    assert.equal(fields["ratelimit-policy"], '"burst";q=1;w=5;sluice-burst=3');
  });

  test("stand beside those of the server", async () => {
    const { session } = await new Route([{ name: "api" }]).run();
    const headers = HttpHeaders.from({ RateLimit: '"own";r=5' });
    addLimitFields(session, headers);
    assert.deepEqual(headers.getAll("ratelimit"), ['"own";r=5', '"api";r=1;t=60']);
  });

  test("take any name", async () => {
    const route = new Route([{ name: 'a "b" \\ ü\ud800' }]);
    assert.equal(fieldsOf(await route.run())["ratelimit"], String.raw`"a \"b\" \\ %C3%BC%EF%BF%BD";r=1;t=60`);
  });

  test("are right for any number of clients", async () => {
    const route = new Route([{ limit: 5000, key: [] }]);
    for (let left = 4999; left >= 0; left--) {
      route.now += 7;
      const t = Math.ceil((60_000 - (route.now - 7)) / 1000);
      assert.equal(fieldsOf(await route.run())["ratelimit"], `"l0";r=${left};t=${t}`);
    }
  });
});

describe("requests under way", () => {
  const concurrent = { algorithm: "concurrency", limit: 1 } as const;

  test("count until their sessions are over", async () => {
    const route = new Route([concurrent]);
    const { session } = await route.run();
    assert.equal(await route.ask(), 429);
    session.attendant?.onSessionEnd();
    assert.equal(await route.ask(), 200);
  });

  test("don't count where they were refused by another limit", async () => {
    const route = new Route([concurrent, { limit: 1 }]);
    const { session } = await route.run();
    session.attendant?.onSessionEnd();
    const { session: refused, answer } = await route.run();
    assert.equal(answer?.status, 429);
    // It isn't over before the client has read its answer, which may take long.
    assert.equal(await route.ask(), 429);
    assert.equal(route.counts("l0")["allowed"], 3, "the second limit refused it, not the first");
    refused.attendant?.onSessionEnd();
    assert.equal(route.counts("l0")["refused"], 0);
  });

  test("aren't given back when they weren't counted", async () => {
    const route = new Route([{ ...concurrent, shadow: true }]);
    const first = await route.run();
    const second = await route.run();
    second.session.attendant?.onSessionEnd();
    await route.ask();
    assert.deepEqual(route.counts("l0"), { allowed: 1, refused: 0, shadowed: 2, errors: 0 });
    first.session.attendant?.onSessionEnd();
  });
});

/** A limiter that answers when it is told to. */
class SlowLimiter implements Limiter {
  readonly asked: { readonly key: string; readonly answer: (isAllowed: boolean) => void }[] = [];
  readonly released: string[] = [];

  take(key: string): Promise<Decision> {
    return new Promise((resolve) => {
      const answer = (isAllowed: boolean): void =>
        resolve({ isAllowed, limit: 5, remaining: 3, reset: 2000, retryAfter: isAllowed ? 0 : 2000 });
      this.asked.push({ key, answer });
    });
  }

  release(key: string): void {
    this.released.push(key);
  }
}

describe("limits that have to be waited for", () => {
  function slowRoute(others: readonly Partial<LimitSettings>[] = []): [Route, SlowLimiter] {
    const slow = new SlowLimiter();
    const toLimiter: LimitMeans["toLimiter"] = ({ name }, local) => (name === "slow" ? slow : local);
    return [new Route([{ name: "slow" }, ...others], { toLimiter }), slow];
  }

  test("let in, refuse, and are followed by the others", async () => {
    const [route, slow] = slowRoute([{ limit: 1, name: "fast" }]);
    const first = route.run();
    slow.asked[0]!.answer(true);
    assert.equal(fieldsOf(await first)["ratelimit"], '"slow";r=3;t=2, "fast";r=0;t=60');
    const second = route.run();
    slow.asked[1]!.answer(true);
    assert.equal((await second).answer?.status, 429);
    const third = route.run();
    slow.asked[2]!.answer(false);
    assert.equal(fieldsOf(await third)["retry-after"], "2");
    assert.deepEqual(route.counts("slow"), { allowed: 2, refused: 1, shadowed: 0, errors: 0 });
    assert.deepEqual(
      slow.asked.map(({ key }) => key),
      ["192.0.2.1", "192.0.2.1", "192.0.2.1"],
    );
  });

  test("hold nothing for a client that has left meanwhile", async () => {
    const [route, slow] = slowRoute([{ algorithm: "concurrency", limit: 1, name: "busy" }]);
    const { session } = createSession<unknown>();
    const before = route.limits.before(session);
    session.attendant?.onSessionEnd();
    slow.asked[0]!.answer(true);
    assert.equal(await before, true);
    assert.deepEqual(slow.released, ["192.0.2.1"]);
    assert.equal(route.counts("busy")["allowed"], 0);
  });

  test("say no more to a request that was answered meanwhile", async () => {
    const [route, slow] = slowRoute();
    const lone = createSession<unknown>();
    const before = route.limits.before(lone.session);
    lone.session.respond({ status: 504 });
    slow.asked[0]!.answer(false);
    assert.equal(await before, true);
    assert.equal(lone.answer?.status, 504);
    assert.deepEqual(slow.released, []);
  });
});
