import { Counters } from "../base/counters.ts";
import { TrafficBook } from "../base/traffic/traffic-book.ts";
import type { BoundElsewhere } from "../net/listener.ts";
import { openKeyLog } from "../net/tls/key-log.ts";
import { PluginSet } from "../plugins/plugin-set.ts";
import type { ServiceContext } from "../proxy/service.ts";
import type { StreamEvent } from "../proxy/stream-proxy.ts";
import { tlsMeans } from "../upstream/peer-tls.ts";
import type { CompositionMeans } from "./composition.ts";
import { EventFeed } from "./event-feed.ts";
import { FormerParts } from "./former-parts.ts";
import type { WorkerStart } from "./messages.ts";
import { OrderedTls, renamed, type TlsAsker } from "./ordered-tls.ts";
import { ownerOfProxy } from "./owners.ts";
import { StreamProxies } from "./stream-proxies.ts";
import type { ThreadLogs } from "./thread-logs.ts";

/** Where sockets to listen on come from; `owner` tells listeners on the same address apart. */
type BoundSocketSource = (address: string, owner: string) => Promise<BoundElsewhere>;

/** What a data plane asks of the control plane, and tells it. */
export interface ControlLink {
  readonly socket: BoundSocketSource;
  readonly tls: TlsAsker;
  /** True when other threads listen on the same addresses, or may some day. */
  readonly sharesPorts: boolean;
  /** Sends what happened to whoever watches. */
  sendEvents(events: readonly StreamEvent[], dropped: number): void;
}

/** What a thread has for as long as it lives, whatever it runs. */
export interface ThreadParts extends CompositionMeans {
  readonly start: WorkerStart;
  readonly control: ControlLink;
  readonly tls: OrderedTls;
  readonly events: EventFeed;
  readonly former: FormerParts;
  readonly stopping: AbortController;
}

/** What a thread begins with, before it has anything to run. */
export function createParts(start: WorkerStart, control: ControlLink, logs: ThreadLogs): ThreadParts {
  const stopping = new AbortController();
  const tls = new OrderedTls(control.tls);
  const context = contextOf(start, { logs, tls, signal: stopping.signal });
  const events = new EventFeed((happened, dropped) => control.sendEvents(happened, dropped));
  const plugins = new PluginSet(start.row, (plugin, problem) =>
    logs.log().error({ plugin, problem }, "The process of a plugin ended: another one takes its place"),
  );
  const proxies = new StreamProxies({
    plugins,
    source: (address, owner) => control.socket(address, ownerOfProxy(owner)),
    // Connections are told apart by it in all generations of threads.
    context: { ...context, thread: start.row, tls: renamed(tls, ownerOfProxy) },
    seed: `${start.spec.seed}/${start.thread}`,
    isFirst: start.thread === 0,
    isShared: control.sharesPorts,
    onEvent: (event) => events.add(event),
  });
  const former = new FormerParts();
  return { start, control, logs, tls, context, events, proxies, plugins, former, stopping };
}

interface ContextMeans {
  readonly logs: ThreadLogs;
  readonly tls: OrderedTls;
  readonly signal: AbortSignal;
}

function contextOf(
  { spec, thread, row, counters, traffic }: WorkerStart,
  { logs, tls, signal }: ContextMeans,
): ServiceContext {
  const keyLog = spec.keyLog === undefined ? null : openKeyLog(spec.keyLog);
  tlsMeans.keyLog = keyLog;
  return {
    counters: new Counters(counters, row),
    traffic: traffic === null ? null : new TrafficBook(traffic),
    observer: logs.observer,
    reporter: logs.reporter,
    thread,
    signal,
    tls,
    keyLog,
  };
}
