import type { StagedPlugins } from "../plugins/plugin-set.ts";
import type { Server, Succession } from "../proxy/server.ts";
import { type Composition, compose, discard } from "./composition.ts";
import { renamed, type StagedTls } from "./ordered-tls.ts";
import type { NextForThread, ReadyToSwap } from "./orders.ts";
import { ownerOfProxy } from "./owners.ts";
import type { ProxiesSuccession } from "./stream-proxies.ts";
import type { LogSuccession } from "./thread-logs.ts";
import type { ThreadParts } from "./thread-parts.ts";

/** Something else that a thread is ready to run. */
export interface ReadySwap extends ReadyToSwap {
  readonly composition: Composition;
  /** Runs it from this turn on; kept when the last of its sockets is bound. */
  commit(): Promise<void>;
  /** All stays as it is. */
  abandon(): void;
}

/** The parts of a swap, in the order in which they are made. */
interface Steps {
  readonly tls: StagedTls;
  logs: LogSuccession | null;
  plugins: StagedPlugins | null;
  composition: Composition | null;
  server: Succession | null;
  proxies: ProxiesSuccession | null;
}

/**
 * Gets everything ready that a thread is to run in the place of what it runs.
 * Rejects with what is wrong; then all is as it was.
 */
export async function readySwap(
  parts: ThreadParts,
  server: Server,
  before: Composition,
  next: NextForThread,
): Promise<ReadySwap> {
  const steps: Steps = {
    tls: parts.tls.stage(),
    logs: null,
    plugins: null,
    composition: null,
    server: null,
    proxies: null,
  };
  try {
    const { thread, row } = parts.start;
    const logs = await parts.logs.succeed(next.spec);
    steps.logs = logs;
    steps.plugins = await parts.plugins.stage(next.standing.plugins);
    const context = { ...parts.context, observer: logs.observer, tls: steps.tls };
    const run = { ...next, thread, row };
    const known = { composition: before, same: next.same };
    const composition = await compose(run, { ...parts, context }, known);
    steps.composition = composition;
    const { services } = composition;
    if (services !== null) steps.server = await server.succeed(services, context, parts.control.socket);
    const way = { tls: renamed(steps.tls, ownerOfProxy), isFirst: thread === 0 };
    const proxies = await parts.proxies.succeed(next.standing, way);
    steps.proxies = proxies;
    return {
      composition,
      addresses: steps.server?.addresses ?? server.addresses,
      proxies: proxies.addresses,
      commit: () => commit(steps, next.grace, () => letGo(parts, before, next, composition)),
      abandon: () => abandon(steps, before),
    };
  } catch (error) {
    abandon(steps, before);
    throw error;
  }
}

async function commit(steps: Steps, grace: number, letFormerGo: () => void): Promise<void> {
  steps.tls.commit();
  steps.plugins?.commit();
  steps.logs?.commit();
  steps.server?.commit(grace);
  const bound = steps.proxies?.commit(grace);
  letFormerGo();
  await bound;
}

function abandon(steps: Steps, before: Composition): void {
  steps.tls.abandon();
  steps.plugins?.abandon();
  steps.logs?.abandon();
  if (steps.composition !== null) void discard(steps.composition, before);
  steps.server?.abandon();
  steps.proxies?.abandon();
}

/** Requests that are under way use what they began with; connections to servers aren't kept for the next ones any more. */
function letGo(
  { former, plugins }: ThreadParts,
  before: Composition,
  { standing }: NextForThread,
  after: Composition,
): void {
  if (before.connector !== after.connector) before.connector.close();
  former.add(before, after);
  // Those that have begun with a plugin keep it.
  plugins.keepOnly(standing.plugins.map(({ material }) => material.name));
}
