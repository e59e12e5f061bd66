import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { SteeringError } from "../../control/steering.ts";
import { formatHostPort } from "../../net/address.ts";
import { ApiFault } from "../http/api-message.ts";

const MAX_PORT = 65_535;

/** What Node's errors are to Go. */
const BIND_PROBLEMS: ReadonlyMap<string, string> = new Map([
  ["EADDRINUSE", "address already in use"],
  ["EADDRNOTAVAIL", "cannot assign requested address"],
  ["EACCES", "permission denied"],
  ["EINVAL", "invalid argument"],
]);

/** What is no address, in Go's words. */
class AddressError extends Error {}

/**
 * An address to listen on with its host's name resolved: `127.0.0.1:80` for `localhost:80`, `:0` for nothing at all.
 * Paths of Unix sockets stay what they are.
 * @throws ApiFault in Go's words, with `prefix` before them
 */
export async function resolveListen(listen: string, prefix = ""): Promise<string> {
  try {
    return await resolve(listen);
  } catch (error) {
    if (error instanceof AddressError) throw new ApiFault(500, prefix + error.message);
    throw error;
  }
}

async function resolve(listen: string): Promise<string> {
  if (listen === "") return ":0";
  if (/^(?:unix:|\/)/.test(listen)) return listen;
  const { host, port } = splitHostPort(listen);
  const number = parsePort(port);
  return formatHostPort(host === "" ? "" : await resolveHost(host), number);
}

/** The rules of Go's `net.SplitHostPort`: a host with colons stands in brackets. */
function splitHostPort(text: string): { host: string; port: string } {
  const match = /^(?:\[([^[\]]*)\]|([^:[\]]*)):([^:[\]]*)$/.exec(text);
  if (match === null) throw new AddressError(`address ${text}: ${addressProblem(text)}`);
  return { host: match[1] ?? match[2] ?? "", port: match[3] ?? "" };
}

/** What is wrong with an address, by the first thing that Go would stumble over. */
function addressProblem(text: string): string {
  const colon = text.lastIndexOf(":");
  if (colon === -1) return "missing port in address";
  if (!text.startsWith("["))
    return text.indexOf(":") < colon ? "too many colons in address" : strayBracket(text);
  const end = text.indexOf("]");
  if (end === -1) return "missing ']' in address";
  if (end + 1 === colon) return strayBracket(text.slice(1, end) + text.slice(end + 1));
  return text[end + 1] === ":" ? "too many colons in address" : "missing port in address";
}

function strayBracket(text: string): string {
  return `unexpected '${text.includes("[") ? "[" : "]"}' in address`;
}

function parsePort(port: string): number {
  if (port === "") return 0;
  if (!/^[+-]?\d+$/.test(port)) throw new AddressError(`lookup tcp/${port}: unknown port`);
  const number = Number(port);
  if (number < 0 || number > MAX_PORT) throw new AddressError(`address ${port}: invalid port`);
  return number;
}

/** The IPv4 address where there are both. */
async function resolveHost(host: string): Promise<string> {
  if (isIP(host) !== 0) return host;
  try {
    return (await lookup(host, { order: "ipv4first" })).address;
  } catch {
    throw new AddressError(`lookup ${host}: no such host`);
  }
}

/**
 * Does what listens on an address.
 * @param protocol as errors name it
 * @param listen as `resolveListen` returned it
 * @throws ApiFault in Go's words when it can't be listened on
 */
export async function listening<T>(protocol: string, listen: string, start: () => Promise<T>): Promise<T> {
  try {
    return await start();
  } catch (error) {
    if (error instanceof SteeringError && error.code === "CANNOT_LISTEN")
      throw cannotListen(protocol, listen, error);
    throw error;
  }
}

function cannotListen(protocol: string, listen: string, error: SteeringError): ApiFault {
  const reason = BIND_PROBLEMS.get((error.cause as NodeJS.ErrnoException | undefined)?.code ?? "");
  if (reason === undefined) return new ApiFault(500, error.message, { cause: error });
  return new ApiFault(500, `listen ${protocol} ${listen}: bind: ${reason}`, { cause: error });
}
