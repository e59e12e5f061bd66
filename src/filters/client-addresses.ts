import { isIP } from "node:net";
import { IpRanges } from "../net/ip-ranges.ts";
import type { Session } from "../proxy/session.ts";

/**
 * Finds the address of the client behind proxies that are trusted. Each proxy appends to `X-Forwarded-For` the address it
 * was reached from, so the list is walked from its end, for as long as a trusted proxy wrote the entry:
 *
 *     X-Forwarded-For: 6.6.6.6, 203.0.113.9, 10.0.0.2        from 10.0.0.1
 *                      └ a lie  └ the client └ trusted            └ trusted
 *
 * Whatever stands left of the first address that isn't trusted was written by somebody who isn't either.
 */
export class ClientAddresses {
  readonly #trusted: IpRanges | null;

  /** @param trustedProxies addresses and CIDR ranges */
  constructor(trustedProxies: readonly string[]) {
    this.#trusted = trustedProxies.length === 0 ? null : new IpRanges(trustedProxies);
  }

  /** "" when the client comes over a Unix socket and no trusted proxy names it. */
  addressOf(session: Session<unknown>): string {
    const { address } = session.client;
    if (this.#trusted === null || !this.#isTrusted(address)) return address;
    return this.#walk(address, session.request.headers.get("x-forwarded-for") ?? "");
  }

  /** Who can reach a Unix socket was let in by the file system. */
  #isTrusted(address: string): boolean {
    return address === "" || this.#trusted!.has(address);
  }

  #walk(connected: string, forwardedFor: string): string {
    let address = connected;
    for (let end = forwardedFor.length; end > 0 && this.#isTrusted(address); ) {
      const comma = forwardedFor.lastIndexOf(",", end - 1);
      const next = addressIn(forwardedFor.slice(comma + 1, end).trim());
      if (next === null) break;
      address = next;
      end = comma;
    }
    return address;
  }
}

/** The address of an entry, which may have a port; null when it is none ("unknown", an obfuscated name). */
function addressIn(entry: string): string | null {
  if (isIP(entry) !== 0) return entry;
  const address = /^\[([^\]]+)\](?::\d+)?$/.exec(entry)?.[1] ?? /^([\d.]+):\d+$/.exec(entry)?.[1];
  return address !== undefined && isIP(address) !== 0 ? address : null;
}
