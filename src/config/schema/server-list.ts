import type * as z from "zod";
import { refuse } from "../scenario-toxic.ts";
import { serverAddress } from "./addresses.ts";
import { oneOrMore } from "./values.ts";

const SERVERS_EXPECTED = "the address of a server";

interface ServerListKeys {
  readonly upstream: z.ZodOptional<z.ZodType<readonly string[]>>;
  readonly upstreams: z.ZodOptional<z.ZodType<readonly string[]>>;
}

/** Servers by their addresses alone, for what relays connections. */
export const serverListKeys: ServerListKeys = {
  upstream: oneOrMore(serverAddress, SERVERS_EXPECTED)
    .optional()
    .describe("The server to relay to: its address. Of several, one is tried after the other."),
  upstreams: oneOrMore(serverAddress, SERVERS_EXPECTED).optional().describe("Another name for `upstream`."),
};

interface ServersDocument {
  readonly upstream?: readonly string[] | undefined;
  readonly upstreams?: readonly string[] | undefined;
}

/**
 * The addresses under either name.
 * @param isNeeded whether one of them has to be there
 */
export function serversOf(
  { upstream, upstreams }: ServersDocument,
  context: z.core.$RefinementCtx<unknown>,
  isNeeded: boolean = true,
): readonly string[] {
  if (upstream !== undefined && upstreams !== undefined)
    refuse(context, ["upstreams"], "one of them", {
      reason: "upstream and upstreams exclude each other",
      atKey: true,
    });
  const servers = upstream ?? upstreams;
  if (servers === undefined && isNeeded)
    refuse(context, ["upstream"], "the address of a server, or a list of addresses");
  return servers ?? [];
}
