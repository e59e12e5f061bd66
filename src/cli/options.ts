import { InvalidArgumentError, Option } from "commander";
import { LOG_LEVELS } from "../config/snapshot.ts";
import { parseAddress } from "../net/address.ts";

/** Gathers the values of an option that may be given several times. */
export function collect(value: string, before: readonly string[] = []): string[] {
  return [...before, value];
}

/** As `collect`, for addresses: refuses what can't be one. */
export function collectAddress(value: string, before: readonly string[] = []): string[] {
  try {
    parseAddress(value);
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
  return collect(value, before);
}

/** A whole number from `least` to `most`. */
export function wholeNumber(most: number, least: number = 0): (value: string) => number {
  return (value) => {
    const number = Number(value);
    if (!/^\d+$/.test(value) || number < least || number > most)
      throw new InvalidArgumentError(`Expected a whole number from ${least} to ${most}.`);
    return number;
  };
}

const MOST_SECONDS = 86_400;

/** A number of seconds from 0 to a day, with fractions. */
export function seconds(value: string): number {
  const number = Number(value);
  if (!/^(?:\d+\.?\d*|\.\d+)$/.test(value) || number > MOST_SECONDS)
    throw new InvalidArgumentError(`Expected a number of seconds from 0 to ${MOST_SECONDS}.`);
  return number;
}

const MAX_THREADS = 256;

export function threadsOption(): Option {
  return new Option("--threads <n>", "worker threads; 0 runs everything in the main thread").argParser(
    wholeNumber(MAX_THREADS),
  );
}

export function logLevelOption(): Option {
  return new Option("--log-level <level>", "what the error log tells").choices(LOG_LEVELS);
}

export function accessLogOption(): Option {
  return new Option("--access-log <format>", "log every request to standard output").choices([
    "off",
    "combined",
    "json",
  ]);
}

export function upgradeSockOption(): Option {
  return new Option("--upgrade-sock <path>", "the Unix socket at which a successor takes over");
}

/** What -u does, where it is not another flag's. */
export const TAKE_OVER = "begin on the sockets of the process that listens at upgrade_sock";

export function jsonOption(): Option {
  return new Option("--json", "print JSON lines");
}
