import { idleAlarms } from "../base/alarms.ts";
import type { Snapshot } from "../config/snapshot.ts";
import { TlsKeeper } from "../net/tls/tls-keeper.ts";

/** What is to be said about the files of TLS. */
export interface TlsFindings {
  /** With these nothing would start. */
  readonly problems: readonly string[];
  /** These are doubtful only. */
  readonly doubts: readonly string[];
}

/** Reads what the listeners of a configuration need for TLS, as they would when they start. */
export async function checkTlsFiles({ listeners, proxies }: Snapshot): Promise<TlsFindings> {
  const problems: string[] = [];
  const doubts: string[] = [];
  for (const { name, tls } of [...listeners, ...proxies]) {
    if (tls === null) continue;
    const tell = (list: string[]) => (finding: string) => list.push(`listener ${name}: ${finding}`);
    const onDoubt = tell(doubts);
    const nobody = { onMaterial: () => undefined, onProblem: () => undefined };
    const keeper = new TlsKeeper(tls, idleAlarms, { ...nobody, onDoubt });
    await keeper.load().catch((error: Error) => tell(problems)(error.message));
  }
  return { problems, doubts };
}
