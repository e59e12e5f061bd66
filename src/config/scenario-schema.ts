import * as z from "zod";
import { ALLOW } from "../chaos/mode.ts";
import type { ToxicSettings } from "../chaos/toxic.ts";
import type { Scenario, ScenarioProxy, ScenarioStep, Targets } from "./scenario.ts";
import type { ToxicKinds } from "./scenario-kinds.ts";
import { modeText, type StepDraft, stepSchema } from "./scenario-step.ts";
import { refuse, toxicSchema } from "./scenario-toxic.ts";
import { bindAddress, serverAddress } from "./schema/addresses.ts";
import { choice, flag, integer, list, oneOf, oneOrMore, section, text } from "./schema/values.ts";

const MOST_ROUNDS = 1_000_000_000;
const SEED_EXPECTED = "a number or a text";
const REPEAT_EXPECTED = "a number of rounds, or forever";

function proxySchema(toxic: z.ZodType<ToxicSettings>): z.ZodType<ScenarioProxy> {
  return section("ScenarioProxy", "A proxy that is there for the scenario alone.", {
    name: text("a name").describe("Its name."),
    protocol: choice(["tcp", "udp"])
      .default("tcp")
      .describe("What it relays. `udp` takes Sluice as the server."),
    listen: bindAddress
      .default("127.0.0.1:0")
      .describe("Where it listens. Default: any free port of this machine, which is printed."),
    upstream: oneOrMore(serverAddress, "the address of a server").describe(
      "The server that it relays to. Several take Sluice as the server: one is tried after the other.",
    ),
    enabled: flag().default(true).describe("Whether it is open at the start."),
    toxics: list(toxic, "a list of toxics").optional().describe("What it has from the start."),
    mode: modeText.optional().describe("Its mode at the start. Default: `allow`."),
  }).transform(({ upstream, toxics = [], mode = ALLOW, ...rest }): ScenarioProxy => {
    return { ...rest, upstreams: upstream, toxics, mode };
  });
}

/** What a file tells; where its steps stand is not known here. */
export interface ScenarioDraft extends Omit<Scenario, "name" | "steps"> {
  readonly name: string | undefined;
  readonly steps: readonly Omit<ScenarioStep, "line">[];
}

/** The whole document. */
export function scenarioSchema(kinds: ToxicKinds): z.ZodType<ScenarioDraft> {
  const toxic = toxicSchema(kinds);
  return section("Scenario", "A timeline of faults.", {
    name: text("a name").optional().describe("What it is called. Default: the name of the file."),
    seed: oneOf(SEED_EXPECTED, [z.number({ error: SEED_EXPECTED }), text(SEED_EXPECTED)])
      .optional()
      .describe("The same seed draws the same times and proxies. Default: another one each time."),
    repeat: oneOf(REPEAT_EXPECTED, [integer(1, MOST_ROUNDS), z.literal("forever", { error: "forever" })])
      .default(1)
      .describe(
        "How often the steps are gone through. What is not undone after the last round is between two.",
      ),
    own_toxics: list(text("the name of a toxic type"), "a list of toxic types")
      .optional()
      .describe("Types that you have added to the server yourself."),
    proxies: list(proxySchema(toxic), "a list of proxies")
      .optional()
      .describe("Proxies to create before the first step and to remove at the end."),
    steps: list(stepSchema(kinds, toxic), "a list of steps").describe("What is done, and when."),
  }).transform(({ name, seed, repeat, proxies = [], steps }, context): ScenarioDraft => {
    checkNames(context, proxies);
    const rounds = repeat === "forever" ? Number.POSITIVE_INFINITY : repeat;
    if (rounds > 1 && steps.every(takesNoTime))
      refuse(context, ["repeat"], "steps that take time", { reason: "a round takes no time" });
    const only = proxies.length === 1 ? proxies[0]!.name : null;
    const complete = steps.map((step, i) => ({ ...step, targets: targetsOf(context, step, i, only) }));
    return { name, seed: seed === undefined ? null : String(seed), repeat: rounds, proxies, steps: complete };
  });
}

type Context = z.core.$RefinementCtx<unknown>;

function checkNames(context: Context, proxies: readonly ScenarioProxy[]): void {
  proxies.forEach(({ name, toxics }, i) => {
    if (proxies.findIndex((other) => other.name === name) < i)
      refuse(context, ["proxies", i, "name"], "another name", { reason: `there is a proxy ${name} already` });
    toxics.forEach((toxic, j) => {
      if (toxics.findIndex((other) => other.name === toxic.name) === j) return;
      const reason = `there is a toxic ${toxic.name} already`;
      refuse(context, ["proxies", i, "toxics", j], "another name", { reason });
    });
  });
}

function takesNoTime({ time, lasts, action }: StepDraft): boolean {
  return time.milliseconds === 0 && (lasts?.milliseconds ?? 0) === 0 && action?.kind !== "ramp";
}

function targetsOf(
  context: Context,
  { targets, action }: StepDraft,
  index: number,
  only: string | null,
): Targets {
  if (targets !== null) return targets;
  if (only !== null && action !== null) return { kind: "named", names: [only] };
  if (action !== null)
    refuse(context, ["steps", index, "proxy"], "the name of a proxy, a list of them, or all");
  return { kind: "named", names: [] };
}
