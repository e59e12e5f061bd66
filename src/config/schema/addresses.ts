import { isIP } from "node:net";
import { domainToASCII } from "node:url";
import type * as z from "zod";
import { canonicalHost } from "../../filters/canonical-host.ts";
import { type Address, formatAddress, parseAddress } from "../../net/address.ts";
import { IpRanges } from "../../net/ip-ranges.ts";
import { attempt, integer, oneOf, parsedBy, text } from "./values.ts";

const BIND_EXPECTED = "an address to listen on: host:port, :port, a port, [v6]:port or unix:/path";
const SERVER_EXPECTED = "the address of a server: host:port, a port of this machine, [v6]:port or unix:/path";
const RANGE_EXPECTED = "an address or a CIDR range, like 192.0.2.1, 10.0.0.0/8 or fd00::/8";
const HOST_EXPECTED = "a host name without scheme, port and path; * stands for one or more characters";

function address(expected: string): z.ZodType<number | string> {
  return oneOf(expected, [integer(0, 65_535), text(expected)]);
}

/** Where a listener listens. A port alone means all interfaces. */
export const bindAddress: z.ZodType<string> = parsedBy(address(BIND_EXPECTED), BIND_EXPECTED, (value) => {
  const parsed = parse(value);
  return parsed && formatAddress(parsed);
});

const LOOPBACK_EXPECTED = "an address to listen on: host:port, a port of this machine alone, or [v6]:port";

/** Where to listen for this machine alone, unless another interface is named. */
export const loopbackAddress: z.ZodType<string> = parsedBy(
  address(LOOPBACK_EXPECTED),
  LOOPBACK_EXPECTED,
  (value) => {
    const parsed = parse(value);
    if (parsed === undefined || parsed.kind === "unix") return undefined;
    return formatAddress({ ...parsed, host: parsed.host === "" ? "127.0.0.1" : parsed.host });
  },
);

/**
 * The address of a server in its normal form: a port alone means this machine. Undefined when it is none.
 * @throws RangeError for what can't be a server
 */
function parseServerAddress(value: number | string): string | undefined {
  if (/^\w+:\/\//.test(String(value))) throw new RangeError(`found ${JSON.stringify(value)} with a scheme`);
  const parsed = parse(value);
  if (parsed === undefined || parsed.kind === "unix") return parsed && formatAddress(parsed);
  if (parsed.port === 0) throw new RangeError("nothing answers on port 0");
  return formatAddress({ ...parsed, host: parsed.host === "" ? "127.0.0.1" : parsed.host });
}

function parse(value: number | string): Address | undefined {
  return attempt(() => parseAddress(String(value)));
}

export const serverAddress: z.ZodType<string> = parsedBy(
  address(SERVER_EXPECTED),
  SERVER_EXPECTED,
  parseServerAddress,
);

const HTTP_EXPECTED =
  "the address of a server: host:port, a port of this machine, [v6]:port, unix:/path or https://host";

/** A server of HTTP requests. */
export interface HttpServerAddress {
  /** In its normal form. */
  readonly address: string;
  /** As it was written; null: nothing was said. */
  readonly scheme: "http" | "https" | null;
}

/**
 * An address, or the beginning of a URL: `https://api.example.com` is port 443 there, with TLS. Undefined when it is none.
 * @throws RangeError for what can't be a server
 */
export function parseHttpServer(value: number | string): HttpServerAddress | undefined {
  const [, word, rest] = /^([\w+.-]+):\/\/(.*)$/s.exec(String(value)) ?? [];
  if (word === undefined || rest === undefined) {
    const address = parseServerAddress(value);
    return address === undefined ? undefined : { address, scheme: null };
  }
  const scheme = word.toLowerCase();
  if (scheme !== "http" && scheme !== "https")
    throw new RangeError(`servers are reached by http or https, and not by ${word}`);
  const host = rest.replace(/\/$/, "");
  if (/[/?#@]/.test(host)) throw new RangeError("a server's address has neither path nor user");
  const hasPort = /:\d+$/.test(host);
  const address = host === "" || parseAddressWith(host, hasPort, scheme === "https" ? 443 : 80);
  return typeof address === "string" ? { address, scheme } : undefined;
}

function parseAddressWith(host: string, hasPort: boolean, port: number): string | undefined {
  const parsed = parse(hasPort ? host : `${host}:${port}`);
  return parsed?.kind === "tcp" && parsed.host !== "" ? parseServerAddress(formatAddress(parsed)) : undefined;
}

/** Such an address as one writes it. */
export function formatHttpServer({ address, scheme }: HttpServerAddress): string {
  return scheme === "https" ? `https://${address}` : address;
}

export const httpServer: z.ZodType<HttpServerAddress> = parsedBy(
  address(HTTP_EXPECTED),
  HTTP_EXPECTED,
  parseHttpServer,
);

const NAME_EXPECTED = "a name and a port, like api.internal:8080";
const RESOLVER_EXPECTED = "the IP address of a name server, with its port if that isn't 53";
const DNS_PORT = 53;

/** A name to look up, and the port that goes with whatever is found. */
export const nameAndPort: z.ZodType<{ readonly name: string; readonly port: number }> = parsedBy(
  text(NAME_EXPECTED),
  NAME_EXPECTED,
  (value) => {
    const parsed = parse(value);
    const isUsable = parsed?.kind === "tcp" && parsed.host !== "" && parsed.port !== 0;
    return isUsable ? { name: parsed.host, port: parsed.port } : undefined;
  },
);

/** A name server as `host:port`. */
export const resolverAddress: z.ZodType<string> = parsedBy(
  text(RESOLVER_EXPECTED),
  RESOLVER_EXPECTED,
  (value) => {
    if (isIP(value) !== 0) return formatAddress({ kind: "tcp", host: value, port: DNS_PORT });
    const parsed = parse(value);
    return parsed?.kind === "tcp" && isIP(parsed.host) !== 0 ? formatAddress(parsed) : undefined;
  },
);

/** True for what can only be meant as an address: names of upstreams have no colon and no slash, and aren't numbers. */
export function looksLikeAddress(value: string): boolean {
  return /[:/]|^\d+$/.test(value);
}

export const ipRange: z.ZodType<string> = parsedBy(text(RANGE_EXPECTED), RANGE_EXPECTED, (range) => {
  return attempt(() => new IpRanges([range])) && range;
});

export const ipAddress: z.ZodType<string> = parsedBy(text("an IP address"), "an IP address", (ip) => {
  return isIP(ip) === 0 ? undefined : ip;
});

/** A host as requests are compared with it: lower case, without final dot, in the ASCII form of international names. */
export const hostPattern: z.ZodType<string> = parsedBy(text(HOST_EXPECTED), HOST_EXPECTED, (host) => {
  // `domainToASCII` leaves line breaks out.
  if (/\s/.test(host)) return undefined;
  const name = canonicalHost(host);
  if (name !== host.toLowerCase().replace(/\.$/, ""))
    throw new RangeError("a host is matched without its port");
  const ascii = domainToASCII(name);
  return /^(?:[a-z0-9*._~!$&'()+,;=-]+|\[[0-9a-f:.]+\])$/.test(ascii) ? ascii : undefined;
});
