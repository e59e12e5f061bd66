import { type Address, formatHostPort } from "../net/address.ts";

/** A proxy that connects to servers on our behalf, when it is asked to by CONNECT (RFC 9110 §9.3.6). */
export interface ConnectProxy {
  readonly address: Address;
  /** The value of `Proxy-Authorization`; null: none is sent. */
  readonly authorization: string | null;
}

const EXPECTED = "expected http://host:port, or http://user:password@host:port";

/** By their text: programs make a peer for every request. */
const parsed = new Map<string, ConnectProxy>();
const PARSED_LIMIT = 256;

/** @throws RangeError that says what was expected, without what may be a password */
export function parseConnectProxy(text: string): ConnectProxy {
  let proxy = parsed.get(text);
  if (proxy === undefined) {
    proxy = parse(text);
    if (parsed.size >= PARSED_LIMIT) parsed.clear();
    parsed.set(text, proxy);
  }
  return proxy;
}

function parse(text: string): ConnectProxy {
  const url = URL.parse(text);
  if (url === null) throw new RangeError(`This is no URL of a proxy: ${EXPECTED}`);
  if (url.protocol !== "http:")
    throw new RangeError(`Proxies are spoken with by http, not ${url.protocol.slice(0, -1)}: ${EXPECTED}`);
  if (url.pathname !== "/" || url.search !== "" || url.hash !== "")
    throw new RangeError(`The URL of a proxy has neither path nor query: ${EXPECTED}`);
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  const port = url.port === "" ? 80 : Number(url.port);
  return { address: { kind: "tcp", host, port }, authorization: authorizationOf(url) };
}

/** RFC 7617 §2: the name may be anything without a colon. */
function authorizationOf({ username, password }: URL): string | null {
  if (username === "" && password === "") return null;
  const [name, secret] = [username, password].map(decode);
  if (name!.includes(":")) throw new RangeError(`The user of a proxy can't have a colon: ${EXPECTED}`);
  return `Basic ${Buffer.from(`${name}:${secret}`).toString("base64")}`;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new RangeError(`User or password of a proxy are malformed: ${EXPECTED}`);
  }
}

/**
 * What a proxy is asked to connect to.
 * @throws RangeError for a Unix socket, which no other machine reaches, and for what can't stand in a request
 */
export function authorityFor(address: Address): string {
  if (address.kind === "unix") throw new RangeError("no proxy leads to a Unix socket");
  const { host, port } = address;
  if (!/^[\x21-\x7e]*$/.test(host)) throw new RangeError(`${JSON.stringify(host)} is no host`);
  return formatHostPort(host === "" ? "localhost" : host, port);
}
