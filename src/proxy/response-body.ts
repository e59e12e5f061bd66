import { notPromised, type ProxyError, toProxyError } from "../base/errors.ts";
import type { BodyLength } from "../http/heads.ts";
import type { HttpHeaders } from "../http/http-headers.ts";
import type { PipeOwner, PluginPipe } from "../plugins/plugin-pipe.ts";
import type { BodyCoder, CoderOwner, OpenCoder } from "./body-coder.ts";
import { responseBodyFilters } from "./body-filters.ts";
import { LengthCheck } from "./body-length.ts";
import { BodyPump, type PumpOwner } from "./body-pump.ts";
import { Hold } from "./flow.ts";
import type { Plan } from "./plan.ts";
import type { Session } from "./session.ts";
import { toPluginFailure } from "./session-plugins.ts";

/** Whose response it is. */
export interface ResponseBodyOwner<C> {
  readonly session: Session<C>;
  holdResponse(reason: number): void;
  releaseResponse(reason: number): void;
  sendBody(bytes: Buffer, start: number, end: number): void;
  endBody(trailers: HttpHeaders | null): void;
  fail(error: ProxyError): void;
  /** What holds of the response stop and release too. */
  decoder: BodyCoder | null;
}

/**
 * A response's body and trailers on their way to the client:
 *
 *     server ─▶ [decoder] ─▶ [plugins] ─▶ [filters] ─▶ client
 */
export class ResponseBody<C> implements PumpOwner, PipeOwner, CoderOwner {
  readonly #owner: ResponseBodyOwner<C>;
  readonly #plan: Plan<C>;
  /** Null when only the trailers are of interest. */
  readonly #pump: BodyPump<C> | null;
  /** Null where it goes through no plugins. */
  readonly #pipe: PluginPipe | null;
  /** Null where it isn't decoded. */
  readonly #decoder: BodyCoder | null;
  readonly #check: LengthCheck;
  #trailers: HttpHeaders | null = null;

  /**
   * @param isPlugged true when it goes through the session's plugins
   * @param openDecoder what it is decoded by before that; null: it isn't
   */
  constructor(
    owner: ResponseBodyOwner<C>,
    plan: Plan<C>,
    length: BodyLength,
    isPlugged: boolean,
    openDecoder: OpenCoder | null,
  ) {
    this.#owner = owner;
    this.#plan = plan;
    this.#check = new LengthCheck(length);
    const filters = responseBodyFilters(owner.session, plan);
    // What has no body, such as an answer to HEAD, is no business of a body filter.
    const hasPump = filters.length > 0 && length !== "none";
    this.#pump = hasPump ? new BodyPump(owner.session, filters, this) : null;
    this.#pipe = isPlugged ? (owner.session.plugins?.responsePipe(this) ?? null) : null;
    this.#decoder = openDecoder === null ? null : openDecoder(this);
    owner.decoder = this.#decoder;
  }

  take(bytes: Buffer, start: number, end: number): void {
    if (this.#decoder === null) this.onCoded(bytes, start, end);
    else this.#decoder.push(bytes, start, end);
  }

  end(trailers: HttpHeaders | null): void {
    this.#trailers = trailers;
    if (this.#decoder === null) this.onCodedEnd();
    else this.#decoder.end();
  }

  stop(): void {
    this.#decoder?.stop();
    this.#pump?.stop();
    this.#pipe?.stop();
  }

  onCoded(bytes: Buffer, start: number, end: number): void {
    if (this.#pipe === null) this.onPiped(bytes, start, end);
    else this.#pipe.push(bytes, start, end);
  }

  onCodedEnd(): void {
    if (this.#pipe === null) this.onPipedEnd();
    else this.#pipe.end();
  }

  onCoderBusy(): void {
    this.#owner.holdResponse(Hold.Decoding);
  }

  onCoderIdle(): void {
    this.#owner.releaseResponse(Hold.Decoding);
  }

  onCoderFailed(error: Error): void {
    this.#owner.fail(toProxyError(error));
  }

  onPiped(bytes: Buffer, start: number, end: number): void {
    if (this.#pump === null) this.#owner.sendBody(bytes, start, end);
    else this.#pump.push(bytes, start, end);
  }

  onPipedEnd(): void {
    if (this.#pump === null) this.#finish(this.#trailers);
    else this.#pump.finish(this.#trailers);
  }

  onFiltered(bytes: Buffer): void {
    if (this.#check.accepts(bytes.length)) this.#owner.sendBody(bytes, 0, bytes.length);
    else this.#owner.fail(this.#pump!.lengthMismatch());
  }

  onFilteredEnd(trailers: HttpHeaders | null): void {
    if (this.#check.isSatisfied) this.#finish(trailers);
    else this.#owner.fail(this.#pump!.lengthMismatch());
  }

  #finish(trailers: HttpHeaders | null): void {
    if (this.#filterTrailers(trailers)) this.#owner.endBody(trailers);
  }

  #filterTrailers(trailers: HttpHeaders | null): boolean {
    if (trailers === null) return true;
    const { session } = this.#owner;
    try {
      notPromised(
        this.#plan.upstreamResponseTrailerFilter?.(session, trailers),
        "upstreamResponseTrailerFilter",
      );
      notPromised(this.#plan.responseTrailerFilter?.(session, trailers), "responseTrailerFilter");
      return true;
    } catch (thrown) {
      this.#owner.fail(toProxyError(thrown));
      return false;
    }
  }

  onFilterBusy(): void {
    this.#owner.holdResponse(Hold.Filter);
  }

  onFilterIdle(): void {
    this.#owner.releaseResponse(Hold.Filter);
  }

  onFilterFailed(thrown: unknown): void {
    this.#owner.fail(toProxyError(thrown));
  }

  onPipeBusy(): void {
    this.#owner.holdResponse(Hold.Plugin);
  }

  onPipeIdle(): void {
    this.#owner.releaseResponse(Hold.Plugin);
  }

  onPipeFailed(error: Error | null): void {
    this.#owner.fail(toPluginFailure(error));
  }
}
