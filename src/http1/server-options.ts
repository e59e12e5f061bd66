import { TimeoutQueue } from "../base/timeouts.ts";
import type { BodyLength } from "../http/heads.ts";
import { type ChunkedLimits, DEFAULT_CHUNKED_LIMITS } from "./chunked-decoder.ts";
import { DEFAULT_HEAD_LIMITS, type HeadLimits } from "./head-limits.ts";
import { ScanLender } from "./scan-lender.ts";

/** Limits and timeouts of the connections that clients open. Times in milliseconds; 0 switches a timeout off. */
export interface ServerSettings {
  readonly head: HeadLimits;
  readonly chunked: ChunkedLimits;
  /** Bytes of a request body; 0: no limit. */
  readonly bodyBytes: number;
  /** Requests a connection may carry; 0: no limit. */
  readonly requestsPerConnection: number;
  /** From a head's first byte to its last; for the first head, from the connection on. */
  readonly headTimeout: number;
  /** Between two reads of a request body. */
  readonly bodyTimeout: number;
  /** Between two requests. */
  readonly keepAliveTimeout: number;
  /** How long a client may take nothing of what waits for it. */
  readonly writeTimeout: number;
  /** Bytes a second below which a request body counts as an attack by slowness, judged every five seconds; 0: never. */
  readonly minimumRate: number;
}

export const DEFAULT_SERVER_SETTINGS: ServerSettings = {
  head: DEFAULT_HEAD_LIMITS,
  chunked: DEFAULT_CHUNKED_LIMITS,
  bodyBytes: 0,
  requestsPerConnection: 0,
  headTimeout: 30_000,
  bodyTimeout: 60_000,
  keepAliveTimeout: 60_000,
  writeTimeout: 60_000,
  minimumRate: 240,
};

/** How long a connection that is being closed still listens, so that the last response isn't lost to a reset. */
const LINGER = 2_000;
/**
 * How long that may last in all while the client still sends. Many a client writes all of its upload before it reads the
 * response that refused it; 8 MB of one are past what the kernels between us hold.
 */
export const LINGER_IN_ALL = 30_000;

/** The settings with their queues, shared by all connections of a listener in this thread. */
export class ServerOptions {
  readonly settings: ServerSettings;
  readonly scans: ScanLender;
  readonly headTimeout: TimeoutQueue;
  readonly bodyTimeout: TimeoutQueue;
  readonly keepAliveTimeout: TimeoutQueue;
  readonly writeTimeout: TimeoutQueue;
  readonly linger: TimeoutQueue = new TimeoutQueue(LINGER);

  constructor(settings: Partial<ServerSettings> = {}) {
    this.settings = { ...DEFAULT_SERVER_SETTINGS, ...settings };
    this.scans = new ScanLender(this.settings.head);
    this.headTimeout = new TimeoutQueue(this.settings.headTimeout);
    this.bodyTimeout = new TimeoutQueue(this.settings.bodyTimeout);
    this.keepAliveTimeout = new TimeoutQueue(this.settings.keepAliveTimeout);
    this.writeTimeout = new TimeoutQueue(this.settings.writeTimeout);
  }

  /** A body that is too large by its own word is refused before anybody deals with the request. */
  isTooLarge(body: BodyLength): boolean {
    const { bodyBytes } = this.settings;
    return bodyBytes > 0 && typeof body === "number" && body > bodyBytes;
  }
}
