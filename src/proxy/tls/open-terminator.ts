import type { TlsMaterial } from "../../net/tls/listener-settings.ts";
import type { ServiceContext } from "../service.ts";
import { TlsTerminator, type TlsTerminatorListener, type TlsTerminatorOptions } from "./tls-terminator.ts";

/**
 * Makes a terminator of what its settings' files hold, which from then on has whatever they hold. Material that OpenSSL refuses
 * later is reported, and changes nothing.
 * @param owner tells it apart from others, and is named in reports
 * Rejects with a `CertificateError` when a file can't be used, and with what OpenSSL says when it refuses something.
 */
export async function openTerminator(
  { tls, keyLog, counters, reporter }: ServiceContext,
  owner: string,
  options: Omit<TlsTerminatorOptions, "material" | "keyLog" | "counters">,
  listener: TlsTerminatorListener,
): Promise<TlsTerminator> {
  let terminator: TlsTerminator | null = null;
  /** What came while the first material was on its way. */
  let newer: TlsMaterial | null = null;
  const material = await tls.open(owner, options.settings, (next) => {
    newer = next;
    try {
      terminator?.set(next);
    } catch (error) {
      reporter?.onServiceError(owner, error);
    }
  });
  terminator = new TlsTerminator({ ...options, keyLog, counters, material: newer ?? material }, listener);
  return terminator;
}
