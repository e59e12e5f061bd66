import type { TlsListenerSettings } from "../../net/tls/listener-settings.ts";
import { identityOwners } from "../../upstream/identity-files.ts";
import { peersTlsOf } from "../../worker/peers-tls.ts";
import type { RunSpec } from "../../worker/run-spec.ts";

/**
 * Whose TLS files are read and watched for what is run, by the names under which threads ask for them: listeners, TCP proxies,
 * and what is shown to servers. A program's own listeners aren't known here.
 */
export function tlsOwners(spec: RunSpec): Map<string, TlsListenerSettings> {
  const { listeners = [], proxies = [] } = spec.snapshot ?? {};
  const owners = identityOwners(peersTlsOf(spec));
  for (const { name, tls } of listeners) if (tls !== null) owners.set(name, tls);
  for (const { name, tls } of proxies) if (tls !== null) owners.set(`proxy ${name}`, tls);
  return owners;
}
