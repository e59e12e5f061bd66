import { Alarm, type AlarmClock, threadAlarms } from "../base/alarms.ts";
import { ProxyError, toProxyError } from "../base/errors.ts";
import type { Attributes } from "../chaos/attributes.ts";
import { Link, type LinkHome, type LinkPort } from "../chaos/link.ts";
import { completeAttributes } from "../chaos/registry.ts";
import { createRegistry } from "../chaos/toxics/index.ts";
import type { HttpHeaders } from "../http/http-headers.ts";
import type { DownstreamStream } from "../http/streams.ts";
import { Hold } from "./flow.ts";
import type { ResponseFaults } from "./response-faults.ts";

/** Whose faults these are. */
export interface FaultySession {
  readonly downstream: DownstreamStream;
  holdResponse(reason: number): void;
  releaseResponse(reason: number): void;
  endResponse(trailers: HttpHeaders | null): void;
  fail(error: ProxyError): void;
}

const registry = createRegistry();

/**
 * What one session has to bear: it is made to wait, and the body of its response goes through a link of its own.
 *
 *     server, filters, answers made here ──▶ [bandwidth] ─▶ [limit_data] ──▶ client
 */
export class SessionFaults implements LinkPort, LinkHome {
  readonly clock: AlarmClock;
  readonly #session: FaultySession;
  readonly #alarms: Alarm[] = [];
  #link: Link | null = null;
  #trailers: HttpHeaders | null = null;
  #isOver = false;

  constructor(session: FaultySession, clock: AlarmClock = threadAlarms) {
    this.#session = session;
    this.clock = clock;
  }

  /** Resolves after so many milliseconds; never when the session ends before. */
  wait(milliseconds: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    if (this.#isOver) return promise;
    const alarm = new Alarm(this.clock, resolve);
    alarm.set(this.clock.now() + milliseconds);
    this.#alarms.push(alarm);
    return promise;
  }

  /** To be called before the response's head is sent. */
  inject({ rate, cutAfter, malformed }: ResponseFaults): void {
    if (malformed !== undefined) this.#session.downstream.malform(malformed);
    if (rate !== undefined) this.#addToxic("bandwidth", { bytes_per_second: rate });
    if (cutAfter !== undefined) this.#addToxic("limit_data", { bytes: cutAfter });
  }

  #addToxic(name: string, given: Attributes): void {
    this.#link ??= new Link("downstream", "bytes", this, this, "");
    const type = registry.get(name)!;
    const attributes = completeAttributes(type, given);
    this.#link.add(type, { name, type: name, stream: "downstream", toxicity: 1, attributes });
  }

  // ── the response's body on its way ─────────────────────────────────────────────────────────────────────────────

  /** Takes borrowed bytes. */
  send(bytes: Buffer, start: number, end: number): void {
    if (this.#link === null) this.#session.downstream.sendBody(bytes, start, end);
    else this.#link.push(bytes, start, end);
  }

  end(trailers: HttpHeaders | null): void {
    this.#trailers = trailers;
    if (this.#link === null) this.deliverEnd();
    else this.#link.end();
  }

  /** The client takes no more for a while. */
  pause(): void {
    this.#link?.pause();
  }

  resume(): void {
    this.#link?.resume();
  }

  /** The session is over: lets go of everything. */
  stop(): void {
    this.#isOver = true;
    for (const alarm of this.#alarms) alarm.clear();
    this.#link?.close();
  }

  // ── what the link says ─────────────────────────────────────────────────────────────────────────────────────────

  deliver(chunk: Buffer): void {
    this.#session.downstream.sendBody(chunk, 0, chunk.length);
  }

  deliverEnd(): void {
    this.#session.endResponse(this.#trailers);
  }

  onFull(): void {
    this.#session.holdResponse(Hold.Paced);
  }

  onRoom(): void {
    this.#session.releaseResponse(Hold.Paced);
  }

  close(): void {
    this.#session.fail(new ProxyError("FAULT_INJECTED"));
  }

  /** Only for what went wrong here: none of these toxics resets. */
  reset(): void {
    this.close();
  }

  onToxicFailed(_toxic: string, error: unknown): void {
    this.#session.fail(toProxyError(error));
  }

  shared<T>(_toxic: string, make: () => T): T {
    return make();
  }
}
