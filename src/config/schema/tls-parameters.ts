import * as z from "zod";
import { checkTlsParameters, type TlsParameters } from "../../net/tls/tls-parameters.ts";
import { refuse } from "../scenario-toxic.ts";
import { oneOf, oneOrMore, text } from "./values.ts";

type TlsVersion = NonNullable<TlsParameters["minVersion"]>;

const VERSION_EXPECTED = "1.2 or 1.3";
const NAMES_EXPECTED = "names with colons between them";

const version: z.ZodType<TlsVersion> = oneOf(VERSION_EXPECTED, [
  z.literal([1.2, 1.3], { error: VERSION_EXPECTED }),
  z.literal(["1.2", "1.3", "TLSv1.2", "TLSv1.3"], { error: VERSION_EXPECTED }),
]).transform((word) => (String(word).endsWith("1.2") ? "TLSv1.2" : "TLSv1.3"));

/** A list as OpenSSL takes it. */
const names: z.ZodType<string> = oneOrMore(text(NAMES_EXPECTED), NAMES_EXPECTED).transform((all) =>
  all.join(":"),
);

interface ParameterKeys {
  readonly min_version: z.ZodOptional<z.ZodType<TlsVersion>>;
  readonly max_version: z.ZodOptional<z.ZodType<TlsVersion>>;
  readonly ciphers: z.ZodOptional<z.ZodType<string>>;
  readonly groups: z.ZodOptional<z.ZodType<string>>;
}

/** What both sides of TLS can be told. */
export const tlsParameterKeys: ParameterKeys = {
  min_version: version.optional().describe("The oldest version of TLS: `1.2` or `1.3`. Default: 1.2."),
  max_version: version.optional().describe("The newest version. Default: 1.3."),
  ciphers: names
    .optional()
    .describe(
      "Ciphers by OpenSSL's names, of all versions in one list. Default: those with forward secrecy and authenticated encryption.",
    ),
  groups: names
    .optional()
    .describe("Groups to agree on keys with, the best first. Default: X25519MLKEM768, X25519, P-256, P-384."),
};

interface ParameterDocument {
  readonly min_version?: TlsVersion | undefined;
  readonly max_version?: TlsVersion | undefined;
  readonly ciphers?: string | undefined;
  readonly groups?: string | undefined;
}

/** Brings them into their normal form, and tells what OpenSSL doesn't take. */
export function toTlsParameters(
  document: ParameterDocument,
  context: z.core.$RefinementCtx<unknown>,
): TlsParameters {
  const { min_version: minVersion, max_version: maxVersion, ciphers, groups } = document;
  const versions = {
    ...(minVersion === undefined ? {} : { minVersion }),
    ...(maxVersion === undefined ? {} : { maxVersion }),
  };
  check(versions, ["min_version"], "a version that isn't above max_version", context);
  if (ciphers !== undefined) check({ ciphers }, ["ciphers"], "names that OpenSSL has for ciphers", context);
  if (groups !== undefined) check({ groups }, ["groups"], "names that OpenSSL has for groups", context);
  return {
    ...versions,
    ...(ciphers === undefined ? {} : { ciphers }),
    ...(groups === undefined ? {} : { groups }),
  };
}

function check(
  parameters: TlsParameters,
  path: readonly string[],
  expected: string,
  context: z.core.$RefinementCtx<unknown>,
): void {
  try {
    checkTlsParameters(parameters);
  } catch (error) {
    refuse(context, path, expected, { reason: (error as Error).message });
  }
}
