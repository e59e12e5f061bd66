/** Gathers a whole body up to a limit. */
export class BodyCollector {
  readonly promise: Promise<Buffer>;
  readonly #limit: number;
  readonly #resolve: (body: Buffer) => void;
  readonly #reject: (error: Error) => void;
  readonly #chunks: Buffer[] = [];
  #size = 0;

  /** @param limit bytes */
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
