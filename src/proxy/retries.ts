import type { StatusRange } from "../upstream/group-settings.ts";

/** When a request is sent once more. Whatever it says, nothing is repeated once the client got a byte of a response. */
export interface RetryPolicy {
  /** Attempts in all, the first one included. 1: no retries. */
  readonly maxTries: number;
  /**
   * Also repeats requests whose method isn't idempotent after they may have reached a server: it may have acted on the
   * first one (RFC 9110 §9.2.2). One of whose body nothing was sent yet is repeated whatever its method.
   */
  readonly nonIdempotent: boolean;
  /** When no connection could be made. Otherwise only where `failToConnect` asks for it. */
  readonly onConnectFailure: boolean;
  /**
   * When a connection dies before the response, also one that wasn't used before, or what comes is no response. A reused
   * one that died is replaced in any case.
   */
  readonly onReset: boolean;
  /** When a server takes longer than it may, `tryTimeout` included. */
  readonly onTimeout: boolean;
  /** When a response has one of these statuses. With no attempt left the client gets the response. */
  readonly onStatus: readonly StatusRange[];
  /**
   * When a gRPC call ends with one of these statuses before there is anything else of an answer. Stands for leave to repeat
   * calls that a server may have acted on, whatever `nonIdempotent` says: they are all POST.
   */
  readonly onGrpcStatus: readonly number[];
  /** Milliseconds an attempt may take until the response's head is there; 0: no limit of its own. */
  readonly tryTimeout: number;
  /** Milliseconds before the first repeated attempt, doubled for each that follows, with full jitter; 0: at once. */
  readonly backoff: number;
  /** The longest wait between two attempts, milliseconds. */
  readonly longestBackoff: number;
  /** Milliseconds without a response after which a second server gets the request too, and the first answer counts; 0: never. */
  readonly hedgeAfter: number;
}

export const DEFAULT_RETRY_POLICY: RetryPolicy = {
  maxTries: 16,
  nonIdempotent: false,
  onConnectFailure: false,
  onReset: false,
  onTimeout: false,
  onStatus: [],
  onGrpcStatus: [],
  tryTimeout: 0,
  backoff: 0,
  longestBackoff: 1_000,
  hedgeAfter: 0,
};

/** Methods whose repetition has no further effect (RFC 9110 §9.2.2). */
const IDEMPOTENT: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"]);

export function isIdempotent(method: string): boolean {
  return IDEMPOTENT.has(method);
}
