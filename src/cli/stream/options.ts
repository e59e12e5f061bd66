import { type Command, InvalidArgumentError, Option } from "commander";
import type { Mode } from "../../chaos/mode.ts";
import { parseMode } from "../../chaos/modes.ts";
import type { ToxicSettings } from "../../chaos/toxic.ts";
import { createRegistry } from "../../chaos/toxics/index.ts";
import { parseDuration } from "../../config/quantities.ts";
import type { LogLevel } from "../../config/snapshot.ts";
import { parseAddress } from "../../net/address.ts";
import { collectAddress, jsonOption, logLevelOption, threadsOption, wholeNumber } from "../options.ts";
import { toxicsOption } from "../toxics-option.ts";
import type { StreamTlsFlags } from "./tls.ts";
import { parseToxic } from "./toxic-text.ts";

/** What `sluice tcp` and `sluice udp` can be told. */
export interface StreamFlags extends StreamTlsFlags {
  readonly mode?: Mode;
  readonly toxic?: readonly ToxicSettings[];
  readonly toxics?: readonly string[];
  readonly seed?: string;
  /** Milliseconds. */
  readonly connectTimeout?: number;
  readonly idleTimeout?: number;
  readonly maxConnections?: number;
  readonly acceptProxyProtocol?: true;
  readonly sendProxyProtocol?: "v1" | "v2";
  readonly threads?: number;
  readonly menu: boolean;
  readonly json?: true;
  /** True when no address was given. */
  readonly api?: string | true;
  readonly apiToken?: string;
  readonly logLevel?: LogLevel;
}

const MOST_CONNECTIONS = 10_000_000;

/** Adds what TCP and UDP have in common. */
export function addStreamOptions(command: Command): Command {
  return command
    .option(
      "--mode <mode>",
      'the first mode: allow, deny, "latency 100±20", "timeout 500", "throttle 10k"; with upstream or downstream behind it one way only',
      toArgument(parseMode),
    )
    .option(
      "--toxic <toxic>",
      'a fault: "latency latency=100 jitter=20 upstream toxicity=0.5" (repeatable)',
      collectToxic,
    )
    .addOption(toxicsOption())
    .option("--seed <text>", "makes the faults of a run repeatable")
    .option(
      "--idle-timeout <duration>",
      "without a byte for that long a connection is closed, as in 30s",
      toDuration,
    )
    .option(
      "--max-connections <n>",
      "connections or sessions at a time, for each thread; 0 for no limit",
      wholeNumber(MOST_CONNECTIONS),
    )
    .option("--accept-proxy-protocol", "clients begin with a PROXY protocol header")
    .addOption(threadsOption().default(1))
    .option("--no-menu", "print events as lines, even on a terminal")
    .addOption(jsonOption())
    .option(
      "--api [address]",
      "mount the admin API, on 127.0.0.1:8474 unless another address is given",
      toApiAddress,
    )
    .addOption(
      new Option("--api-token <token>", "the bearer token that the API asks for").env("SLUICE_TOKEN"),
    )
    .addOption(logLevelOption());
}

/** As commander wants it: what a function throws is what is wrong with the argument. */
function toArgument<T>(parse: (text: string) => T): (text: string) => T {
  return (text) => {
    try {
      return parse(text);
    } catch (error) {
      throw new InvalidArgumentError((error as Error).message);
    }
  };
}

const registry = createRegistry();

function collectToxic(text: string, before: readonly ToxicSettings[] = []): readonly ToxicSettings[] {
  return [...before, toArgument(() => parseToxic(text, registry))(text)];
}

/** `0` needs no unit. */
export const toDuration: (text: string) => number = toArgument((text) => {
  try {
    return text === "0" ? 0 : parseDuration(text);
  } catch {
    throw new Error("Expected a duration: 500ms, 30s, 2m, 1h or 0.");
  }
});

/** Checks a single address; see `collectAddress` for several. */
export const toAddress: (text: string) => string = (text) => collectAddress(text)[0]!;

const toApiAddress: (text: string) => string = toArgument((text) => {
  if (parseAddress(text).kind === "unix") throw new Error("Expected a host and port.");
  return text;
});
