import { Hold } from "./flow.ts";
import { type BodySource, IncomingBody } from "./incoming-body.ts";

/** Whose request it is. */
export interface RequestStreamOwner {
  holdRequest(reason: number): void;
  releaseRequest(reason: number): void;
}

/** A request's body that the program reads as it comes, instead of a server. */
export class RequestStream implements BodySource {
  readonly body: IncomingBody = new IncomingBody(this);
  readonly #owner: RequestStreamOwner;

  constructor(owner: RequestStreamOwner) {
    this.#owner = owner;
  }

  /** @param bytes borrowed */
  take(bytes: Buffer, start: number, end: number): void {
    this.body.push(Buffer.from(bytes.subarray(start, end)));
  }

  pause(): void {
    this.#owner.holdRequest(Hold.Blocked);
  }

  resume(): void {
    this.#owner.releaseRequest(Hold.Blocked);
  }

  /** The rest is thrown away as it comes. */
  cancel(): void {
    this.resume();
  }
}
