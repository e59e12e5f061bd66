import * as z from "zod";
import { isToken } from "../../http/characters.ts";
import type { ForwardingPolicy } from "../../proxy/forwarding.ts";
import { ipRange } from "./addresses.ts";
import { choice, flag, list, off, oneOf, parsedBy, section } from "./values.ts";

const MODES = ["append", "replace", "off"] as const;
const MODE_EXPECTED = "append, replace or off";

type Forwarded = Omit<ForwardingPolicy, "via">;

const mode = choice(MODES);
const CERTIFICATE_EXPECTED = "xfcc, headers or off";

/** `off` also in the form that it had in older YAML. */
const shortMode: z.ZodType<Forwarded> = oneOf(MODE_EXPECTED, [
  mode,
  off().transform(() => "off" as const),
]).transform(
  (word): Forwarded => ({
    mode: word,
    xForwarded: true,
    forwarded: false,
    trustedProxies: [],
    clientCertificate: "off",
  }),
);

/** What servers are told about clients; a word is the mode. */
export const forwarded: z.ZodType<Forwarded> = oneOf("append, replace, off, or a map", [
  shortMode,
  section("Forwarded", "The fields that tell a server where a request comes from.", {
    mode: oneOf(MODE_EXPECTED, [mode, off().transform(() => "off" as const)])
      .optional()
      .describe(
        "`append` to what came in, if it came from a trusted proxy or none is named; `replace` it, also what of these fields isn't written; or `off`: pass it on untouched. Default: `append` if `trusted_proxies` are named, else `replace`.",
      ),
    x_forwarded: flag()
      .default(true)
      .describe("Write `X-Forwarded-For`, `X-Forwarded-Proto` and `X-Forwarded-Host`."),
    forwarded: flag().default(false).describe("Write `Forwarded` (RFC 7239)."),
    trusted_proxies: list(ipRange, "a list of addresses and CIDR ranges")
      .optional()
      .describe("Proxies before this one whose fields are believed, also for `match.client`."),
    client_certificate: oneOf(CERTIFICATE_EXPECTED, [
      choice(["xfcc", "headers", "off"] as const),
      off().transform(() => "off" as const),
    ])
      .default("off")
      .describe(
        "How servers are told of the certificate that a client has shown. `off`, which is the default: not at all; `xfcc` writes `X-Forwarded-Client-Cert` as Envoy does, `headers` writes `Client-Cert` and `Client-Cert-Chain` (RFC 9440), for which every connection shakes hands in full. What clients send of these fields is removed, unless all of `forwarded` is off or they are trusted proxies.",
      ),
  }).transform((document): Forwarded => {
    const { x_forwarded, forwarded: standard, trusted_proxies: trustedProxies = [] } = document;
    const chosen = document.mode ?? (trustedProxies.length > 0 ? "append" : "replace");
    const { client_certificate: clientCertificate } = document;
    return { mode: chosen, xForwarded: x_forwarded, forwarded: standard, trustedProxies, clientCertificate };
  }),
]);

const VIA_EXPECTED = "a name of letters, digits, dots and dashes, or off";

/** Our name in `Via`: null for no such field, "" for the usual one. */
export const via: z.ZodType<string | null> = oneOf(VIA_EXPECTED, [
  off(),
  parsedBy(z.string({ error: VIA_EXPECTED }), VIA_EXPECTED, (name) => {
    return name === "" || isToken(name) ? name : undefined;
  }),
]);
