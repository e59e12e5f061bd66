import type { IncomingMessage } from "node:http";
import { ApiFault, type ApiRequest } from "./api-message.ts";
import type { RequestTarget } from "./request-target.ts";

export interface BodyLimits {
  /** Bytes. */
  readonly size: number;
  /** Milliseconds from the request's arrival to its last byte. */
  readonly time: number;
}

/** A request as it came over HTTP. */
export class IncomingRequest implements ApiRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly #message: IncomingMessage;
  readonly #limits: BodyLimits;
  readonly #arrived: number = performance.now();

  constructor(message: IncomingMessage, { path, search }: RequestTarget, limits: BodyLimits) {
    this.method = message.method ?? "";
    this.path = path;
    this.query = new URLSearchParams(search);
    this.#message = message;
    this.#limits = limits;
  }

  header(name: string): string {
    const value = this.#message.headers[name];
    return Array.isArray(value) ? value.join(", ") : (value ?? "");
  }

  body(): Promise<Uint8Array> {
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
    const { size, time } = this.#limits;
    const left = time - (performance.now() - this.#arrived);
    // A Go server answers so when a body doesn't come: without a word.
    const late = setTimeout(() => reject(new ApiFault(503, "")), Math.max(left, 0));
    const chunks: Buffer[] = [];
    let received = 0;
    this.#message.on("data", (chunk: Buffer) => {
      received += chunk.length;
      if (received <= size) chunks.push(chunk);
      else reject(new ApiFault(413, `request body is larger than ${size} bytes`));
    });
    this.#message.on("end", () => resolve(Buffer.concat(chunks)));
    this.#message.on("error", reject);
    return promise.finally(() => clearTimeout(late));
  }
}
