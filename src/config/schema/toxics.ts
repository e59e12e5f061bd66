import type * as z from "zod";
import type { Mode } from "../../chaos/mode.ts";
import { isModeToxic } from "../../chaos/modes.ts";
import type { LinkKind, ToxicSettings } from "../../chaos/toxic.ts";
import { createRegistry } from "../../chaos/toxics/index.ts";
import { ToxicKinds } from "../scenario-kinds.ts";
import { modeText } from "../scenario-step.ts";
import { refuse, toxicSchema } from "../scenario-toxic.ts";
import { list } from "./values.ts";

const registry = createRegistry();
const anyToxic = toxicSchema(new ToxicKinds(registry));

const LINK_NAMES: Readonly<Record<LinkKind, string>> = { bytes: "streams of bytes", datagrams: "datagrams" };

/** A toxic that makes sense on such links. */
function toxicOn(kind: LinkKind): z.ZodType<ToxicSettings> {
  return anyToxic.transform((toxic, context): ToxicSettings => {
    const { name, type } = toxic;
    if (registry.get(type)?.links.includes(kind) === false)
      refuse(context, ["type"], `one of ${namesFor(kind).join(", ")}`, {
        reason: `${type} is not for ${LINK_NAMES[kind]}`,
      });
    if (isModeToxic(name))
      refuse(context, ["name"], "another name", { reason: `${JSON.stringify(name)} is kept for modes` });
    return toxic;
  });
}

function namesFor(kind: LinkKind): string[] {
  return [...registry].filter(({ links }) => links.includes(kind)).map(({ name }) => name);
}

/** The keys of faults on connections, or on UDP sessions. */
export function chaosKeys(kind: LinkKind): {
  readonly mode: z.ZodType<Mode | undefined>;
  readonly toxics: z.ZodType<readonly ToxicSettings[] | undefined>;
} {
  return {
    mode: modeText
      .optional()
      .describe(
        "What is done to all connections: `allow`, `deny`, `latency 100±20`, `timeout 500`, `throttle 10k`. Default: `allow`.",
      ),
    toxics: list(toxicOn(kind), "a list of toxics")
      .optional()
      .describe("Faults on clients' connections, in the order in which they act."),
  };
}
