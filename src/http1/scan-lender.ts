import type { HeadLimits } from "./head-limits.ts";
import { HeadScan } from "./head-scan.ts";

/**
 * Lends the scan that reads heads: one for all connections of a thread, as heads are read one at a time. But who
 * handles a head may make another connection go on with a head of its own before the first is settled; that one gets
 * another scan, so that a head never shows the bytes of somebody else's.
 */
export class ScanLender {
  readonly #limits: HeadLimits;
  readonly #takesAnyCoding: boolean;
  #free: HeadScan | null = null;

  constructor(limits: HeadLimits, takesAnyCoding: boolean = false) {
    this.#limits = limits;
    this.#takesAnyCoding = takesAnyCoding;
  }

  take(): HeadScan {
    const scan = this.#free ?? new HeadScan(this.#limits, this.#takesAnyCoding);
    this.#free = null;
    return scan;
  }

  giveBack(scan: HeadScan): void {
    this.#free = scan;
  }
}
