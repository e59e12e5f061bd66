import type { MessagePort } from "node:worker_threads";
import type { CacheSettings } from "../cache/cache-settings.ts";
import type { BoundElsewhere } from "../net/listener.ts";
import type { TlsListenerSettings, TlsMaterial } from "../net/tls/listener-settings.ts";
import type { StreamEvent } from "../proxy/stream-proxy.ts";
import type { LoadedModule } from "./loaded-modules.ts";
import type { Order, ProxyAddress, Standing } from "./orders.ts";
import type { ProxyTraffic } from "./proxy-traffic.ts";
import type { RunSpec } from "./run-spec.ts";
import type { SharedMemory } from "./shared-memory.ts";

/** What a worker is started with. */
export interface WorkerStart {
  readonly spec: RunSpec;
  /** Which thread this is, from 0: of those that run the same code, and begun together with it. */
  readonly thread: number;
  /** How many these are. */
  readonly threads: number;
  /** What it counts in: nobody else that runs has the same, whatever it runs. */
  readonly row: number;
  readonly counters: SharedArrayBuffer;
  /** What was ordered before this thread began. */
  readonly standing: Standing;
  /** True: it is made ready to listen, and does so by order. */
  readonly isReserve: boolean;
  readonly shared: SharedMemory;
  /** What this thread alone counts traffic in; null: nobody wants to know. */
  readonly traffic: SharedArrayBuffer | null;
}

/** From a worker to the main thread. */
export type FromWorker =
  /** Asks for a socket to listen on; `owner` tells listeners on the same address apart. */
  | { readonly type: "bind"; readonly request: number; readonly address: string; readonly owner: string }
  /** Asks for what the TLS of `owner` is made of. */
  | {
      readonly type: "tls";
      readonly request: number;
      readonly owner: string;
      readonly settings: TlsListenerSettings;
    }
  /** A program makes a cache, and the thread waits: the answer goes to `reply`, and then the bell is rung. */
  | {
      readonly type: "cache";
      readonly settings: CacheSettings;
      readonly reply: MessagePort;
      readonly bell: Int32Array;
    }
  /** Listens on everything, or could do so at once. */
  | ({ readonly type: "ready" } & WorkerReady)
  /** Couldn't start; the worker ends. */
  | { readonly type: "failed"; readonly message: string; readonly code: string }
  | { readonly type: "obeyed"; readonly request: number; readonly result: unknown }
  /** An order couldn't be done; `code` is Node's, "" for none. */
  | {
      readonly type: "orderFailed";
      readonly request: number;
      readonly message: string;
      readonly code: string;
    }
  /** What happened on TCP and UDP proxies; `dropped` more were too many to tell. */
  | { readonly type: "events"; readonly events: readonly StreamEvent[]; readonly dropped: number }
  /** Nothing is under way any more; the worker ends. `traffic` is what its TCP and UDP proxies have moved. */
  | { readonly type: "drained"; readonly traffic: readonly ProxyTraffic[] };

/** A socket that is listened on: whose it is, and the address that it is bound to. */
export type Holding = readonly [owner: string, boundTo: string];

/** What a worker has found out when it is ready. */
export interface WorkerReady {
  /** What its listeners listen on. */
  readonly addresses: readonly string[];
  readonly holdings: readonly Holding[];
  /** Where its TCP and UDP proxies listen. */
  readonly proxies: readonly ProxyAddress[];
  readonly modules: readonly LoadedModule[];
}

/** From the main thread to a worker. */
export type ToWorker =
  | ({ readonly type: "bound"; readonly request: number } & BoundElsewhere)
  | { readonly type: "tlsOpened"; readonly request: number; readonly material: TlsMaterial }
  /** What was asked for can't be had. */
  | { readonly type: "refused"; readonly request: number; readonly message: string; readonly code: string }
  | { readonly type: "order"; readonly request: number; readonly order: Order }
  /** Milliseconds for what is under way; null: as long as it takes, because others have taken over. */
  | { readonly type: "drain"; readonly grace: number | null };
