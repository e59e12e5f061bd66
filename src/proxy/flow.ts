import type { DownstreamStream, UpstreamStream } from "../http/streams.ts";
import type { BodyCoder } from "./body-coder.ts";
import { PhaseCalls } from "./phase-calls.ts";

/** Why a direction stands still; it flows again when no reason is left. */
export const Hold = {
  /** Nobody can take it yet. */
  NotReady: 1,
  /** The other side is slower. */
  Blocked: 2,
  /** A filter takes its time. */
  Filter: 4,
  /** A fault lets it pass slowly. */
  Paced: 8,
  /** A plugin takes its time. */
  Plugin: 16,
  /** What the client is to get is being coded. */
  Coding: 32,
  /** What the server sent is being decoded. */
  Decoding: 64,
} as const;

/** Why a body that is made here waits beside the client. */
const OWN_HOLDS = Hold.Paced | Hold.Coding;

/**
 * The two directions of a session, each held for as long as there is a reason to:
 *
 *     client ──request──▶ [holds] ──▶ server        server blocked, filter busy, no server yet
 *            ◀─response── [holds] ◀──               client blocked, filter busy
 */
export abstract class Flow<C> extends PhaseCalls<C> {
  abstract readonly downstream: DownstreamStream;
  /** @internal the server's side, while there is one */
  upstream: UpstreamStream | null = null;
  /** @internal what makes more of a server's response than it sent, and is held as the server is; null: nothing */
  decoder: BodyCoder | null = null;
  #requestHolds = 0;
  #responseHolds = 0;
  #onDrained: (() => void) | null = null;

  /** True once the session is over. */
  abstract readonly isDone: boolean;

  /** @internal */
  holdRequest(reason: number): void {
    if (this.#requestHolds === 0) this.downstream.pauseRequest(reason !== Hold.Blocked);
    this.#requestHolds |= reason;
  }

  /** @internal */
  releaseRequest(reason: number): void {
    if (this.#requestHolds === 0 || this.isDone) return;
    this.#requestHolds &= ~reason;
    if (this.#requestHolds === 0) this.downstream.resumeRequest();
  }

  /** @internal */
  holdResponse(reason: number): void {
    if (this.#responseHolds === 0) this.upstream?.pauseResponse();
    this.#responseHolds |= reason;
    if (this.decoder !== null && reason !== Hold.Decoding) this.decoder.pause();
  }

  /** @internal */
  releaseResponse(reason: number): void {
    if (this.#responseHolds === 0) return;
    this.#responseHolds &= ~reason;
    if (this.#responseHolds === 0) this.upstream?.resumeResponse();
    const { decoder } = this;
    if (decoder !== null && (this.#responseHolds & ~Hold.Decoding) === 0) decoder.resume();
    if ((reason & OWN_HOLDS) !== 0 && this.#isFree()) this.endWaiting();
  }

  /** What the server that is given up held back, nobody would release any more; the request waits for the next one. */
  protected holdForNextServer(): void {
    this.#responseHolds = 0;
    this.holdRequest(Hold.NotReady);
    this.releaseRequest(Hold.Blocked);
  }

  /** The response comes from `upstream`, which may have been begun beside another one. */
  protected flowFrom(upstream: UpstreamStream): void {
    this.upstream = upstream;
    if (this.#responseHolds !== 0) upstream.pauseResponse();
  }

  onDownstreamBlocked(): void {
    this.holdResponse(Hold.Blocked);
  }

  onDownstreamDrained(): void {
    this.releaseResponse(Hold.Blocked);
    this.endWaiting();
  }

  onUpstreamBlocked(): void {
    this.holdRequest(Hold.Blocked);
  }

  onUpstreamDrained(): void {
    this.releaseRequest(Hold.Blocked);
  }

  /** @internal resolves when what waits for the client is taken, or the client is gone */
  whenDrained(): Promise<void> {
    if (this.#isFree() || this.isDone) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onDrained = resolve;
    });
  }

  #isFree(): boolean {
    return !this.downstream.blocked && (this.#responseHolds & OWN_HOLDS) === 0;
  }

  protected endWaiting(): void {
    const resolve = this.#onDrained;
    this.#onDrained = null;
    resolve?.();
  }
}
