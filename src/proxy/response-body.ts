import { ProxyError, toProxyError } from "../base/errors.ts";
import type { BodyLength } from "../http/heads.ts";
import type { HttpHeaders } from "../http/http-headers.ts";
import { LengthCheck } from "./body-length.ts";
import { BodyPump, type PumpOwner } from "./body-pump.ts";
import type { Exchange } from "./exchange.ts";
import { Hold } from "./flow.ts";
import type { BodyFilter } from "./phases.ts";
import type { Plan } from "./plan.ts";

/** A response's body and trailers on their way through the filters to the client. */
export class ResponseBody<C> implements PumpOwner {
  readonly #exchange: Exchange<C>;
  readonly #plan: Plan<C>;
  /** Null when only the trailers are of interest. */
  readonly #pump: BodyPump<C> | null;
  readonly #check: LengthCheck;

  constructor(exchange: Exchange<C>, plan: Plan<C>, length: BodyLength) {
    this.#exchange = exchange;
    this.#plan = plan;
    this.#check = new LengthCheck(length);
    const filters = [plan.upstreamResponseBodyFilter, plan.responseBodyFilter];
    const present = filters.filter((filter): filter is BodyFilter<C> => filter !== null);
    // What has no body, such as an answer to HEAD, is no business of a body filter.
    const hasPump = present.length > 0 && length !== "none";
    this.#pump = hasPump ? new BodyPump(exchange.session, present, this) : null;
  }

  take(bytes: Buffer, start: number, end: number): void {
    if (this.#pump === null) this.#exchange.downstream.sendBody(bytes, start, end);
    else this.#pump.push(bytes, start, end);
  }

  end(trailers: HttpHeaders | null): void {
    if (this.#pump === null) this.#finish(trailers);
    else this.#pump.finish(trailers);
  }

  stop(): void {
    this.#pump?.stop();
  }

  onFiltered(bytes: Buffer): void {
    if (this.#check.accepts(bytes.length)) this.#exchange.downstream.sendBody(bytes, 0, bytes.length);
    else this.#exchange.fail(new ProxyError("BODY_LENGTH_MISMATCH"));
  }

  onFilteredEnd(trailers: HttpHeaders | null): void {
    if (this.#check.isSatisfied) this.#finish(trailers);
    else this.#exchange.fail(new ProxyError("BODY_LENGTH_MISMATCH"));
  }

  #finish(trailers: HttpHeaders | null): void {
    if (this.#filterTrailers(trailers)) this.#exchange.endResponse(trailers);
  }

  #filterTrailers(trailers: HttpHeaders | null): boolean {
    if (trailers === null) return true;
    const { session } = this.#exchange;
    try {
      this.#plan.upstreamResponseTrailerFilter?.(session, trailers);
      this.#plan.responseTrailerFilter?.(session, trailers);
      return true;
    } catch (thrown) {
      this.#exchange.fail(toProxyError(thrown));
      return false;
    }
  }

  onFilterBusy(): void {
    this.#exchange.holdResponse(Hold.Filter);
  }

  onFilterIdle(): void {
    this.#exchange.releaseResponse(Hold.Filter);
  }

  onFilterFailed(thrown: unknown): void {
    this.#exchange.fail(toProxyError(thrown));
  }
}
