import { ProxyError, toProxyError } from "../base/errors.ts";
import type { BodyLength } from "../http/heads.ts";
import type { HttpHeaders } from "../http/http-headers.ts";
import type { UpstreamStream } from "../http/streams.ts";
import type { PipeOwner, PluginPipe } from "../plugins/plugin-pipe.ts";
import { BodyCollector } from "./body-collector.ts";
import { requestBodyFilters } from "./body-filters.ts";
import { LengthCheck } from "./body-length.ts";
import { BodyPump, type PumpOwner } from "./body-pump.ts";
import { Hold } from "./flow.ts";
import type { BodyFilter } from "./phases.ts";
import { SentBytes } from "./sent-bytes.ts";
import type { Session } from "./session.ts";
import { toPluginFailure } from "./session-plugins.ts";

/** Whose request it is. */
export interface RequestBodyOwner<C> {
  readonly session: Session<C>;
  /** Bytes that are kept to be sent again. */
  readonly replayLimit: number;
  holdRequest(reason: number): void;
  releaseRequest(reason: number): void;
  fail(error: ProxyError): void;
}

/**
 * A request's body between client and server: collected for a phase that wants to read it, filtered, and kept for a
 * repetition as long as it is short.
 *
 *     client → [collector] → [filter] → [plugins] → kept, counted → server
 */
export class RequestBody<C> implements PumpOwner, PipeOwner {
  readonly #owner: RequestBodyOwner<C>;
  readonly #filter: BodyFilter<C> | null;
  /** Null before a request's head is out, and where nothing filters the body. */
  #pump: BodyPump<C> | null = null;
  /** Null where the body goes through no plugins, and before a request's head is out. */
  #pipe: PluginPipe | null = null;
  #collector: BodyCollector | null = null;
  /** What whoever reads the body is promised. */
  #content: Promise<Buffer> | null = null;
  /** What `collect` read, until it is sent on. */
  #collected: Buffer | null = null;
  /** Who gets the body: null until a request's head is out, and between two tries. */
  #server: UpstreamStream | null = null;
  #begun = false;
  #length: BodyLength = "unknown";
  #check: LengthCheck | null = null;
  /** What was sent so far, for a repetition; null when it can't be repeated. */
  #sent: SentBytes | null = new SentBytes();
  #sentBytes = 0;
  /** The client's last byte has come. */
  #received = false;
  /** All of the body is sent. */
  #ended = false;
  #stopped = false;
  #trailers: HttpHeaders | null = null;

  constructor(owner: RequestBodyOwner<C>, filter: BodyFilter<C> | null) {
    this.#owner = owner;
    this.#filter = filter;
  }

  /** True when all of the body that was sent can be sent again. */
  get isReplayable(): boolean {
    return this.#sent !== null;
  }

  /** True when a server may have got some of the body, or all that there is of it. */
  get isSent(): boolean {
    return this.#ended || this.#sentBytes > 0 || (this.#begun && this.#length === 0);
  }

  /** True when nothing of the body is missing and all of it can be sent again. */
  get isComplete(): boolean {
    return this.#ended && this.#sent !== null;
  }

  get isCollecting(): boolean {
    return this.#collector !== null;
  }

  /** Reads all of the body before any of it is sent. */
  collect(limit: number, length: BodyLength): Promise<Buffer> {
    this.#content ??= this.#collect(limit, length);
    return this.#content;
  }

  #collect(limit: number, length: BodyLength): Promise<Buffer> {
    if (length === "none" || length === 0) return Promise.resolve(Buffer.alloc(0));
    if (this.#begun || this.#stopped)
      return Promise.reject(new Error("The body was sent or given up already"));
    this.#collector = new BodyCollector(limit);
    const { promise } = this.#collector;
    if (typeof length === "number" && length > limit) this.#refuse();
    return promise;
  }

