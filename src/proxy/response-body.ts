import { ProxyError, toProxyError } from "../base/errors.ts";
import type { BodyLength } from "../http/heads.ts";
import type { HttpHeaders } from "../http/http-headers.ts";
import { LengthCheck } from "./body-length.ts";
import { BodyPump, type PumpOwner } from "./body-pump.ts";
import { type Exchange, Hold } from "./exchange.ts";
import type { BodyFilter } from "./phases.ts";
import type { Plan } from "./plan.ts";

/** A response's body and trailers on their way through the filters to the client. */
export class ResponseBody<C> implements PumpOwner {
  readonly #exchange: Exchange<C>;
  readonly #plan: Plan<C>;
  readonly #pump: BodyPump<C>;
  readonly #check: LengthCheck;
  readonly #isEmpty: boolean;

  constructor(exchange: Exchange<C>, plan: Plan<C>, length: BodyLength) {
    this.#exchange = exchange;
    this.#plan = plan;
    this.#check = new LengthCheck(length);
    this.#isEmpty = length === "none";
    const filters = [plan.upstreamResponseBodyFilter, plan.responseBodyFilter];
    const present = this.#isEmpty ? [] : filters.filter((filter): filter is BodyFilter<C> => filter !== null);
    this.#pump = new BodyPump(exchange.session, present, this);
  }

  take(bytes: Buffer, start: number, end: number): void {
    this.#pump.push(bytes, start, end);
  }

  end(trailers: HttpHeaders | null): void {
    this.#pump.finish(trailers);
  }

  stop(): void {
    this.#pump.stop();
  }

  onFiltered(bytes: Buffer): void {
    if (this.#check.accepts(bytes.length)) this.#exchange.downstream.sendBody(bytes, 0, bytes.length);
    else this.#exchange.fail(new ProxyError("BODY_LENGTH_MISMATCH"));
  }

  onFilteredEnd(trailers: HttpHeaders | null): void {
    if (!this.#check.isSatisfied) this.#exchange.fail(new ProxyError("BODY_LENGTH_MISMATCH"));
    else if (this.#filterTrailers(trailers)) this.#exchange.endResponse(trailers);
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
