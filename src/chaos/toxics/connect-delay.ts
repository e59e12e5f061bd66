import { type AttributeSpec, int } from "../attributes.ts";
import { defineToxic, type ToxicType } from "../toxic.ts";

const attributes: { delay: AttributeSpec<number>; jitter: AttributeSpec<number> } = {
  delay: int("time before the server is connected to", { unit: "ms" }),
  jitter: int("the delay of each connection differs by up to this much either way", { unit: "ms" }),
};

export const connectDelay: ToxicType<typeof attributes> = defineToxic({
  name: "connect_delay",
  about: "takes its time to connect to the server",
  attributes,
  links: ["bytes", "datagrams"],
  create: () => null,
  admit: ({ delay, jitter }, random) => ({
    refuse: false,
    delay: Math.max(delay - jitter + random.next() * 2 * jitter, 0),
  }),
});
