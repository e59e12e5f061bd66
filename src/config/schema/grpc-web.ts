import type * as z from "zod";
import { DEFAULT_GRPC_WEB, type GrpcWebSettings } from "../../proxy/grpc/web-cors.ts";
import { refuse } from "../scenario-toxic.ts";
import { duration } from "./units.ts";
import { flag, oneOf, oneOrMore, parsedBy, section, text } from "./values.ts";

const ORIGIN_EXPECTED = "an origin like https://app.example, or *";

/** As browsers write it, so that it can be compared. */
const origin: z.ZodType<string> = parsedBy(text(ORIGIN_EXPECTED), ORIGIN_EXPECTED, (given) => {
  if (given === "*") return given;
  const url = URL.parse(given);
  return url !== null && /^https?:/.test(url.origin) && url.href === `${url.origin}/`
    ? url.origin
    : undefined;
});

const origins: z.ZodType<readonly string[]> = oneOrMore(origin, ORIGIN_EXPECTED);

const keys = section("GrpcWeb", "How pages call by gRPC-Web.", {
  origins: origins
    .prefault([])
    .describe(
      "Whose pages may call across origins: `https://app.example`, a list of such, or `*` for everybody's. Default: only those that come from here.",
    ),
  credentials: flag()
    .default(DEFAULT_GRPC_WEB.credentials)
    .describe("Lets browsers send cookies along with calls across origins. Not with `*`."),
  max_age: duration
    .prefault("2h")
    .describe("How long browsers remember that a page may call; many of them do so for two hours at most."),
}).transform((document, context): GrpcWebSettings => {
  const { origins: named, credentials, max_age } = document;
  if (credentials && named.includes("*"))
    refuse(context, ["origins"], "origins by name", { reason: "with credentials, * would let in everybody" });
  return { origins: named, credentials, maxAge: Math.floor(max_age / 1000) };
});

/** Whether calls of gRPC-Web are translated, and whose: a flag, origins, or a map. */
export const grpcWeb: z.ZodType<GrpcWebSettings | null> = oneOf("true, false, origins, or a map", [
  flag().transform((isOn) => (isOn ? DEFAULT_GRPC_WEB : null)),
  origins.transform((named): GrpcWebSettings => ({ ...DEFAULT_GRPC_WEB, origins: named })),
  keys,
]);
