import type { AttributeSpecs } from "../attributes.ts";
import { ToxicRegistry } from "../registry.ts";
import type { ToxicType } from "../toxic.ts";
import { bandwidth } from "./bandwidth.ts";
import { blackhole } from "./blackhole.ts";
import { connectDelay } from "./connect-delay.ts";
import { corrupt } from "./corrupt.ts";
import { down } from "./down.ts";
import { duplicate } from "./duplicate.ts";
import { idleTimeout } from "./idle-timeout.ts";
import { latency } from "./latency.ts";
import { limitData } from "./limit-data.ts";
import { noop } from "./noop.ts";
import { packetLoss } from "./packet-loss.ts";
import { reorder } from "./reorder.ts";
import { resetPeer } from "./reset-peer.ts";
import { slicer } from "./slicer.ts";
import { slowClose } from "./slow-close.ts";
import { timeout } from "./timeout.ts";

/** The toxics that come along: first those that Toxiproxy has too. */
export const builtinToxics: readonly ToxicType[] = [
  latency,
  bandwidth,
  slowClose,
  timeout,
  resetPeer,
  slicer,
  limitData,
  packetLoss,
  noop,
  down,
  blackhole,
  connectDelay,
  idleTimeout,
  corrupt,
  duplicate,
  reorder,
].map((type) => type as unknown as ToxicType<AttributeSpecs>);

/** What this thread knows: the toxics that come along, and those that programs register here. */
export const toxics: ToxicRegistry = new ToxicRegistry(builtinToxics);

/** A registry of its own that knows all that the thread does, also what is registered there later. */
export function createRegistry(): ToxicRegistry {
  return new ToxicRegistry([], toxics);
}