  /** A request's head is out: sends what was collected, or what a try before had sent already. */
  begin(server: UpstreamStream, length: BodyLength): void {
    const isFirst = !this.#begun;
    this.#begun = true;
    this.#server = server;
    this.#length = length;
    const { session } = this.#owner;
    const { plugins } = session;
    if (isFirst) this.#pump = this.#toPump(session);
    if (plugins?.transformsRequest === true) this.#pipe ??= plugins.requestPipe(this);
    if (this.#pump !== null || this.#pipe !== null) this.#check = new LengthCheck(length);
    this.#sent?.replay((bytes, start, end) => server.sendBody(bytes, start, end));
    if (this.#check?.accepts(this.#sentBytes) === false) {
      this.#owner.fail(this.#lengthMismatch());
      return;
    }
    this.#keepWithin(this.#owner.replayLimit);
    if (this.#ended) this.onPipedEnd();
    else if (isFirst && this.#collector === null) this.#goOn();
  }

  #toPump(session: Session<C>): BodyPump<C> | null {
    const filters = requestBodyFilters(session, this.#filter);
    return filters.length === 0 ? null : new BodyPump(session, filters, this);
  }

  /** Sends all of a complete body to a second server. */
  copyTo(server: UpstreamStream): void {
    this.#sent?.replay((bytes, start, end) => server.sendBody(bytes, start, end));
    server.sendEnd(this.#trailers);
  }

  /** The server is given up; what comes meanwhile is kept for the next one. */
  detach(): void {
    this.#server = null;
  }

  take(bytes: Buffer, start: number, end: number): void {
    if (this.#stopped) return;
    if (this.#collector !== null) {
      if (!this.#collector.take(bytes, start, end)) this.#refuse();
    } else if (this.#pump !== null) this.#pump.push(bytes, start, end);
    else this.#onward(bytes, start, end);
  }

  /** The client's request is complete. */
  end(trailers: HttpHeaders | null): void {
    if (this.#received || this.#stopped) return;
    this.#received = true;
    this.#trailers = trailers;
    if (this.#collector !== null) {
      this.#collected = this.#collector.finish();
      this.#collector = null;
    }
    if (this.#begun) this.#goOn();
  }

  /** Nobody wants the rest; who waits for it is told. */
  stop(): void {
    this.#stopped = true;
    this.#server = null;
    this.#pump?.stop();
    this.#pipe?.stop();
    this.#forgetSent();
    this.#collector?.fail(new ProxyError("DOWNSTREAM_CLOSED"));
    this.#collector = null;
  }

  #refuse(): void {
    this.#owner.fail(new ProxyError("DOWNSTREAM_BODY_TOO_LARGE"));
  }

  /** Sends what was collected on, and the end if it has come. */
  #goOn(): void {
    const collected = this.#collected;
    this.#collected = null;
    if (collected !== null && collected.length > 0) this.take(collected, 0, collected.length);
    if (!this.#received) return;
    if (this.#pump !== null) this.#pump.finish(this.#trailers);
    else this.onFilteredEnd(this.#trailers);
  }

  #onward(bytes: Buffer, start: number, end: number): void {
    if (this.#pipe === null) this.#send(bytes, start, end);
    else this.#pipe.push(bytes, start, end);
  }

  #send(bytes: Buffer, start: number, end: number): void {
    this.#sentBytes += end - start;
    if (this.#sent !== null) {
      // Between two tries nobody else has it: it is kept whatever its size.
      if (this.#server !== null) this.#keepWithin(this.#owner.replayLimit);
      this.#sent?.add(bytes, start, end);
    }
    this.#server?.sendBody(bytes, start, end);
  }

  #keepWithin(limit: number): void {
    if (this.#sentBytes > limit) this.#forgetSent();
  }

  #forgetSent(): void {
    this.#sent?.drop();
    this.#sent = null;
  }

  onFiltered(bytes: Buffer): void {
    if (this.#check?.accepts(bytes.length) === false) {
      this.#owner.fail(this.#lengthMismatch());
    } else this.#onward(bytes, 0, bytes.length);
  }

  onFilteredEnd(trailers: HttpHeaders | null): void {
    this.#trailers = trailers;
    if (this.#pipe === null) this.onPipedEnd();
    else this.#pipe.end();
  }

  onPiped(bytes: Buffer, start: number, end: number): void {
    this.#send(bytes, start, end);
  }

  onPipedEnd(): void {
    if (this.#check?.isSatisfied === false) {
      this.#owner.fail(this.#lengthMismatch());
      return;
    }
    this.#ended = true;
    this.#server?.sendEnd(this.#trailers);
  }

  #lengthMismatch(): ProxyError {
    return this.#pump?.lengthMismatch() ?? new ProxyError("BODY_LENGTH_MISMATCH");
  }

  onFilterBusy(): void {
    this.#owner.holdRequest(Hold.Filter);
  }

  onFilterIdle(): void {
    this.#owner.releaseRequest(Hold.Filter);
  }

  onFilterFailed(thrown: unknown): void {
    this.#owner.fail(toProxyError(thrown));
  }

  onPipeBusy(): void {
    this.#owner.holdRequest(Hold.Plugin);
  }

  onPipeIdle(): void {
    this.#owner.releaseRequest(Hold.Plugin);
  }

  onPipeFailed(error: Error | null): void {
    this.#owner.fail(toPluginFailure(error));
  }
}
