import { idleAlarms } from "../base/alarms.ts";
import type { Snapshot } from "../config/snapshot.ts";
import type { TlsListenerSettings } from "../net/tls/listener-settings.ts";
import { TlsKeeper } from "../net/tls/tls-keeper.ts";

/** What is to be said about the files of TLS. */
export interface TlsFindings {
  /** With these nothing would start. */
  readonly problems: readonly string[];
  /** These are doubtful only. */
  readonly doubts: readonly string[];
}

/** Reads what the listeners of a configuration need for TLS, as they would when they start. */
export async function checkTlsFiles({
  listeners,
  proxies,
}: Pick<Snapshot, "listeners" | "proxies">): Promise<TlsFindings> {
  const problems: string[] = [];
  const doubts: string[] = [];
  for (const { name, tls } of [...listeners, ...proxies]) {
    for (const part of tls === null ? [] : partsOf(tls)) {
      const keeper = new TlsKeeper(part, idleAlarms, {
        onMaterial: () => undefined,
        onProblem: () => undefined,
        onDoubt: (doubt) => doubts.push(`listener ${name}: ${doubt}`),
      });
      await keeper.load().catch(({ message }: Error) => problems.push(`listener ${name}: ${message}`));
    }
  }
  return { problems, doubts };
}

/** Each certificate by itself, then what is known of clients: a listener stops at the first that is wrong. */
function partsOf(tls: TlsListenerSettings): readonly TlsListenerSettings[] {
  const certificates = tls.certificates.map((one) => ({
    ...tls,
    certificates: [one],
    clientCertificates: null,
  }));
  return [...certificates, { ...tls, certificates: [] }];
}
