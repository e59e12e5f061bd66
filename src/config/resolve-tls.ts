import type { TlsListenerSettings } from "../net/tls/listener-settings.ts";
import { resolveIn } from "./resolve-in.ts";

/** The same with the files as they are found from the working directory. */
export function resolveTls(tls: TlsListenerSettings, folder: string): TlsListenerSettings {
  const toPath = (file: string): string => resolveIn(folder, file);
  const { certificates, clientCertificates: clients } = tls;
  return {
    ...tls,
    certificates: certificates.map(({ cert, key, ocsp, ...rest }) => ({
      ...rest,
      ...{ cert: toPath(cert), key: toPath(key) },
      ...(ocsp === undefined ? {} : { ocsp: toPath(ocsp) }),
    })),
    clientCertificates: clients && { ...clients, ca: clients.ca.map(toPath), crl: clients.crl.map(toPath) },
  };
}
