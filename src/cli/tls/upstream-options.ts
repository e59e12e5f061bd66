import { type Command, InvalidArgumentError } from "commander";
import type { UpstreamTlsFlags } from "../../config/flags.ts";
import { parseHttpServer } from "../../config/schema/addresses.ts";
import { UsageError } from "../errors.ts";
import { collect } from "../options.ts";

/** What a proxy from flags alone can be told about TLS towards servers. */
export interface ServerTlsFlags {
  tls?: boolean;
  sni?: string;
  ca?: string[];
  insecure?: boolean;
}

export function addServerTls(command: Command): void {
  command
    .option("--tls", "speak TLS with the servers; the same as https:// before their addresses")
    .option("--sni <name>", "ask them for this name, which their certificates must be for")
    .option("--ca <file>", "who may have signed their certificates, PEM (repeatable)", collect)
    .option("--insecure", "take any certificate of theirs, also one of somebody in between");
}

/**
 * Null when nothing is said of it: addresses alone decide then.
 * @throws UsageError when flags don't go together
 */
export function toServerTls(
  { tls = false, sni, ca = [], insecure = false }: ServerTlsFlags,
  servers: readonly string[],
): UpstreamTlsFlags | null {
  const [first] = [
    sni === undefined ? [] : "--sni",
    ca.length === 0 ? [] : "--ca",
    insecure ? "--insecure" : [],
  ].flat();
  const isSecure = tls || servers.some((server) => /^https:/i.test(server));
  if (!isSecure && first !== undefined)
    throw new UsageError(`${first} is for --tls, or for servers whose address begins with https://`);
  if (insecure && ca.length > 0) throw new UsageError("--ca and --insecure exclude each other");
  return tls || first !== undefined ? { sni: sni ?? null, ca, isVerified: !insecure } : null;
}

/** Gathers the addresses of HTTP servers. */
export function collectServer(value: string, before: readonly string[] = []): string[] {
  try {
    if (parseHttpServer(value) === undefined)
      throw new RangeError(
        `Address ${JSON.stringify(value)} is none: expected host:port, unix:/path or https://host`,
      );
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
  return collect(value, before);
}
