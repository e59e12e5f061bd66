import { isIP } from "node:net";

/** Where to listen or connect: a TCP host and port, or the path of a Unix socket. */
export type Address =
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  | { readonly kind: "unix"; readonly path: string };

/**
 * Reads `host:port`, `[v6]:port`, `:port` (all interfaces, for listening), a bare `port`, `unix:/path` or `/path`.
 * @throws RangeError that says what was expected
 */
export function parseAddress(text: string): Address {
  const path = /^(?:unix:)?(\/.*|@.+)$/.exec(text)?.[1] ?? /^unix:(.+)$/.exec(text)?.[1];
  if (path !== undefined) return { kind: "unix", path: path.startsWith("@") ? `\0${path.slice(1)}` : path };
  const match = /^(?:(?:\[(?<v6>[^[\]\s]+)\]|(?<host>[^:[\]\s/]*)):)?(?<port>\d{1,5})$/.exec(text);
  const port = Number(match?.groups?.["port"]);
  if (match === null || !(port <= 65535)) {
    throw new RangeError(
      `Address ${JSON.stringify(text)} is none: expected host:port, [v6]:port, :port or unix:/path`,
    );
  }
  const v6 = match.groups?.["v6"];
  if (v6 !== undefined && isIP(v6) !== 6) throw new RangeError(`${JSON.stringify(v6)} is no IPv6 address`);
  return { kind: "tcp", host: v6 ?? match.groups?.["host"] ?? "", port };
}

/** The address as one would write it. */
export function formatAddress(address: Address): string {
  if (address.kind === "unix") return `unix:${address.path.replace(/^\0/, "@")}`;
  return formatHostPort(address.host, address.port);
}

/** An IPv4 address as one: a socket that takes both kinds shows `::ffff:192.0.2.1`. */
export function plainAddress(address: string): string {
  return address.startsWith("::ffff:") && address.includes(".") ? address.slice("::ffff:".length) : address;
}

export function formatHostPort(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
