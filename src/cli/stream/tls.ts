import { type Command, InvalidArgumentError } from "commander";
import type { ProxyInit } from "../../control/steering.ts";
import type { TlsPassthrough } from "../../net/tls/listener-settings.ts";
import { readChain } from "../../net/tls/pem-certificate.ts";
import { readNamedFileSync } from "../../net/tls/read-named-file.ts";
import { toServerName, toServerPattern } from "../../net/tls/server-name.ts";
import { toTlsSettings } from "../../proxy/tls/tls-options.ts";
import type { PeerTlsOptions } from "../../upstream/peer-tls.ts";
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

/** What `--sni` says: where names are passed on to, and the name that servers are asked for. */
interface SniFlags {
  readonly routes: readonly TlsPassthrough[];
  readonly name: string | null;
}

/** What `sluice tcp` can be told about TLS. */
export interface StreamTlsFlags extends ListenerTlsFlags, TlsFlags {
  readonly sni?: SniFlags;
  readonly tls?: boolean;
  readonly ca?: readonly string[];
  readonly insecure?: boolean;
}

export function addStreamTls(command: Command): Command {
  addListenerTls(command);
  return command
    .option(
      "--sni <name=address>",
      "pass TLS for this name on to this server, unopened; *.example.com is for all names right below (repeatable)",
      collectSni,
    )
    .option("--tls", "speak TLS with the servers; --sni <name> asks them for a name that isn't their address")
    .option("--ca <file>", "with --tls: who may have signed their certificates, PEM (repeatable)", collect)
    .option("--insecure", "with --tls: take any certificate of theirs, also one of somebody in between")
    .addOption(fipsOption())
    .addOption(keyLogOption());
}

const NOTHING: SniFlags = { routes: [], name: null };

/** Several servers of a name are tried one after the other. */
function collectSni(text: string, before: SniFlags = NOTHING): SniFlags {
  const [given = "", address] = text.split(/=(.*)/s);
  const name = address === undefined ? toServerName(given) : toServerPattern(given);
  if (name === null)
    throw new InvalidArgumentError("Expected a host name, or a host name, = and the address of a server.");
  if (address === undefined) return { ...before, name };
  const known = before.routes.find(({ names }) => names[0] === name);
  const upstreams = collectAddress(address, known?.upstreams);
  const others = before.routes.filter((route) => route !== known);
  return { ...before, routes: [...others, { names: [name], upstreams }] };
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
  const { routes: passthrough } = flags.sni ?? NOTHING;
  const opens = certificates.length > 0;
  if (upstreams.length === 0 && (opens || passthrough.length === 0))
    throw new UsageError("no server to relay to: give its address behind the one to listen on");
  const upstreamTls = toUpstreamTls(flags);
  if (upstreamTls !== null && passthrough.length > 0 && !opens)
    throw new UsageError("--tls is nothing for connections that stay unopened: --cert opens them");
  return {
    ...(opens || passthrough.length > 0
      ? { tls: toTlsSettings({ certificates, passthrough, plainHttp: "refuse" }, false) }
      : {}),
    ...(upstreamTls === null ? {} : { upstreamTls }),
  };
}

function toSource({ cert, key }: SelfSigned): { cert: string; key: string } {
  return { cert, key };
}

function toUpstreamTls({
  tls = false,
  sni = NOTHING,
  ca = [],
  insecure = false,
}: StreamTlsFlags): PeerTlsOptions | null {
  if (!tls) {
    if (sni.name !== null) throw new UsageError(`--sni ${sni.name} is for --tls, or an address is missing`);
    if (ca.length > 0) throw new UsageError("--ca is for --tls");
    if (insecure) throw new UsageError("--insecure is for --tls");
    return null;
  }
  if (insecure && ca.length > 0) throw new UsageError("--ca and --insecure exclude each other");
  return {
    ...(sni.name === null ? {} : { sni: sni.name }),
    ...(ca.length === 0 ? {} : { ca: ca.flatMap(readAuthorities), caFiles: ca }),
    ...(insecure ? { verifyCertificate: false } : {}),
  };
}

function readAuthorities(file: string): string[] {
  try {
    return readChain(file, readNamedFileSync(file, file).toString("latin1")).map((one) => one.toString());
  } catch (error) {
    throw new UsageError(`--ca: ${(error as Error).message}`);
  }
}
