import { createHash } from "node:crypto";
import type { TlsListenerSettings, TlsMaterial, TlsSource } from "../net/tls/listener-settings.ts";
import type { PeerOptions } from "./peer.ts";
import { authoritiesSource, identitySource, isPeerSource, type RenewedTls, tlsMeans } from "./peer-tls.ts";

/** What a file by itself is read and watched as. */
const WATCHED: TlsListenerSettings = {
  certificates: [],
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
 * Looks out for changes of the files that the TLS of peers came from: our own certificates, which are shown to servers, and
 * authorities that have signed theirs. New connections of this thread use what they hold then.
 * Rejects with a `CertificateError` when one can't be used.
 */
export async function watchPeerFiles(peers: readonly PeerOptions["tls"][], tls: TlsSource): Promise<void> {
  for (const [owner, settings] of peerFileOwners(peers))
    renewPeerTls(owner, await tls.open(owner, settings, (material) => renewPeerTls(owner, material)));
}

/** What these files are read and watched as, by the owners that they are asked for by. */
export function peerFileOwners(peers: readonly PeerOptions["tls"][]): Map<string, TlsListenerSettings> {
  const owners = new Map<string, TlsListenerSettings>();
  for (const peer of peers) {
    const { identity, caFiles } = typeof peer === "object" ? peer : {};
    const source = identity?.source;
    if (source !== undefined) owners.set(identitySource(source), { ...WATCHED, certificates: [source] });
    if (caFiles === undefined) continue;
    const clientCertificates = { mode: "required", ca: caFiles, crl: [] } as const;
    owners.set(authoritiesSource(caFiles), { ...WATCHED, clientCertificates });
  }
  return owners;
}

/** What there is of such files now; nothing happens to owners of other material. */
export function renewPeerTls(owner: string, material: TlsMaterial): void {
  if (!isPeerSource(owner)) return;
  const settings = settingsOf(material);
  const digest = createHash("sha256").update(JSON.stringify(settings)).digest("base64");
  tlsMeans.renewed.set(owner, { settings, digest });
}

function settingsOf({ certificates: [certificate], ca }: TlsMaterial): RenewedTls["settings"] {
  if (certificate === undefined) return { ca };
  return { identity: { chain: certificate.chain, key: certificate.key } };
}
