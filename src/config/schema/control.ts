import * as z from "zod";
import { MOST_TOP } from "../../base/traffic/top-list.ts";
import { DEFAULT_TRAFFIC, type TrafficSettings } from "../../base/traffic/traffic-settings.ts";
import type { AdminSettings, ChaosSettings } from "../snapshot.ts";
import { loopbackAddress } from "./addresses.ts";
import { flag, integer, oneOf, section, text } from "./values.ts";

const SEED_EXPECTED = "a number or a text";

/** Faults, as far as they concern the whole process. */
export const chaos: z.ZodType<ChaosSettings> = section(
  "Chaos",
  "Faults, as far as they concern everything.",
  {
    seed: oneOf(SEED_EXPECTED, [z.number({ error: SEED_EXPECTED }), text(SEED_EXPECTED)])
      .optional()
      .describe("The same seed draws the same lots. Default: another one each time."),
    scenario: text("a path")
      .optional()
      .describe("A file with a timeline of faults, played from the start. Relative to this file's folder."),
  },
).transform(({ seed, scenario = null }): ChaosSettings => {
  return { seed: seed === undefined ? null : String(seed), scenario };
});

/** Where Toxiproxy's clients look first. */
const ADMIN_ADDRESS = "127.0.0.1:8474";

/** The admin API; an address is where it listens. */
export const admin: z.ZodType<AdminSettings> = oneOf("an address, or a map with bind and token", [
  loopbackAddress.transform((bind): AdminSettings => ({ bind, token: null })),
  section("Admin", "The HTTP API by which proxies and their faults are steered.", {
    bind: loopbackAddress
      .prefault(ADMIN_ADDRESS)
      .describe("Where to listen: `host:port`. A port alone is one that only this machine reaches."),
    token: text("a text")
      .optional()
      .describe("What requests have to bring along, as `Authorization: Bearer …`. Default: nothing."),
  }).transform(({ bind, token = null }): AdminSettings => ({ bind, token })),
]);

const STATS_EXPECTED = "true, false, or a map with top";

/** What is counted of the traffic. */
export const stats: z.ZodType<TrafficSettings> = oneOf(STATS_EXPECTED, [
  flag().transform((enabled): TrafficSettings => ({ ...DEFAULT_TRAFFIC, enabled })),
  section("Stats", "What is counted of the traffic: see `docs/analytics.md`.", {
    top: integer(0, MOST_TOP)
      .default(DEFAULT_TRAFFIC.top)
      .describe("Clients, and paths, that each thread tells apart. 0: they aren't looked at."),
  }).transform(({ top }): TrafficSettings => ({ enabled: true, top })),
]);
