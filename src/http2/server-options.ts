import { TimeoutQueue } from "../base/timeouts.ts";
import type { BodyLength } from "../http/heads.ts";
import type { ConnectionLimits } from "./connection-limits.ts";
import { type FloodLimits, FloodRules } from "./flood-limits.ts";
import { DEFAULT_FRAME_LIMITS, type FrameLimits } from "./frame-reader.ts";
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

/** How a listener speaks HTTP/2. Times in milliseconds; 0 switches one off. */
export interface Http2Settings {
  /** Clients must speak HTTP/2: there is no HTTP/1 on this listener. Default false. */
  readonly only: boolean;
  /** Streams that a client may have open at once, on each connection. Default 128. */
  readonly maxConcurrentStreams: number;
  /**
   * Bytes of its request that a client may send on a stream before any of it is taken; the window grows for those who would be
   * faster with a larger one. Not less than 65535, which clients take for granted before they know. Default 65535.
   */
  readonly streamWindow: number;
  /** The same for all streams of a connection together. Default 1 MiB. */
  readonly connectionWindow: number;
  /** Until a client has acknowledged our settings. Default 10 s. */
  readonly settingsTimeout: number;
  /** A client that has streams open and says nothing for so long gets a PING. Default 60 s. */
  readonly pingInterval: number;
  /** A client from which nothing comes for so long after that is taken for gone. Default 20 s. */
  readonly pingTimeout: number;
  /** CONTINUATION frames that a header block may need; more end the connection. Default 16, or as many as the longest head fills. */
  readonly continuations: number;
  /**
   * What a client may do on one connection at once, and how soon again, of what is allowed, cheap for it and not for us; too much
   * ends the connection. Kinds that aren't named keep their defaults, which stand in docs/conformance.md.
   */
  readonly floods: Partial<FloodLimits>;
}

export const DEFAULT_HTTP2_SETTINGS: Http2Settings = {
  only: false,
  maxConcurrentStreams: DEFAULT_LOCAL_SETTINGS.maxConcurrentStreams,
  streamWindow: DEFAULT_LOCAL_SETTINGS.initialWindowSize,
  connectionWindow: 1024 * 1024,
  settingsTimeout: 10_000,
  pingInterval: 60_000,
  pingTimeout: 20_000,
  continuations: DEFAULT_FRAME_LIMITS.continuations,
  floods: {},
};

/** How long a connection that is being closed still listens, so that the last response isn't lost to a reset. */
const LINGER = 2_000;
/** What a connection's window may grow to. What isn't taken counts for the stream's window alone. */
const LARGEST_CONNECTION_WINDOW = 16 * 1024 * 1024;
/** What one stream's window may grow to, and all of a connection together: so much may lie here because nobody takes it. */
const LARGEST_STREAM_WINDOW = 1024 * 1024;
const WINDOW_BUDGET = 4 * 1024 * 1024;

/** The settings with their queues, shared by all connections of a listener in this thread. */
export class Http2ServerOptions {
  readonly settings: Http2ServerSettings;
  /** There is no HTTP/1 on the listener */
  readonly isOnly: boolean;
  readonly limits: ConnectionLimits;
  readonly headTimeout: TimeoutQueue;
  readonly bodyTimeout: TimeoutQueue;
  readonly keepAliveTimeout: TimeoutQueue;
  readonly writeTimeout: TimeoutQueue;
  readonly settingsTimeout: TimeoutQueue;
  readonly pingInterval: TimeoutQueue;
  readonly pingTimeout: TimeoutQueue;
  readonly linger: TimeoutQueue = new TimeoutQueue(LINGER);
  #block: FieldBlock | null = null;

  constructor(settings: Http2ServerSettings, http2: Partial<Http2Settings> = {}) {
    const all = { ...DEFAULT_HTTP2_SETTINGS, ...http2 };
    const { maxConcurrentStreams, streamWindow, connectionWindow } = all;
    this.settings = settings;
    this.isOnly = all.only;
    this.limits = {
      local: {
        ...DEFAULT_LOCAL_SETTINGS,
        maxConcurrentStreams,
        initialWindowSize: streamWindow,
        maxHeaderListSize: settings.head.bytes,
        enableConnectProtocol: true,
      },
      frames: toFrameLimits(settings.head, all.continuations),
      floods: new FloodRules(all.floods),
      connectionWindow,
      largestConnectionWindow: Math.max(connectionWindow, LARGEST_CONNECTION_WINDOW),
      largestStreamWindow: Math.max(streamWindow, LARGEST_STREAM_WINDOW),
      windowBudget: WINDOW_BUDGET,
    };
    this.headTimeout = new TimeoutQueue(settings.headTimeout);
    this.bodyTimeout = new TimeoutQueue(settings.bodyTimeout);
    this.keepAliveTimeout = new TimeoutQueue(settings.keepAliveTimeout);
    this.writeTimeout = new TimeoutQueue(settings.writeTimeout);
    this.settingsTimeout = new TimeoutQueue(all.settingsTimeout);
    this.pingInterval = new TimeoutQueue(all.pingInterval);
    this.pingTimeout = new TimeoutQueue(all.pingTimeout);
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

/** A head that the listener takes fits into a block: encoded it is smaller. */
function toFrameLimits(head: Http2ServerSettings["head"], continuations: number): FrameLimits {
  const { frameSize, blockBytes } = DEFAULT_FRAME_LIMITS;
  const longest = Math.max(blockBytes, head.bytes);
  return {
    frameSize,
    blockBytes: longest,
    continuations: Math.max(continuations, Math.ceil(longest / frameSize)),
  };
}
