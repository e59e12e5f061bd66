import type { AlarmClock } from "../base/alarms.ts";
import { type ProxyError, toProxyError } from "../base/errors.ts";
import { forgetDigests } from "../http/body-fields.ts";
import type { BodyLength, ResponseHead } from "../http/heads.ts";
import type { HttpHeaders } from "../http/http-headers.ts";
import type { BodyCoder, BodyCoding, CoderOwner, OpenCoder } from "./body-coder.ts";
import { Flow, Hold } from "./flow.ts";
import type { ResponseFaults } from "./response-faults.ts";
import { SessionFaults } from "./session-faults.ts";

/**
 * The last part of a response's way to the client, whoever made it: the server, a phase, or the proxy for an error.
 *
 *     body ─▶ [coder] ─▶ [faults] ─▶ client
 */
export abstract class ResponseSide<C> extends Flow<C> implements CoderOwner {
  abstract readonly proxy: { readonly alarms: AlarmClock };
  /** Whether the client's connection may serve another request behind this response. */
  protected keepAlive = true;
  /** What the server's response is to be decoded by; null: it isn't coded, or stays so. */
  protected openDecoder: OpenCoder | null = null;
  #faults: SessionFaults | null = null;
  /** Null: the client gets the body as it is. */
  #coder: BodyCoder | null = null;
  #trailers: HttpHeaders | null = null;

  protected abstract readonly isHead: boolean;

  abstract endResponse(trailers: HttpHeaders | null): void;
  protected abstract noteMoved(bytes: number): void;

  /** @internal the head goes to the client, which may get another body than the one of this length */
  sendHead(head: ResponseHead, length: BodyLength): void {
    const { coding, request } = this.session;
    const way = coding === null ? null : coding.encode(request, head, length);
    if (way === null) this.downstream.sendHead(head, length, this.keepAlive);
    else this.sendCoded(head, length, way);
  }

  /** The head is one of a coded body. */
  protected sendCoded(head: ResponseHead, length: BodyLength, way: BodyCoding): void {
    if (this.isHead || length === "none") this.downstream.sendHead(head, "none", this.keepAlive);
    else {
      this.#coder = way.open(this, length === "unknown" ? null : length);
      this.downstream.sendHead(head, "unknown", this.keepAlive);
    }
  }

  /** @internal what is to go to the client */
  sendBody(bytes: Buffer, start: number, end: number): void {
    this.noteMoved(end - start);
    if (this.#coder === null) this.onCoded(bytes, start, end);
    else this.#coder.push(bytes, start, end);
  }

  /** @internal */
  endBody(trailers: HttpHeaders | null): void {
    this.#trailers = trailers;
    if (this.#coder === null) this.onCodedEnd();
    else {
      if (trailers !== null) forgetDigests(trailers);
      this.#coder.end();
    }
  }

  // ── what the coder says ────────────────────────────────────────────────────────────────────────────────────────

  onCoded(bytes: Buffer, start: number, end: number): void {
    if (this.#faults === null) this.downstream.sendBody(bytes, start, end);
    else this.#faults.send(bytes, start, end);
  }

  onCodedEnd(): void {
    if (this.#faults === null) this.endResponse(this.#trailers);
    else this.#faults.end(this.#trailers);
  }

  onCoderBusy(): void {
    this.holdResponse(Hold.Coding);
  }

  onCoderIdle(): void {
    this.releaseResponse(Hold.Coding);
  }

  onCoderFailed(error: Error): void {
    this.fail(toProxyError(error));
  }

  /** Nobody wants the rest of the response. */
  protected stopSending(): void {
    this.#coder?.stop();
    this.#faults?.stop();
  }

  closeAfterResponse(): void {
    this.keepAlive = false;
  }

  // ── faults that are asked for ──────────────────────────────────────────────────────────────────────────────────

  get #ownFaults(): SessionFaults {
    this.#faults ??= new SessionFaults(this, this.proxy.alarms);
    return this.#faults;
  }

  wait(milliseconds: number): Promise<void> {
    return this.isDone ? new Promise(() => {}) : this.#ownFaults.wait(milliseconds);
  }

  injectFaults(faults: ResponseFaults): void {
    if (!this.isDone) this.#ownFaults.inject(faults);
  }

  override onDownstreamBlocked(): void {
    super.onDownstreamBlocked();
    this.#faults?.pause();
  }

  override onDownstreamDrained(): void {
    super.onDownstreamDrained();
    this.#faults?.resume();
  }

  abstract override fail(error: ProxyError): void;
}
