import { createHmac } from "node:crypto";
import { cookieOf } from "../http/cookie.ts";
import type { Session } from "../proxy/session.ts";
import type { Server } from "../upstream/server.ts";
import type { StickySettings } from "./settings.ts";

/** Bytes of a signature that are sent: 128 bits can't be guessed. */
const SIGNATURE_BYTES = 16;

/**
 * Keeps clients with the server that they got first. The cookie's value is the signature of the server's address, and no
 * more: only who has the secret can make one, it tells nobody the address, and every process with the same secret
 * knows whose it is. So a cookie is checked by looking it up.
 */
export class StickyCookie {
  readonly #settings: StickySettings;
  /** Of the servers that there are now. */
  #byValue = new Map<string, Server>();
  #values = new Map<Server, string>();
  #servers: readonly Server[] = [];

  constructor(settings: StickySettings) {
    this.#settings = settings;
  }

  /** The server that the client belongs to; null when it has no cookie of a server that there is. */
  serverOf(session: Session<unknown>, servers: readonly Server[]): Server | null {
    const value = cookieOf(session.request, this.#settings.cookie);
    if (value === null) return null;
    this.#learn(servers);
    return this.#byValue.get(value) ?? null;
  }

  /** The `Set-Cookie` that binds the client to the server that has answered; null when its cookie says so already. */
  binding(session: Session<unknown>, server: Server, servers: readonly Server[]): string | null {
    this.#learn(servers);
    const value = this.#values.get(server) ?? this.#sign(server);
    const { cookie, path, maxAge, secure, sameSite } = this.#settings;
    if (cookieOf(session.request, cookie) === value) return null;
    const attributes = [
      `${cookie}=${value}`,
      `Path=${path}`,
      ...(maxAge === null ? [] : [`Max-Age=${maxAge}`]),
      "HttpOnly",
      ...(secure ? ["Secure"] : []),
      ...(sameSite === null ? [] : [`SameSite=${SAME_SITE[sameSite]}`]),
    ];
    return attributes.join("; ");
  }

  #learn(servers: readonly Server[]): void {
    if (servers === this.#servers) return;
    this.#servers = servers;
    this.#values = new Map(servers.map((server) => [server, this.#sign(server)]));
    this.#byValue = new Map([...this.#values].map(([server, value]) => [value, server]));
  }

  #sign({ address }: Server): string {
    const signature = createHmac("sha256", this.#settings.secret).update(address).digest();
    return signature.subarray(0, SIGNATURE_BYTES).toString("base64url");
  }
}

const SAME_SITE = { strict: "Strict", lax: "Lax", none: "None" } as const;
