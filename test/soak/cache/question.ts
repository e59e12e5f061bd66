import { Agent, type IncomingHttpHeaders, request } from "node:http";
import type { Resource } from "./resource.ts";

/** A part of a body, as in `Range`: both bytes belong to it; the end may lie behind that of the body. */
export type Part = readonly [first: number, last: number];

/** A request, and why it is made as it is. */
export interface Question {
  readonly resource: Resource;
  readonly path: string;
  readonly method: "GET" | "HEAD";
  /** `X-Kind`. */
  readonly kind: string;
  /** None: the whole body. */
  readonly parts: readonly Part[];
  readonly ifRange?: string;
  readonly ifNoneMatch?: string;
  readonly ifModifiedSince?: string;
  /** Who asks, in `Authorization`. */
  readonly user?: string;
  /** Wants nothing that wasn't asked about just now. */
  readonly noCache: boolean;
  /** Bytes after which the client leaves. */
  readonly leavesAfter?: number;
}

/** What came of it. */
export interface Reply {
  /** 0: nothing came. */
  readonly status: number;
  readonly fields: IncomingHttpHeaders;
  readonly body: Buffer;
  /** Whether it came to its end. */
  readonly isWhole: boolean;
  /** Whether nothing came for so long that the client gave it up. */
  readonly isStuck: boolean;
  /** Milliseconds of the clock that the origin goes by. */
  readonly started: number;
  readonly ended: number;
}

/** Where the proxy is. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** How long nothing may come, milliseconds. */
const PATIENCE = 15_000;

export function fieldsOf(question: Question): Record<string, string> {
  const { kind, parts, ifRange, ifNoneMatch, ifModifiedSince, user, noCache } = question;
  return {
    ...(kind === "" ? {} : { "x-kind": kind }),
    ...(parts.length === 0 ? {} : { range: `bytes=${parts.map((part) => part.join("-")).join(",")}` }),
    ...(ifRange === undefined ? {} : { "if-range": ifRange }),
    ...(ifNoneMatch === undefined ? {} : { "if-none-match": ifNoneMatch }),
    ...(ifModifiedSince === undefined ? {} : { "if-modified-since": ifModifiedSince }),
    ...(user === undefined ? {} : { authorization: user }),
    ...(noCache ? { "cache-control": "no-cache" } : {}),
  };
}

/** Clients of a proxy. */
export class Clients implements Disposable {
  readonly #address: Address;
  readonly #patience: number;
  readonly #agent = new Agent({ keepAlive: true });

  /** @param patience how long nothing may come, milliseconds */
  constructor(address: Address, patience: number = PATIENCE) {
    this.#address = address;
    this.#patience = patience;
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }

  ask(question: Question): Promise<Reply> {
    const { path, method, leavesAfter = Number.POSITIVE_INFINITY } = question;
    return this.#exchange(path, method, fieldsOf(question), leavesAfter);
  }

  /** A request without a question: to change something, or to purge it. */
  tell(path: string, method: string): Promise<Reply> {
    return this.#exchange(path, method, { "content-length": "0" }, Number.POSITIVE_INFINITY);
  }

  #exchange(
    path: string,
    method: string,
    headers: Record<string, string>,
    leavesAfter: number,
  ): Promise<Reply> {
    const started = Date.now();
    const pieces: Buffer[] = [];
    let bytes = 0;
    let isAnswered = false;
    let isStuck = false;
    return new Promise((resolve) => {
      const settle = (status: number, fields: IncomingHttpHeaders, isWhole: boolean): void =>
        resolve({
          ...{ status, fields, body: Buffer.concat(pieces) },
          ...{ isWhole, isStuck, started, ended: Date.now() },
        });
      const sent = request({ ...this.#address, agent: this.#agent, path, method, headers }, (answer) => {
        const { statusCode = 0, headers: fields } = answer;
        isAnswered = true;
        answer.on("data", (piece: Buffer) => {
          pieces.push(piece);
          bytes += piece.length;
          if (bytes >= leavesAfter) sent.destroy();
        });
        answer.on("error", () => undefined);
        // Once the client has left, the rest is read past.
        answer.on("close", () => settle(statusCode, fields, answer.complete && bytes < leavesAfter));
      });
      sent.setTimeout(this.#patience, () => {
        isStuck = true;
        sent.destroy(new Error("nothing came"));
      });
      sent.on("error", ({ code }: NodeJS.ErrnoException) => {
        // It was just being closed, as whoever takes one up again has to expect.
        const isRace = sent.reusedSocket && code === "ECONNRESET" && bytes === 0 && !isAnswered;
        if (isRace) resolve(this.#exchange(path, method, headers, leavesAfter));
        else if (!isAnswered) settle(0, {}, false);
      });
      sent.end();
    });
  }
}
