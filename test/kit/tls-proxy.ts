import type { CertificateSource } from "../../src/net/tls/certificate-files.ts";
import type { TlsListenerSettings } from "../../src/net/tls/listener-settings.ts";
import type { Identity } from "./certificates.ts";
import type { TemporaryDirectory } from "./files.ts";
import { TLS_SETTINGS } from "./tls-listener.ts";

/** Writes a certificate and its key into files of this name. */
export async function writeIdentity(
  directory: TemporaryDirectory,
  name: string,
  { cert, key }: Identity,
): Promise<CertificateSource> {
  return {
    cert: await directory.write(`${name}.pem`, cert),
    key: await directory.write(`${name}.key`, key),
  };
}

/** What a TCP proxy wants of TLS: these certificates, and these connections unopened. */
export function tlsWith(
  certificates: readonly CertificateSource[],
  passthrough: Readonly<Record<string, string | readonly string[]>> = {},
  more: Partial<TlsListenerSettings> = {},
): TlsListenerSettings {
  const routes = Object.entries(passthrough).map(([name, to]) => ({
    names: [name],
    upstreams: typeof to === "string" ? [to] : to,
  }));
  return { ...TLS_SETTINGS, certificates, passthrough: routes, ...more };
}
