import { createHash, timingSafeEqual } from "node:crypto";
import { isIP } from "node:net";
import { type ApiRequest, type ApiResponse, textAnswer } from "./api-message.ts";

export interface AccessRules {
  /** Names that a request's Host may have besides IP addresses and names of this machine itself; `*` for any. */
  readonly allowedHosts: readonly string[];
  /** What requests have to bring as a bearer token; null for nothing. */
  readonly token: string | null;
}

/** Decides who may use the API. */
export class AccessGuard {
  readonly #hosts: ReadonlySet<string>;
  readonly #token: Buffer | null;

  constructor({ allowedHosts, token }: AccessRules) {
    this.#hosts = new Set(allowedHosts.map((host) => host.toLowerCase()));
    this.#token = token === null ? null : digest(token);
  }

  /** The answer to a request that may not pass, null for one that may. */
  refuse(request: ApiRequest): ApiResponse | null {
    return (
      this.#refuseHost(request.header("host")) ?? refuseForeignPage(request) ?? this.#refuseToken(request)
    );
  }

  /**
   * DNS rebinding: a page in somebody's browser gets the name of its own server changed to 127.0.0.1 and may then talk to
   * whatever listens there. The name still stands in the request. An address can't be changed in that way.
   */
  #refuseHost(host: string): ApiResponse | null {
    const name = hostnameOf(host);
    if (isOwnName(name) || this.#hosts.has(name) || this.#hosts.has("*")) return null;
    const hint = "it has to be named when the server is started";
    return textAnswer(403, `Host ${JSON.stringify(name)} is not allowed: ${hint}`);
  }

  #refuseToken(request: ApiRequest): ApiResponse | null {
    if (this.#token === null) return null;
    const given = /^Bearer +(.*)$/i.exec(request.header("authorization"))?.[1] ?? "";
    // Digests have one length, so that the comparison tells nothing, not even how long the token is.
    if (timingSafeEqual(digest(given), this.#token)) return null;
    return textAnswer(401, "A bearer token is needed", { "WWW-Authenticate": "Bearer" });
  }
}

/** A page of another origin may send a POST without being asked for leave; its browser says where it comes from. */
function refuseForeignPage(request: ApiRequest): ApiResponse | null {
  const origin = request.header("origin");
  if (origin === "" || URL.parse(origin)?.host === request.header("host").toLowerCase()) return null;
  return textAnswer(403, `Requests from ${JSON.stringify(origin)} are not allowed`);
}

/** Without the port, an IPv6 address without its brackets. */
function hostnameOf(host: string): string {
  const [, v6, name = host] = /^(?:\[([^\]]*)\]|([^:]*))(?::\d*)?$/.exec(host.toLowerCase()) ?? [];
  return v6 ?? name.replace(/\.$/, "");
}

/** Without any name there is no browser either: HTTP/1.0 knows no Host. */
function isOwnName(name: string): boolean {
  return name === "" || name === "localhost" || name.endsWith(".localhost") || isIP(name) !== 0;
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
