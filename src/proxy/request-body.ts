import { ProxyError, toProxyError } from "../base/errors.ts";
import type { BodyLength } from "../http/heads.ts";
import type { HttpHeaders } from "../http/http-headers.ts";
import { LengthCheck } from "./body-length.ts";
import { BodyPump, type PumpOwner } from "./body-pump.ts";
import { type Exchange, Hold } from "./exchange.ts";
import type { BodyFilter } from "./phases.ts";

/**
 * A request's body between client and server: collected for a phase that wants to read it, filtered, and kept for a
 * repetition as long as it is short.
 */
export class RequestBody<C> implements PumpOwner {
  readonly #exchange: Exchange<C>;
  readonly #pump: BodyPump<C> | null;
  #check: LengthCheck | null = null;
  #collector: Collector | null = null;
  /** What `collect` read, until it is sent on. */
  #collected: Buffer | null = null;
  /** What was sent so far, for a repetition; null when it can't be repeated. */
  #sent: Buffer[] | null = [];
  #sentBytes = 0;
  #sentLimit = 0;
  #ended = false;

  constructor(exchange: Exchange<C>, filter: BodyFilter<C> | null) {
    this.#exchange = exchange;
    this.#pump = filter === null ? null : new BodyPump(exchange.session, [filter], this);
  }

  /** True when all of the body that was sent can be sent again. */
  get isReplayable(): boolean {
    return this.#sent !== null;
  }

  get isCollecting(): boolean {
    return this.#collector !== null;
  }

  /** Reads all of the body before any of it is sent. */
  collect(limit: number, isEmpty: boolean): Promise<Buffer> {
    if (this.#collected !== null || isEmpty) return Promise.resolve(this.#collected ?? Buffer.alloc(0));
    this.#collector ??= new Collector(limit);
    return this.#collector.promise;
  }

  /** The body came to its end; true when somebody was collecting it. */
  collected(): boolean {
    if (this.#collector === null) return false;
    this.#collected = this.#collector.finish();
    this.#collector = null;
    return true;
  }

  /** The head is out: sends what was collected, or what a try before had sent already. */
  begin(length: BodyLength, replayLimit: number): void {
    this.#sentLimit = replayLimit;
    if (this.#pump !== null) this.#check ??= new LengthCheck(length);
    for (const bytes of this.#sent ?? []) this.#exchange.upstream?.sendBody(bytes, 0, bytes.length);
    const collected = this.#collected;
    this.#collected = null;
    if (collected !== null) this.take(collected, 0, collected.length);
    if (this.#ended) this.#exchange.upstream?.sendEnd(null);
  }

  take(bytes: Buffer, start: number, end: number): void {
    if (this.#collector !== null) {
      if (!this.#collector.take(bytes, start, end)) this.#exchange.fail(new ProxyError("DOWNSTREAM_BODY_TOO_LARGE"));
    } else if (this.#pump !== null) this.#pump.push(bytes, start, end);
    else this.#send(bytes, start, end);
  }

  end(trailers: HttpHeaders | null): void {
    if (this.#ended) return;
    if (this.#pump !== null) this.#pump.finish(trailers);
    else this.onFilteredEnd(trailers);
  }

  /** Nobody wants the rest; who waits for it is told. */
  stop(): void {
    this.#pump?.stop();
    this.#collector?.fail(new ProxyError("DOWNSTREAM_CLOSED"));
    this.#collector = null;
  }

  #send(bytes: Buffer, start: number, end: number): void {
    this.#keep(bytes, start, end);
    this.#exchange.upstream?.sendBody(bytes, start, end);
  }

  #keep(bytes: Buffer, start: number, end: number): void {
    if (this.#sent === null) return;
    this.#sentBytes += end - start;
    if (this.#sentBytes > this.#sentLimit) this.#sent = null;
    else this.#sent.push(Buffer.from(bytes.subarray(start, end)));
  }

  onFiltered(bytes: Buffer): void {
    if (this.#check?.accepts(bytes.length) === false) this.#exchange.fail(new ProxyError("BODY_LENGTH_MISMATCH"));
    else this.#send(bytes, 0, bytes.length);
  }

  onFilteredEnd(trailers: HttpHeaders | null): void {
    if (this.#check?.isSatisfied === false) {
      this.#exchange.fail(new ProxyError("BODY_LENGTH_MISMATCH"));
      return;
    }
    this.#ended = true;
    this.#exchange.upstream?.sendEnd(trailers);
  }

  onFilterBusy(): void {
    this.#exchange.holdRequest(Hold.Filter);
  }

  onFilterIdle(): void {
    this.#exchange.releaseRequest(Hold.Filter);
  }

  onFilterFailed(thrown: unknown): void {
    this.#exchange.fail(toProxyError(thrown));
  }
}

/** Gathers a whole body up to a limit. */
class Collector {
  readonly promise: Promise<Buffer>;
  readonly #limit: number;
  readonly #resolve: (body: Buffer) => void;
  readonly #reject: (error: Error) => void;
  readonly #chunks: Buffer[] = [];
  #size = 0;

  constructor(limit: number) {
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
    // Whoever asked may have gone on without awaiting it; that is no unhandled rejection.
    promise.catch(() => undefined);
    this.promise = promise;
    this.#limit = limit;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** False when it gets too much. */
  take(bytes: Buffer, start: number, end: number): boolean {
    this.#size += end - start;
    if (this.#size > this.#limit) return false;
    this.#chunks.push(Buffer.from(bytes.subarray(start, end)));
    return true;
  }

  finish(): Buffer {
    const body = Buffer.concat(this.#chunks);
    this.#resolve(body);
    return body;
  }

  fail(error: Error): void {
    this.#reject(error);
  }
}
