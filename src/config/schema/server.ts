import type * as z from "zod";
import { MAX_WEIGHT, type ServerInit } from "../../upstream/server.ts";
import { refuse } from "../scenario-toxic.ts";
import { type HttpServerAddress, httpServer } from "./addresses.ts";
import { flag, integer, oneOf, section, text } from "./values.ts";

export const SERVER_EXPECTED = "the address of a server, or a map with address and weight";

const MOST_PRIORITY = 65_535;

/** A server, and what its address says of TLS. */
export interface ServerDraft extends Required<ServerInit> {
  readonly scheme: HttpServerAddress["scheme"];
}

/** A server; an address alone is one of weight 1. */
export const server: z.ZodType<ServerDraft> = oneOf(SERVER_EXPECTED, [
  httpServer.transform((address) => ({ ...address, weight: 1, priority: 0, zone: null })),
  section("Server", "A server of an upstream.", {
    address: httpServer.describe(
      "`host:port`, a port of this machine, `[v6]:port`, `unix:/path`, or `https://host`, which is port 443 with TLS.",
    ),
    weight: integer(1, MAX_WEIGHT)
      .default(1)
      .describe("Its share of the requests, beside the weights of the others."),
    backup: flag()
      .default(false)
      .describe("Used only while no other server is available: the same as `priority: 1`."),
    priority: integer(0, MOST_PRIORITY)
      .optional()
      .describe(
        "Servers of the lowest number are used; those of the next only while none of them is available. Default: 0.",
      ),
    zone: text("a name").optional().describe("Where it stands: servers of the proxy's own zone come first."),
  }).transform(({ address, weight, backup, priority, zone = null }, context): ServerDraft => {
    if (backup && priority !== undefined)
      refuse(context, ["backup"], "one of them", {
        reason: "backup and priority exclude each other",
        atKey: true,
      });
    return { ...address, weight, priority: priority ?? (backup ? 1 : 0), zone };
  }),
]);
