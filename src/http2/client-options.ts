import { TimeoutQueue } from "../base/timeouts.ts";
import type { ConnectionLimits } from "./connection-limits.ts";
import { FloodRules } from "./flood-limits.ts";
import { DEFAULT_FRAME_LIMITS } from "./frame-reader.ts";
import { DEFAULT_LOCAL_SETTINGS } from "./settings.ts";

/** Limits and timeouts of the connections to servers. Times in milliseconds; 0 switches a timeout off. */
export interface Http2ClientSettings {
  /** From the end of the request to the response's head. */
  readonly firstByteTimeout: number;
  /** Between two pieces of a response. */
  readonly readTimeout: number;
  /** How long a server may take nothing of what waits for it on one stream. */
  readonly writeTimeout: number;
  /** Until a server has told its settings and acknowledged ours; until it answers the PING that follows a request in vain. */
  readonly answerTimeout: number;
  /** Silence after which a PING asks whether the server is still there; without an answer in the same time it isn't. */
  readonly pingInterval: number;
  /** Streams on one connection at once, if the server allows as many. */
  readonly streams: number;
}

export const DEFAULT_HTTP2_CLIENT_SETTINGS: Http2ClientSettings = {
  firstByteTimeout: 60_000,
  readTimeout: 60_000,
  writeTimeout: 60_000,
  answerTimeout: 10_000,
  pingInterval: 0,
  streams: 128,
};

const KIB = 1024;

const LIMITS: ConnectionLimits = {
  local: { ...DEFAULT_LOCAL_SETTINGS, initialWindowSize: 256 * KIB },
  frames: DEFAULT_FRAME_LIMITS,
  floods: new FloodRules(),
  connectionWindow: 1024 * KIB,
  largestConnectionWindow: 16 * KIB * KIB,
  largestStreamWindow: 4 * KIB * KIB,
  windowBudget: 16 * KIB * KIB,
};

/** The settings with their queues, shared by all connections of an upstream in this thread. */
export class Http2ClientOptions {
  readonly settings: Http2ClientSettings;
  readonly limits: ConnectionLimits = LIMITS;
  readonly firstByteTimeout: TimeoutQueue;
  readonly readTimeout: TimeoutQueue;
  readonly writeTimeout: TimeoutQueue;
  readonly answerTimeout: TimeoutQueue;
  readonly pingInterval: TimeoutQueue;

  constructor(settings: Partial<Http2ClientSettings> = {}) {
    this.settings = { ...DEFAULT_HTTP2_CLIENT_SETTINGS, ...settings };
    this.firstByteTimeout = new TimeoutQueue(this.settings.firstByteTimeout);
    this.readTimeout = new TimeoutQueue(this.settings.readTimeout);
    this.writeTimeout = new TimeoutQueue(this.settings.writeTimeout);
    this.answerTimeout = new TimeoutQueue(this.settings.answerTimeout);
    this.pingInterval = new TimeoutQueue(this.settings.pingInterval);
  }
}
