import { Alarm, type AlarmClock } from "../../base/alarms.ts";
import { ProxyError } from "../../base/errors.ts";
import { fieldBit } from "../../http/field-bits.ts";
import { FieldId, toFieldName } from "../../http/field-names.ts";
import { isGrpc } from "../../http/grpc/grpc-content.ts";
import { toHttpStatus } from "../../http/grpc/grpc-status.ts";
import { formatGrpcTimeout, parseGrpcTimeout } from "../../http/grpc/grpc-timeout.ts";
import type { BodyLength, RequestHead, ResponseHead } from "../../http/heads.ts";
import type { HttpHeaders } from "../../http/http-headers.ts";
import { peekField } from "../../http/peek-field.ts";

const TE = fieldBit(FieldId.Te);
const TIMEOUT = toFieldName("grpc-timeout");
const STATUS = toFieldName("grpc-status");
/** What a timer can wait for: nearly 25 days. Who gives a call more gives it as long as it likes. */
const LONGEST = 2 ** 31 - 1;

/**
 * Whether a request begins a call. Calls say that they take trailers; others aren't looked at any closer. A head that
 * somebody has changed already may be one of gRPC-Web.
 */
export function beginsCall(request: RequestHead): boolean {
  const mayBe = (request.present & TE) !== 0 || request.touchedHeaders !== null;
  return mayBe && isGrpc(request);
}

/** Told when a call's time is over. */
export interface CallOwner {
  onCallDeadline(): void;
}

/**
 * What a session that carries a gRPC call has besides: a deadline, and a response that can be ended with a status.
 *
 *     grpc-timeout ─┐
 *                   ├─▶ the earlier one: alarm ─▶ DEADLINE_EXCEEDED         the time that is left ─▶ server
 *     limits ───────┘
 */
export class GrpcCall {
  readonly #clock: AlarmClock;
  readonly #owner: CallOwner;
  #alarm: Alarm | null = null;
  /** Milliseconds by the client's word, and when they began to count. */
  #given: number = Number.POSITIVE_INFINITY;
  #end: number = Number.POSITIVE_INFINITY;
  /** True while the response can be ended with trailers that tell a status. */
  canEnd = false;
  /** How the call ended, by the server's word or by ours; -1 when nobody has said so yet. */
  status = -1;

  constructor(clock: AlarmClock, owner: CallOwner) {
    this.#clock = clock;
    this.#owner = owner;
  }

  /**
   * Starts the call's time.
   * @param most milliseconds that it may take, whatever the client says; 0: as many as it says
   * @returns why the call isn't let in
   */
  begin(request: RequestHead, most: number): ProxyError | null {
    const text = peekField(request, TIMEOUT);
    if (text !== null) {
      const given = parseGrpcTimeout(text);
      if (Number.isNaN(given))
        return new ProxyError("DOWNSTREAM_BAD_REQUEST", `grpc-timeout ${JSON.stringify(text)}`);
      if (given === 0) return new ProxyError("DEADLINE_EXCEEDED", "it had none from the start");
      this.#given = given;
      this.limit(given);
    }
    if (most > 0) this.limit(most);
    return null;
  }

  /** Gives the call so many milliseconds from now, unless it has fewer. */
  limit(milliseconds: number): void {
    const end = this.#clock.now() + milliseconds;
    if (milliseconds > LONGEST || end >= this.#end) return;
    this.#alarm ??= new Alarm(this.#clock, () => this.#owner.onCallDeadline());
    this.#alarm.set(end);
    this.#end = end;
  }

  /**
   * The head for a server, which is told how much time is left. As long as that is what the client said, to the
   * millisecond, its own word goes on as it came.
   */
  toSend(head: RequestHead): RequestHead {
    if (this.#end === Number.POSITIVE_INFINITY) return head;
    const left = this.#end - this.#clock.now();
    if (this.#given - left < 1) return head;
    const told = head.fork();
    told.headers.set(TIMEOUT.lowercase, formatGrpcTimeout(left));
    return told;
  }

  /** The head of the response that the client gets. */
  noteResponse(head: ResponseHead, length: BodyLength): void {
    this.canEnd = length === "unknown" && isGrpc(head);
    if (length === 0) this.status = toStatus(peekField(head, STATUS));
  }

  /** The head of an answer that is made here. */
  noteAnswer(head: ResponseHead): void {
    this.status = toStatus(peekField(head, STATUS));
  }

  noteEnd(trailers: HttpHeaders | null): void {
    if (this.status === -1 && trailers !== null) this.status = toStatus(trailers.get(STATUS.lowercase));
  }

  /** The session is over. */
  stop(): void {
    this.#alarm?.clear();
  }
}

/** Whether a response consists of a status alone, and one of these: nothing of the call's answer is in it. */
export function isRefusal(head: ResponseHead, statuses: readonly number[]): boolean {
  return statuses.includes(statusIn(head));
}

/** What a response says of the server it comes from: as HTTP has it, also where it consists of a status of gRPC alone. */
export function httpStatusOf(head: ResponseHead): number {
  return toHttpStatus(statusIn(head)) ?? head.status;
}

/** The status of a response that has nothing else; -1 for another response. */
function statusIn(head: ResponseHead): number {
  if (head.body !== 0 && head.body !== "none") return -1;
  return toStatus(peekField(head, STATUS));
}

/** -1 for what is no number as gRPC writes them. Numbers that gRPC doesn't know stay what they are. */
function toStatus(text: string | null): number {
  return text !== null && /^\d{1,9}$/.test(text) ? Number(text) : -1;
}
