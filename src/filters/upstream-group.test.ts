import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { KeptGroup, type KeptGroupOptions } from "../../test/kit/kept-group.ts";
import { createSession } from "../../test/kit/session.ts";
import { DEFAULT_RETRY_POLICY, type RetryPolicy } from "../proxy/retries.ts";
import type { Session } from "../proxy/session.ts";
import { Out } from "../upstream/group-memory.ts";
import { DEFAULT_GROUP } from "../upstream/group-settings.ts";
import type { HttpPeer } from "../upstream/peer.ts";
import { UpstreamGroup } from "./upstream-group.ts";

interface RigOptions extends KeptGroupOptions {
  readonly retries?: Partial<RetryPolicy>;
  readonly keyOf?: (session: Session<unknown>) => string;
}

/** An upstream over servers that nobody reaches. */
class Rig {
  readonly kept: KeptGroup;
  readonly upstream: UpstreamGroup;

  constructor({ retries = {}, keyOf, ...options }: RigOptions = {}) {
    this.kept = new KeptGroup(options);
    const { servers: _, slots: __, ...group } = options;
    const settings = {
      ...{ ...DEFAULT_GROUP, ...group, servers: [] },
      ...{
        name: "kept",
        peer: {},
        hashBy: [],
        sticky: null,
        retries: { ...DEFAULT_RETRY_POLICY, ...retries },
      },
    };
    this.upstream = new UpstreamGroup(settings, this.kept.group, keyOf ?? null);
  }

  /** The next attempt of a session; the server's address. */
  async attempt(session: Session<unknown>): Promise<string> {
    session.tries++;
    return (await this.choose(session)).toString();
  }

  async choose(session: Session<unknown>): Promise<HttpPeer> {
    session.peer = await this.upstream.peerFor(session);
    return session.peer;
  }

  /** Whether the session may try again. */
  mayTryAgain(session: Session<unknown>): boolean {
    const isLetIn = session.retryGate!.enter(session);
    if (isLetIn) session.retryGate!.leave();
    return isLetIn;
  }

  /** What a session tries whose attempts all fail, at most so many times. */
  async tryAll(most = 20): Promise<string> {
    const session = newSession();
    const tried = [await this.attempt(session)];
    while (tried.length < most && this.mayTryAgain(session)) tried.push(await this.attempt(session));
    return tried.join(" ");
  }

  out(address: string, reason: number): void {
    this.kept.memory.takeOut(this.kept.server(address).slot, reason);
  }
}

function newSession(): Session<unknown> {
  return createSession<unknown>().session;
}

describe("the attempts of a session", () => {
  test("go to each server once", async () => {
    const rig = new Rig();
    assert.equal(await rig.tryAll(), "a:1 b:1 c:1");
    assert.equal(rig.kept.keeper.status().retries, 0);
  });

  test("begin anew with all servers where there is a pause", async () => {
    const rig = new Rig({ retries: { backoff: 10 } });
    const rounds = (await rig.tryAll(9)).split(" ");
    for (let i = 0; i < 9; i += 3)
      assert.equal(
        rounds
          .slice(i, i + 3)
          .toSorted()
          .join(),
        "a:1,b:1,c:1",
      );
    const session = newSession();
    await rig.attempt(session);
    for (const address of ["a:1", "b:1", "c:1"]) rig.out(address, Out.Unhealthy);
    assert.equal(rig.mayTryAgain(session), false, "nobody is left, pause or not");
  });

  test("end where those that are left get nothing new", async () => {
    for (const reason of [Out.Draining, Out.Disabled, Out.Unhealthy, Out.Ejected]) {
      const rig = new Rig();
      rig.out("b:1", reason);
      assert.equal(await rig.tryAll(), "a:1 c:1");
    }
  });

  test("go to ill servers too when too few are well", async () => {
    const rig = new Rig({ panic: 0.9 });
    rig.out("b:1", Out.Unhealthy);
    rig.out("c:1", Out.Draining);
    assert.equal(await rig.tryAll(), "a:1 b:1");
  });

  test("end where all others are full", async () => {
    const rig = new Rig({ serverLimits: { requests: 1, connections: 0 } });
    for (const address of ["b:1", "c:1"]) assert.ok(rig.kept.server(address).watcher!.onBegin());
    assert.equal(await rig.tryAll(), "a:1");
  });

  test("are as many as the group allows", async () => {
    const limits = { ...DEFAULT_GROUP.limits, retries: 1 };
    const rig = new Rig({ limits });
    const [one, two] = [newSession(), newSession()];
    await rig.attempt(one);
    await rig.attempt(two);
    assert.equal(one.retryGate!.enter(one), true);
    assert.equal(two.retryGate!.enter(two), false);
    assert.equal(rig.kept.keeper.status().retries, 1);
    one.retryGate!.leave();
    assert.equal(two.retryGate!.enter(two), true);
    two.retryGate!.leave();
  });

  test("don't come back to a server whose second attempt failed beside the first", async () => {
    const rig = new Rig();
    const session = newSession();
    assert.equal(await rig.attempt(session), "a:1");
    const first = session.peer;
    assert.ok(rig.mayTryAgain(session));
    assert.equal(await rig.attempt(session), "b:1");
    // The hedge failed, and the first one after it.
    session.peer = first;
    assert.ok(rig.mayTryAgain(session));
    assert.equal(await rig.attempt(session), "c:1");
    assert.equal(rig.mayTryAgain(session), false);
  });

  test("don't come back to a server that has another weight meanwhile", async () => {
    const rig = new Rig();
    const session = newSession();
    assert.equal(await rig.attempt(session), "a:1");
    rig.kept.setServers({ address: "a:1", weight: 100 }, "b:1");
    assert.ok(rig.mayTryAgain(session));
    assert.equal(await rig.attempt(session), "b:1");
    assert.equal(rig.mayTryAgain(session), false);
  });

  test("have the upstream's policy", async () => {
    const rig = new Rig({ retries: { maxTries: 4 } });
    const session = newSession();
    await rig.attempt(session);
    assert.equal(session.retryPolicy.maxTries, 4);
    assert.equal(session.retryGate, rig.upstream);
  });

  test("follow a key where there is one, and leave it only for another server", async () => {
    const keyOf = ({ request }: Session<unknown>): string => request.headers.get("x-key") ?? "";
    const rig = new Rig({ policy: "ketama", keyOf });
    const homes = new Set<string>();
    for (let n = 0; n < 20; n++) {
      const both = [1, 2].map(() => createSession<unknown>({ headers: [`X-Key: ${n}`] }).session);
      const chosen = [await rig.attempt(both[0]!), await rig.attempt(both[1]!)];
      assert.equal(chosen[0], chosen[1]);
      assert.equal(rig.upstream.peerForCopy(both[0]!).toString(), chosen[0]);
      homes.add(chosen[0]!);
      for (const session of both) assert.ok(rig.mayTryAgain(session));
      const next = [await rig.attempt(both[0]!), await rig.attempt(both[1]!)];
      assert.equal(next[0], next[1]);
      assert.notEqual(next[0], chosen[0]);
    }
    assert.equal(homes.size, 3);
  });
});

