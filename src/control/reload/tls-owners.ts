import { accessSync, constants } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import type { TlsListenerSettings } from "../../net/tls/listener-settings.ts";
import { peerFileOwners } from "../../upstream/peer-tls-files.ts";
import { ownerOfProxy } from "../../worker/owners.ts";
import { peersTlsOf } from "../../worker/peers-tls.ts";
import type { RunSpec } from "../../worker/run-spec.ts";

/**
 * Whose TLS files are read and watched for what is run, by the names under which threads ask for them: listeners, TCP proxies,
 * and what is shown to servers, or by whom theirs are signed. A program's own listeners aren't known here.
 */
export function tlsOwners(spec: RunSpec): Map<string, TlsListenerSettings> {
  const { listeners = [], proxies = [] } = spec.snapshot ?? {};
  const owners = peerFileOwners(peersTlsOf(spec));
  for (const { name, tls } of listeners) if (tls !== null) owners.set(name, tls);
  for (const { name, tls } of proxies) if (tls !== null) owners.set(ownerOfProxy(name), tls);
  return owners;
}

/** What has TLS of its own. */
interface Secured {
  readonly name: string;
  readonly tls: TlsListenerSettings | null;
}

/**
 * Those whose files are to be looked at before they are used. What was read by a user that the process isn't any more can't be read again: as long as
 * the same is asked for, what there is goes on.
 * @param mayRead default: asks the system
 */
export function toBeChecked<T extends Secured>(
  before: readonly Secured[],
  after: readonly T[],
  mayRead: (file: string) => boolean = isReadable,
): T[] {
  return after.filter(({ name, tls }) => {
    const known = before.find((one) => one.name === name)?.tls ?? null;
    if (tls === null || known === null || !isDeepStrictEqual(known, tls)) return true;
    return filesOf(tls).every(mayRead);
  });
}

function filesOf({ certificates, clientCertificates }: TlsListenerSettings): string[] {
  const { ca = [], crl = [] } = clientCertificates ?? {};
  return [...certificates.flatMap(({ cert, key }) => [cert, key]), ...ca, ...crl];
}

/** True also of what isn't there: that is another problem. */
function isReadable(file: string): boolean {
  try {
    accessSync(file, constants.R_OK);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "EACCES";
  }
}
