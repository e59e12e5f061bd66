import { ProxyError } from "../base/errors.ts";
import type { Deadline } from "../base/timeouts.ts";
import type { BodyLength } from "../http/heads.ts";
import { HttpHeaders } from "../http/http-headers.ts";
import { RateGuard } from "../http/rate-guard.ts";
import { BODY_REFUSED, BodyDecoder, type BodySink } from "./body-decoder.ts";
import type { HeadScan } from "./head-scan.ts";
import type { ServerOptions } from "./server-options.ts";

/** Unread bytes of a request body that are read for the sake of the connection. */
const DISCARD_LIMIT = 64 * 1024;

/** Who a request's body is read for. */
export interface IntakeOwner {
  onIntake(bytes: Buffer, start: number, end: number): void;
  /** The body is complete, or all of what was to be thrown away has come. */
  onIntakeEnd(trailers: HttpHeaders | null): void;
  /** The body can't be read on; called once for a request. */
  onIntakeFailed(error: ProxyError): void;
}

/**
 * The bodies of a connection's requests on their way in, one after the other: out of their framing, within the limits
 * of size, time and rate, and thrown away once nobody wants the rest.
 */
export class RequestIntake implements BodySink {
  /** Nobody can take more for now. */
  bodyPaused = false;
  #broken = false;
  #discards = false;
  readonly #owner: IntakeOwner;
  readonly #options: ServerOptions;
  readonly #deadline: Deadline;
  readonly #decoder: BodyDecoder;
  readonly #rate: RateGuard;

  constructor(owner: IntakeOwner, options: ServerOptions, deadline: Deadline) {
    this.#owner = owner;
    this.#options = options;
    this.#deadline = deadline;
    this.#decoder = new BodyDecoder(this, options.settings.chunked);
    this.#rate = new RateGuard(options.settings.minimumRate);
  }

  begin(body: BodyLength): void {
    this.bodyPaused = false;
    this.#broken = false;
    this.#discards = false;
    if (typeof body === "number") this.#decoder.startLength(body);
    else this.#decoder.startChunked();
    this.#rate.start();
    this.#options.bodyTimeout.set(this.#deadline);
  }

  get complete(): boolean {
    return this.#decoder.complete;
  }

  /** True when bytes that come now are read as body. */
  get takes(): boolean {
    return !this.#decoder.complete && !this.bodyPaused;
  }

  /** True when what comes now is of no use to anybody. */
  get broken(): boolean {
    return this.#broken;
  }

  /** Returns where it stopped. */
  read(bytes: Buffer, start: number, end: number): number {
    if (!this.#discards) {
      this.#options.bodyTimeout.set(this.#deadline);
      if (!this.#rate.accepts(end - start)) {
        this.fail(new ProxyError("DOWNSTREAM_BODY_TIMEOUT"));
        return end;
      }
    }
    const at = this.#decoder.decode(bytes, start, end);
    if (at !== BODY_REFUSED) return at;
    this.fail(new ProxyError("DOWNSTREAM_BAD_BODY"));
    return end;
  }

  /** Sees to an end that is due without further bytes. */
  proceed(): void {
    if (this.takes && this.#decoder.remaining === 0) this.#decoder.finish(null);
  }

  pause(): void {
    this.bodyPaused = true;
    this.#rate.pause();
    if (this.#deadline.isIn(this.#options.bodyTimeout)) this.#deadline.clear();
  }

  resume(): void {
    if (this.#broken) return;
    this.bodyPaused = false;
    this.#rate.resume();
    if (!this.complete) this.#options.bodyTimeout.set(this.#deadline);
  }

  /** Until now the client had reason to wait with the body. */
  excuseDelay(): void {
    this.#rate.start();
    if (this.#deadline.isIn(this.#options.bodyTimeout)) this.#options.bodyTimeout.set(this.#deadline);
  }

  /** True when what is still to come is known to be no more than `discardRest` throws away. */
  get isRestShort(): boolean {
    return !this.#broken && this.#decoder.remaining <= DISCARD_LIMIT;
  }

  /** Throws away what is still to come; false when that is too much to read for the sake of the connection. */
  discardRest(): boolean {
    const { remaining } = this.#decoder;
    if (this.#broken || (remaining > DISCARD_LIMIT && Number.isFinite(remaining))) return false;
    this.#discards = true;
    this.bodyPaused = false;
    this.#decoder.received = 0;
    this.#options.bodyTimeout.set(this.#deadline);
    return true;
  }

  fail(error: ProxyError): void {
    if (this.#broken) return;
    this.#broken = true;
    this.bodyPaused = true;
    this.#deadline.clear();
    this.#owner.onIntakeFailed(error);
  }

  onBodyChunk(bytes: Buffer, start: number, end: number): void {
    const { received } = this.#decoder;
    const { bodyBytes } = this.#options.settings;
    if (this.#discards ? received > DISCARD_LIMIT : bodyBytes > 0 && received > bodyBytes) {
      this.fail(new ProxyError("DOWNSTREAM_BODY_TOO_LARGE"));
    } else if (!this.#discards) this.#owner.onIntake(bytes, start, end);
  }

  onBodyEnd(trailers: HeadScan | null): void {
    this.#deadline.clear();
    this.#owner.onIntakeEnd(trailers === null ? null : HttpHeaders.copyOf(trailers));
  }
}