describe("the peer of a server", () => {
  test("is the same each time, and another one for another server in its place", async () => {
    const rig = new Rig({ servers: ["a:1"] });
    const first = await rig.choose(newSession());
    assert.equal(await rig.choose(newSession()), first);
    rig.kept.setServers("b:1");
    assert.equal((await rig.choose(newSession())).toString(), "b:1");
    rig.kept.setServers("a:1");
    const again = await rig.choose(newSession());
    assert.equal(again.watcher, rig.kept.server("a:1").watcher);
  });
});

describe("a request that has waited", () => {
  const limits = { ...DEFAULT_GROUP.limits, requests: 1, pending: 5, pendingTimeout: 1_000 };

  test("has the room that it was let in for, though it hasn't begun", async () => {
    const rig = new Rig({ servers: ["a:1"], limits });
    const { watcher } = await rig.choose(newSession());
    assert.ok(watcher!.onBegin());
    const order: string[] = [];
    const enter = async (name: string): Promise<void> => {
      const peer = await rig.choose(newSession());
      order.push(name);
      assert.ok(peer.watcher!.onBegin());
    };
    const waits = enter("waits");
    watcher!.onEnd(null, 0);
    const late = enter("late");
    await waits;
    assert.equal(rig.kept.keeper.status().pending, 1);
    watcher!.onEnd(null, 0);
    await late;
    assert.deepEqual(order, ["waits", "late"]);
    watcher!.onEnd(null, 0);
    assert.equal(rig.kept.keeper.status().pending, 0);
  });

  test("that is refused leaves room for others", async () => {
    const rig = new Rig({ servers: ["a:1"], limits });
    const { watcher } = await rig.choose(newSession());
    assert.ok(watcher!.onBegin());
    const refused = assert.rejects(rig.choose(newSession()), { code: "UPSTREAM_OVERLOADED" });
    await rig.kept.pass(1_020, 10);
    await refused;
    watcher!.onEnd(null, 0);
    const peer = rig.upstream.peerFor(newSession());
    assert.ok(!(peer instanceof Promise), "it waits for nobody");
  });

  test("begins to wait when another thread takes the room while it chooses", async () => {
    let thief: (() => void) | null = null;
    const keyOf = (): string => {
      thief?.();
      return "k";
    };
    const rig = new Rig({ servers: ["a:1"], limits, keyOf });
    const { watcher } = await rig.choose(newSession());
    thief = () => assert.ok(watcher!.onBegin());
    const chosen = rig.choose(newSession());
    thief = null;
    assert.equal(rig.kept.keeper.status().pending, 1);
    watcher!.onEnd(null, 0);
    assert.equal(String(await chosen), "a:1");
  });
});
