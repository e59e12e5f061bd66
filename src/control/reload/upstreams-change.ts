import { isDeepStrictEqual } from "node:util";
import { describeThrown } from "../../base/errors.ts";
import type { UpstreamSettings } from "../../filters/settings.ts";
import { GroupKeeper } from "../../upstream/group-keeper.ts";
import type { GroupMemory } from "../../upstream/group-memory.ts";
import { slotsFor } from "../../upstream/group-slots.ts";
import { GroupSuccession } from "../../upstream/group-succession.ts";
import { keptWords } from "../../upstream/under-way.ts";
import type { UpstreamServers } from "../../worker/orders.ts";
import type { KeptUpstreams } from "../upstreams.ts";

/** How the group of an upstream is kept from then on. */
type Step =
  /** As it is: what changed, if anything, concerns threads only. */
  | { readonly kind: "stays"; readonly keeper: GroupKeeper }
  | { readonly kind: "comes"; readonly keeper: GroupKeeper }
  | { readonly kind: "changes"; readonly succession: GroupSuccession };

/**
 * Groups of servers that are to be others than before. What is known of servers that stay lives on; nothing changes before
 * the commit.
 *
 *     find ─▶ standing, memories ─▶ inherit ─▶ (threads change over) ─▶ commit
 */
export class UpstreamsChange {
  /** Upstreams in whose memory it isn't known what is under way: theirs couldn't hold what is to come. */
  readonly begunAnew: string[] = [];
  readonly #upstreams: KeptUpstreams;
  readonly #steps = new Map<string, Step>();
  readonly #allocate: (upstream: UpstreamSettings) => GroupMemory;
  #isCommitted = false;

  /**
   * @param allocate makes fresh memory for a group
   * @throws Error with what can't be made, having changed nothing
   */
  constructor(
    upstreams: KeptUpstreams,
    next: readonly UpstreamSettings[],
    allocate: (upstream: UpstreamSettings) => GroupMemory,
  ) {
    this.#upstreams = upstreams;
    this.#allocate = allocate;
    try {
      for (const upstream of next) this.#steps.set(upstream.name, this.#step(upstream));
    } catch (error) {
      this.abandon();
      throw error;
    }
  }

  /** Looks for servers of those that find them anew. Kept when they have been looked for once. */
  async find(): Promise<void> {
    await Promise.all(
      [...this.#steps.values()].map((step) => {
        if (step.kind === "stays") return undefined;
        return step.kind === "comes" ? step.keeper.find() : step.succession.find();
      }),
    );
  }

  /** Settles which servers threads begin with; to be asked once, after `find`. */
  reserve(): UpstreamServers[] {
    return [...this.#steps].map(([upstream, step]) => {
      if (step.kind !== "changes") return { upstream, servers: step.keeper.records };
      // Places that it has already are kept.
      step.succession.reserve();
      return { upstream, servers: step.succession.records };
    });
  }

  /** The memory of all groups: the same as before where it can be. */
  get memories(): ReadonlyMap<string, SharedArrayBuffer> {
    return new Map(
      [...this.#steps].map(([name, step]) => {
        const { memory } = step.kind === "changes" ? step.succession : step.keeper;
        return [name, memory.buffer];
      }),
    );
  }

  /** Fresh memory gets what is known of servers; just before threads choose by it. */
  inherit(): void {
    for (const step of this.#steps.values()) if (step.kind === "changes") step.succession.inherit();
  }

  /** Threads choose by the new settings: the groups are kept by them too, and those that are no more aren't looked after. */
  commit(): void {
    const before = this.#upstreams.keepers;
    this.#isCommitted = true;
    const keepers = new Map(
      [...this.#steps].map(([name, step]) => {
        return [name, step.kind === "changes" ? step.succession.takeOver() : step.keeper] as const;
      }),
    );
    this.#upstreams.replaceBy(keepers);
    for (const [name, step] of this.#steps) {
      if (step.kind === "comes") void step.keeper.start();
      // Servers may have been found since threads were told which ones there are.
      if (step.kind !== "stays") this.#upstreams.tellServers(name);
    }
    for (const [name, keeper] of before) if (!keepers.has(name)) keeper.stop();
  }

  abandon(): void {
    for (const step of this.#steps.values()) {
      if (step.kind === "comes") step.keeper.stop();
      if (step.kind === "changes") step.succession.abandon();
    }
  }

  #step(upstream: UpstreamSettings): Step {
    const { name } = upstream;
    const known = this.#upstreams.keepers.get(name);
    try {
      if (known === undefined) return { kind: "comes", keeper: this.#create(upstream) };
      if (isDeepStrictEqual(groupPart(known.settings), groupPart(upstream)))
        return { kind: "stays", keeper: known };
      return { kind: "changes", succession: this.#change(known, upstream) };
    } catch (error) {
      throw new Error(`upstreams.${name}: ${describeThrown(error)}`, { cause: error });
    }
  }

  #create(upstream: UpstreamSettings): GroupKeeper {
    const means = this.#upstreams.meansOf(upstream.name, () => this.#isCommitted);
    return new GroupKeeper(upstream.name, upstream, this.#allocate(upstream), means);
  }

  #change(known: GroupKeeper, upstream: UpstreamSettings): GroupSuccession {
    const { memory, settings } = known;
    const means = this.#upstreams.meansOf(upstream.name);
    const slots = upstream.discovery === null ? upstream.servers.length : slotsFor(upstream);
    if (keptWords(settings) === keptWords(upstream) && slots <= memory.slots) {
      const succession = new GroupSuccession(known, upstream, memory, means);
      if (succession.reserve()) return succession;
      succession.abandon();
    }
    this.begunAnew.push(upstream.name);
    return new GroupSuccession(known, upstream, this.#allocate(upstream), means);
  }
}

/** What the keeper of a group goes by: how requests are sent is others' concern. */
function groupPart(settings: object): unknown {
  const { name, peer, hashBy, sticky, retries, ...group } = settings as Partial<UpstreamSettings>;
  return group;
}
