import {
  BALANCING_POLICIES,
  type GroupSettings,
  type HealthCheckSettings,
  type OutlierSettings,
} from "./group-settings.ts";

/**
 * A program's settings come as it wrote them. A nonsensical number would ask servers without a pause, or never take one out
 * or bring it back, and nobody would see why.
 * @throws RangeError
 */
export function checkGroup({ policy, slowStart, panic, mostServers, checks, outliers }: GroupSettings): void {
  if (!BALANCING_POLICIES.includes(policy))
    throw new RangeError(`There is no policy ${policy}: there are ${BALANCING_POLICIES.join(", ")}`);
  within("slowStart", slowStart, 0);
  within("panic", panic, 0, 1);
  whole("mostServers", mostServers);
  for (const check of checks) checkTimes(check);
  if (outliers !== null) checkOutliers(outliers);
}

function checkTimes({ interval, jitter, timeout, rise, fall }: HealthCheckSettings): void {
  within("healthCheck.interval", interval, 1);
  within("healthCheck.jitter", jitter, 0, 1);
  within("healthCheck.timeout", timeout, 1);
  whole("healthCheck.rise", rise);
  whole("healthCheck.fall", fall);
}

function checkOutliers({ ratio, window, ejection, longestEjection, mostEjected }: OutlierSettings): void {
  within("outliers.ratio", ratio, 0, 1);
  within("outliers.window", window, 1);
  within("outliers.ejection", ejection, 1);
  within("outliers.longestEjection", longestEjection, 1);
  within("outliers.mostEjected", mostEjected, 0, 1);
}

/** About 24 days: what a timer can wait for. */
const LONGEST = 2_147_483_647;

function within(name: string, value: number, least: number, most: number = LONGEST): void {
  if (value >= least && value <= most) return;
  throw new RangeError(`A balancer's ${name} is a number from ${least} to ${most}, and not ${value}`);
}

function whole(name: string, value: number): void {
  if (Number.isInteger(value) && value >= 1) return;
  throw new RangeError(`A balancer's ${name} is a whole number from 1, and not ${value}`);
}
