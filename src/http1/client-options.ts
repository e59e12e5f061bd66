import { TimeoutQueue } from "../base/timeouts.ts";
import { type ChunkedLimits, DEFAULT_CHUNKED_LIMITS } from "./chunked-decoder.ts";
import { DEFAULT_HEAD_LIMITS, type HeadLimits } from "./head-limits.ts";
import { ScanLender } from "./scan-lender.ts";

/** Limits and timeouts of the connections to servers. Times in milliseconds; 0 switches a timeout off. */
export interface ClientSettings {
  readonly head: HeadLimits;
  readonly chunked: ChunkedLimits;
  /** From the end of the request to the first byte of the response. */
  readonly firstByteTimeout: number;
  /** Between two reads of a response. */
  readonly readTimeout: number;
  /** How long a server may take nothing of what waits for it. */
  readonly writeTimeout: number;
  /** Which `Transfer-Encoding` a response may have: as `PeerOptions` has it. */
  readonly transferCodings: TransferCodings;
}

/** `any`: what isn't `chunked` is taken as it comes, until the server closes the connection (RFC 9112 §6.3, rule 4). */
export type TransferCodings = "chunked" | "any";

export const DEFAULT_CLIENT_SETTINGS: ClientSettings = {
  head: DEFAULT_HEAD_LIMITS,
  chunked: DEFAULT_CHUNKED_LIMITS,
  firstByteTimeout: 60_000,
  readTimeout: 60_000,
  writeTimeout: 60_000,
  transferCodings: "chunked",
};

/** The settings with their queues, shared by all connections of an upstream in this thread. */
export class ClientOptions {
  readonly settings: ClientSettings;
  readonly scans: ScanLender;
  readonly firstByteTimeout: TimeoutQueue;
  readonly readTimeout: TimeoutQueue;
  readonly writeTimeout: TimeoutQueue;

  constructor(settings: Partial<ClientSettings> = {}) {
    this.settings = { ...DEFAULT_CLIENT_SETTINGS, ...settings };
    this.scans = new ScanLender(this.settings.head, this.settings.transferCodings === "any");
    this.firstByteTimeout = new TimeoutQueue(this.settings.firstByteTimeout);
    this.readTimeout = new TimeoutQueue(this.settings.readTimeout);
    this.writeTimeout = new TimeoutQueue(this.settings.writeTimeout);
  }
}
