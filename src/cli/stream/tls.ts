import { readFileSync } from "node:fs";
import { type Command, InvalidArgumentError } from "commander";
import type { ProxyInit } from "../../control/steering.ts";
import type { TlsPassthrough } from "../../net/tls/listener-settings.ts";
import { readChain } from "../../net/tls/pem-certificate.ts";
import { toServerPattern } from "../../net/tls/server-name.ts";
import { toTlsSettings } from "../../proxy/tls/tls-options.ts";
import { UsageError } from "../errors.ts";
import { collect, collectAddress } from "../options.ts";
import {
  addListenerTls,
  fipsOption,
  keyLogOption,
  type ListenerTlsFlags,
  pairCertificates,
  type TlsFlags,
} from "../tls/options.ts";
import type { SelfSigned } from "../tls/self-signed.ts";

/** What `sluice tcp` can be told about TLS. */
export interface StreamTlsFlags extends ListenerTlsFlags, TlsFlags {
  readonly sni?: readonly TlsPassthrough[];
  readonly tls?: true;
  readonly ca?: readonly string[];
}

export function addStreamTls(command: Command): Command {
  addListenerTls(command);
  return command
    .option(
      "--sni <name=address>",
      "pass TLS for this name on to this server, unopened; *.example.com is for all names right below (repeatable)",
      collectRoute,
    )
    .option("--tls", "speak TLS with the servers")
    .option("--ca <file>", "with --tls: who may have signed their certificates, PEM (repeatable)", collect)
    .addOption(fipsOption())
    .addOption(keyLogOption());
}

/** Several servers of a name are tried one after the other. */
function collectRoute(text: string, before: readonly TlsPassthrough[] = []): readonly TlsPassthrough[] {
  const [name = "", address = ""] = text.split(/=(.*)/s);
  const pattern = toServerPattern(name);
  if (pattern === null)
    throw new InvalidArgumentError("Expected a host name, = and the address of a server.");
  const known = before.find(({ names }) => names[0] === pattern);
  const upstreams = collectAddress(address, known?.upstreams);
  return [...before.filter((route) => route !== known), { names: [pattern], upstreams }];
}

/**
 * The part of a proxy that is TLS.
 * @throws UsageError when flags don't go together, or a file can't be read
 */
export function toTlsInit(
  flags: StreamTlsFlags,
  upstreams: readonly string[],
  selfSigned: SelfSigned | null,
): Pick<ProxyInit, "tls" | "upstreamTls"> {
  const certificates = selfSigned === null ? pairCertificates(flags) : [toSource(selfSigned)];
  const { sni: passthrough = [], tls = false, ca = [] } = flags;
  const opens = certificates.length > 0;
  if (upstreams.length === 0 && (opens || passthrough.length === 0))
    throw new UsageError("no server to relay to: give its address behind the one to listen on");
  if (ca.length > 0 && !tls) throw new UsageError("--ca is for --tls");
  if (tls && passthrough.length > 0 && !opens)
    throw new UsageError("--tls is nothing for connections that stay unopened: --cert opens them");
  return {
    ...(opens || passthrough.length > 0
      ? { tls: toTlsSettings({ certificates, passthrough, plainHttp: "refuse" }, false) }
      : {}),
    ...(tls ? { upstreamTls: ca.length === 0 ? {} : { ca: ca.flatMap(readAuthorities) } } : {}),
  };
}

function toSource({ cert, key }: SelfSigned): { cert: string; key: string } {
  return { cert, key };
}

function readAuthorities(file: string): string[] {
  try {
    return readChain(file, readFileSync(file, "latin1")).map((one) => one.toString());
  } catch (error) {
    throw new UsageError(`--ca: ${(error as Error).message}`);
  }
}
