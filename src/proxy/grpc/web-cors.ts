import type { RequestHead } from "../../http/heads.ts";
import type { HttpHeaders } from "../../http/http-headers.ts";
import type { ResponseInit } from "../session.ts";

/** How browsers may call by gRPC-Web. */
export interface GrpcWebSettings {
  /** Whose pages may call across origins: `https://app.example`, or `*` for everybody's. None: only those of our own origin. */
  readonly origins: readonly string[];
  /** Whether browsers send cookies along with calls across origins. Not together with `*`. */
  readonly credentials: boolean;
  /** Seconds for which browsers remember what they asked before a call. */
  readonly maxAge: number;
}

export const DEFAULT_GRPC_WEB: GrpcWebSettings = { origins: [], credentials: false, maxAge: 7_200 };

/** What pages may read of every call's answer; with credentials `*` stands for nothing. */
const STATUS_FIELDS = ["grpc-status", "grpc-message", "grpc-status-details-bin"];

/** What browsers have to be told before they let a page of another origin call, and read the answer (CORS). */
export class GrpcWebCors {
  readonly #settings: GrpcWebSettings;
  readonly #origins: ReadonlySet<string>;

  constructor(settings: GrpcWebSettings) {
    this.#settings = settings;
    this.#origins = new Set(settings.origins);
  }

  /** The origin that may read the answer, null when the page has none, or it may not. */
  originOf(request: RequestHead): string | null {
    const origin = request.headers.get("origin");
    if (origin === null) return null;
    if (this.#origins.has(origin)) return origin;
    return this.#origins.has("*") ? "*" : null;
  }

  /** What is answered to a browser that asks whether a page may call; null when that isn't what it asks. */
  preflightAnswer(request: RequestHead): ResponseInit | null {
    if (request.method !== "OPTIONS") return null;
    const { headers } = request;
    const wanted = headers.get("access-control-request-headers") ?? "";
    const isOurs =
      headers.get("access-control-request-method") === "POST" &&
      /(?:^|,)[ \t]*x-grpc-web[ \t]*(?:,|$)/i.test(wanted);
    if (!isOurs) return null;
    const origin = this.originOf(request);
    if (origin === null) return { status: 403, headers: { Vary: "Origin" } };
    return {
      status: 204,
      headers: {
        ...this.#allowing(origin),
        "Access-Control-Allow-Methods": "POST",
        "Access-Control-Allow-Headers": wanted,
        "Access-Control-Max-Age": String(this.#settings.maxAge),
      },
    };
  }

  /** Lets pages of this origin read an answer with all its fields. */
  allow(headers: HttpHeaders, origin: string): void {
    const names = this.#settings.credentials ? this.#namesIn(headers) : "*";
    for (const [name, value] of Object.entries(this.#allowing(origin))) {
      if (name === "Vary") headers.append(name, value);
      else headers.set(name, value);
    }
    headers.set("Access-Control-Expose-Headers", names);
  }

  #allowing(origin: string): Record<string, string> {
    const { credentials } = this.#settings;
    return {
      "Access-Control-Allow-Origin": origin,
      ...(credentials ? { "Access-Control-Allow-Credentials": "true" } : {}),
      Vary: "Origin",
    };
  }

  #namesIn(headers: HttpHeaders): string {
    const names = new Set(STATUS_FIELDS);
    for (const [name] of headers) names.add(name.toLowerCase());
    return [...names].join(", ");
  }
}
