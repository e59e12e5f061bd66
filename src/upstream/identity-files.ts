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
  for (const [owner, settings] of identityOwners(peers))
    renewIdentity(owner, await tls.open(owner, settings, (material) => renewIdentity(owner, material)));
}

/** What the files of our own certificates are read and watched as, by the owners that they are asked for by. */
export function identityOwners(peers: readonly PeerOptions["tls"][]): Map<string, TlsListenerSettings> {
  const owners = new Map<string, TlsListenerSettings>();
  for (const peer of peers) {
    const source = typeof peer === "object" ? peer.identity?.source : undefined;
    if (source !== undefined) owners.set(identitySource(source), { ...WATCHED, certificates: [source] });
  }
  return owners;
}

/** What there is of a certificate now; nothing happens to owners of other material. */
export function renewIdentity(owner: string, { certificates: [certificate] }: TlsMaterial): void {
  if (certificate === undefined || !isIdentitySource(owner)) return;
  tlsMeans.identities.set(owner, { chain: certificate.chain, key: certificate.key });
}
