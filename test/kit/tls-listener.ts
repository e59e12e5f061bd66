import type { TlsListenerSettings } from "../../src/net/tls/listener-settings.ts";

/** What most tests want of a listener's TLS; certificates are theirs to add. */
export const TLS_SETTINGS: TlsListenerSettings = {
  certificates: [],
  refusesUnknownNames: false,
  clientCertificates: null,
  sessionTimeout: 7_200_000,
  ticketRotation: 0,
  handshakeTimeout: 10_000,
  handshakes: 0,
  plainHttp: "redirect",
  passthrough: [],
};
