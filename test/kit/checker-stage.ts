import { Alarm, ManualAlarmClock } from "../../src/base/alarms.ts";
import type { Random } from "../../src/base/random.ts";
import { type Address, parseAddress } from "../../src/net/address.ts";
import type { HealthCheckSettings } from "../../src/upstream/group-settings.ts";
import { HealthChecker } from "../../src/upstream/health/health-checker.ts";
import type { HttpProbeSettings } from "../../src/upstream/health/http-probe.ts";
import type { Probe, ProbeResult } from "../../src/upstream/health/probe.ts";

export const ADDRESS: Address = parseAddress("10.0.0.1:80");
export const TCP: HealthCheckSettings = {
  kind: "tcp",
  interval: 1000,
  jitter: 0,
  timeout: 300,
  rise: 1,
  fall: 1,
  port: null,
};

/** Asks for "/", and is content with any success. */
export const HTTP_PROBE: HttpProbeSettings = {
  method: "GET",
  path: "/",
  headers: [],
  expect: [{ first: 200, last: 299 }],
  body: null,
  tls: null,
};

export const WELL: ProbeResult = { isHealthy: true };
export const ill = (reason: string = "status 503"): ProbeResult => ({ isHealthy: false, reason });

/** What one probe does: gives a result after that many milliseconds of the clock, or never does. */
export interface Act {
  readonly result: ProbeResult;
  readonly after: number;
  /** Whether it ends when it is given up. */
  readonly obeys?: boolean;
}

export interface RunRecord {
  readonly at: number;
  readonly address: Address;
  readonly signal: AbortSignal;
  end: number | null;
}

/** Runs on the simulated clock and does what the test says. */
export class ScriptedProbe implements Probe {
  readonly runs: RunRecord[] = [];
  readonly #clock: ManualAlarmClock;
  readonly #act: (index: number) => Act;

  constructor(clock: ManualAlarmClock, act: (index: number) => Act) {
    this.#clock = clock;
    this.#act = act;
  }

  get underWay(): number {
    return this.runs.filter(({ end }) => end === null).length;
  }

  run(address: Address, signal: AbortSignal): Promise<ProbeResult> {
    const { result, after, obeys = true } = this.#act(this.runs.length);
    const record: RunRecord = { at: this.#clock.now(), address, signal, end: null };
    this.runs.push(record);
    const { promise, resolve } = Promise.withResolvers<ProbeResult>();
    const settle = (outcome: ProbeResult): void => {
      record.end ??= this.#clock.now();
      resolve(outcome);
    };
    if (after === 0) settle(result);
    else new Alarm(this.#clock, () => settle(result)).set(record.at + after);
    if (obeys) signal.addEventListener("abort", () => settle(ill(String(signal.reason))));
    return promise;
  }
}

export interface Change {
  readonly at: number;
  readonly isHealthy: boolean;
  readonly reason: string;
}

export interface Stage {
  readonly clock: ManualAlarmClock;
  readonly probe: ScriptedProbe;
  readonly checker: HealthChecker;
  readonly changes: Change[];
  /** Lets time pass in steps in which everything that follows from one is done. */
  pass(milliseconds: number, step?: number): Promise<void>;
}

export const half: Random = { next: () => 0.5 };

/** A checker with a scripted probe, on a clock that the test moves. */
export function setStage(
  settings: Partial<typeof TCP>,
  act: (index: number) => Act,
  random: Random = half,
  address: Address = ADDRESS,
): Stage {
  const clock = new ManualAlarmClock();
  const probe = new ScriptedProbe(clock, act);
  const changes: Change[] = [];
  const onChange = (isHealthy: boolean, reason: string): void =>
    void changes.push({ at: clock.now(), isHealthy, reason });
  const means = { clock, random, probe, onChange };
  const checker = new HealthChecker({ ...TCP, ...settings } as typeof TCP, address, means);
  const pass = async (milliseconds: number, step = 10): Promise<void> => {
    const end = clock.now() + milliseconds;
    while (clock.now() < end) {
      clock.advance(Math.min(step, end - clock.now()));
      for (let i = 0; i < 3; i++) await Promise.resolve();
    }
  };
  return { clock, probe, checker, changes, pass };
}

/** When probes began. */
export const startsOf = ({ probe }: Stage): number[] => probe.runs.map(({ at }) => at);
