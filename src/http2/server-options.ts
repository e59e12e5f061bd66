import { TimeoutQueue } from "../base/timeouts.ts";
import type { BodyLength } from "../http/heads.ts";
import type { ConnectionLimits } from "./connection-core.ts";
import { FloodRules } from "./flood-guard.ts";
import { DEFAULT_FRAME_LIMITS } from "./frame-reader.ts";
import { FieldBlock } from "./hpack/field-block.ts";
import { DEFAULT_LOCAL_SETTINGS } from "./settings.ts";

/** Limits and timeouts of the connections that clients open. Times in milliseconds; 0 switches a timeout off. */
export interface Http2ServerSettings {
  readonly head: {
    /** Bytes of a request's method and target. */
    readonly requestLine: number;
    /** Bytes of all fields, with 32 for each of them. */
    readonly bytes: number;
    readonly fields: number;
  };
  /** Bytes of a request body; 0: no limit. */
  readonly bodyBytes: number;
  /** Requests a connection may carry; 0: no limit. */
  readonly requestsPerConnection: number;
  /** From a header block's first byte to its last; for the preface and the settings, from the connection on. */
  readonly headTimeout: number;
  /** Between two reads of a request body. */
  readonly bodyTimeout: number;
  /** How long a connection may be without a stream. */
  readonly keepAliveTimeout: number;
  /** How long a client may take nothing of what waits for it, on a stream or at all. */
  readonly writeTimeout: number;
  /** Bytes a second below which a request body counts as an attack by slowness, judged every five seconds; 0: never. */
  readonly minimumRate: number;
}

/** How long a connection that is being closed still listens, so that the last response isn't lost to a reset. */
const LINGER = 2_000;
/** What a client may send us at once on all streams. What isn't taken counts for the stream's window alone. */
const CONNECTION_WINDOW = 1024 * 1024;
const LARGEST_CONNECTION_WINDOW = 16 * 1024 * 1024;
/** What one stream's window may grow to, and all of a connection together: so much may lie here because nobody takes it. */
const LARGEST_STREAM_WINDOW = 1024 * 1024;
const WINDOW_BUDGET = 4 * 1024 * 1024;

/** The settings with their queues, shared by all connections of a listener in this thread. */
export class Http2ServerOptions {
  readonly settings: Http2ServerSettings;
  readonly limits: ConnectionLimits;
  readonly headTimeout: TimeoutQueue;
  readonly bodyTimeout: TimeoutQueue;
  readonly keepAliveTimeout: TimeoutQueue;
  readonly writeTimeout: TimeoutQueue;
  readonly linger: TimeoutQueue = new TimeoutQueue(LINGER);
  #block: FieldBlock | null = null;

  constructor(settings: Http2ServerSettings) {
    this.settings = settings;
    this.limits = {
      local: {
        ...DEFAULT_LOCAL_SETTINGS,
        maxHeaderListSize: settings.head.bytes,
        enableConnectProtocol: true,
      },
      frames: DEFAULT_FRAME_LIMITS,
      floods: new FloodRules(),
      connectionWindow: CONNECTION_WINDOW,
      largestConnectionWindow: LARGEST_CONNECTION_WINDOW,
      largestStreamWindow: LARGEST_STREAM_WINDOW,
      windowBudget: WINDOW_BUDGET,
    };
    this.headTimeout = new TimeoutQueue(settings.headTimeout);
    this.bodyTimeout = new TimeoutQueue(settings.bodyTimeout);
    this.keepAliveTimeout = new TimeoutQueue(settings.keepAliveTimeout);
    this.writeTimeout = new TimeoutQueue(settings.writeTimeout);
  }

  /** The block to decode into. It is another one only while a head is borrowed from the usual one. */
  takeBlock(): FieldBlock {
    const { bytes, fields } = this.settings.head;
    const block = this.#block ?? new FieldBlock({ listSize: bytes, fields });
    this.#block = null;
    return block;
  }

  giveBack(block: FieldBlock): void {
    this.#block = block;
  }

  /** A body that is too large by its own word is refused before anybody deals with the request. */
  isTooLarge(body: BodyLength): boolean {
    const { bodyBytes } = this.settings;
    return bodyBytes > 0 && typeof body === "number" && body > bodyBytes;
  }
}
