import { threadAlarms } from "../../base/alarms.ts";
import type { TlsListenerSettings, TlsMaterial, TlsSource } from "../../net/tls/listener-settings.ts";
import { TlsKeeper } from "../../net/tls/tls-keeper.ts";
import type { ErrorReporter } from "../http-proxy.ts";

/** Reads and watches the files in this thread, for servers that have only this one. */
export class LocalTlsSource implements TlsSource {
  readonly #signal: AbortSignal;
  readonly #reporter: ErrorReporter | null;

  constructor(signal: AbortSignal, reporter: ErrorReporter | null) {
    this.#signal = signal;
    this.#reporter = reporter;
  }

  async open(
    owner: string,
    settings: TlsListenerSettings,
    onChange: (material: TlsMaterial) => void,
  ): Promise<TlsMaterial> {
    const report = (problem: string): void => this.#reporter?.onServiceError(owner, new Error(problem));
    const keeper = new TlsKeeper(settings, threadAlarms, {
      onMaterial: (material) => onChange(material),
      onProblem: report,
      onDoubt: report,
    });
    const material = await keeper.load();
    await keeper.watch();
    this.#signal.addEventListener("abort", () => keeper.stop());
    if (this.#signal.aborted) keeper.stop();
    return material;
  }
}
