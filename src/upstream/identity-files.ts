import type { CertificateSource } from "../net/tls/certificate-files.ts";
import type { TlsListenerSettings, TlsMaterial, TlsSource } from "../net/tls/listener-settings.ts";
import type { PeerOptions } from "./peer.ts";
import { identitySource, isIdentitySource, tlsMeans } from "./peer-tls.ts";

/** What a certificate by itself is read and watched as. */
const WATCHED: Omit<TlsListenerSettings, "certificates"> = {
  refusesUnknownNames: false,
  clientCertificates: null,
  sessionTimeout: 0,
  ticketRotation: 0,
  handshakeTimeout: 0,
  handshakes: 0,
  plainHttp: "refuse",
  passthrough: [],
};

/**
 * Looks out for changes of the files that our own certificates came from, those shown to servers. New connections of this
 * thread use what they hold then.
 * Rejects with a `CertificateError` when one can't be used.
 */
export async function watchIdentities(peers: readonly PeerOptions["tls"][], tls: TlsSource): Promise<void> {
  const sources = new Map<string, CertificateSource>();
  for (const peer of peers) {
    const source = typeof peer === "object" ? peer.identity?.source : undefined;
    if (source !== undefined) sources.set(identitySource(source), source);
  }
  for (const [owner, source] of sources) {
    const settings = { ...WATCHED, certificates: [source] };
    renewIdentity(owner, await tls.open(owner, settings, (material) => renewIdentity(owner, material)));
  }
}

/** What there is of a certificate now; nothing happens to owners of other material. */
export function renewIdentity(owner: string, { certificates: [certificate] }: TlsMaterial): void {
  if (certificate === undefined || !isIdentitySource(owner)) return;
  tlsMeans.identities.set(owner, { chain: certificate.chain, key: certificate.key });
}
