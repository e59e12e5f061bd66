import { createSecureContext } from "node:tls";
import { describeThrown } from "../../base/errors.ts";

type TlsVersion = "TLSv1.2" | "TLSv1.3";

/** What both sides of TLS can be told. */
export interface TlsParameters {
  /** Default TLSv1.2. */
  readonly minVersion?: TlsVersion;
  /** Default TLSv1.3. */
  readonly maxVersion?: TlsVersion;
  /** OpenSSL's names, those of TLS 1.3 and 1.2 in one list with colons. Default: `INTERMEDIATE_CIPHERS`. */
  readonly ciphers?: string;
  /** Groups to agree on keys with, the best first, with colons. Default: `DEFAULT_GROUPS`. */
  readonly groups?: string;
}

/**
 * Mozilla's "intermediate" list (Server Side TLS 5.7): forward secrecy and authenticated encryption only. Which one is
 * taken is the client's choice, who knows whether it has instructions for AES.
 */
const INTERMEDIATE_CIPHERS = [
  "TLS_AES_128_GCM_SHA256",
  "TLS_AES_256_GCM_SHA384",
  "TLS_CHACHA20_POLY1305_SHA256",
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-RSA-AES128-GCM-SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-RSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-CHACHA20-POLY1305",
  "ECDHE-RSA-CHACHA20-POLY1305",
].join(":");

/**
 * The hybrid of X25519 and ML-KEM first, so that what is recorded today can't be read by a quantum computer later. Those with a
 * question mark may be missing: in FIPS mode there is no X25519 by itself.
 */
const DEFAULT_GROUPS = "?X25519MLKEM768:?X25519:P-256:P-384";

interface NodeParameters {
  readonly minVersion: TlsVersion;
  readonly maxVersion: TlsVersion;
  readonly ciphers: string;
  readonly ecdhCurve: string;
}

/** The same under Node's names, with defaults. */
export function toNodeParameters(parameters: TlsParameters): NodeParameters {
  return {
    minVersion: parameters.minVersion ?? "TLSv1.2",
    maxVersion: parameters.maxVersion ?? "TLSv1.3",
    ciphers: parameters.ciphers ?? INTERMEDIATE_CIPHERS,
    ecdhCurve: parameters.groups ?? DEFAULT_GROUPS,
  };
}

/**
 * Says what is wrong with parameters, before anybody depends on them.
 * @throws RangeError that names the parameter
 */
export function checkTlsParameters(parameters: TlsParameters): void {
  const { minVersion, maxVersion } = toNodeParameters(parameters);
  const { ciphers, groups } = parameters;
  if (minVersion > maxVersion) throw new RangeError(`no TLS version is from ${minVersion} to ${maxVersion}`);
  if (ciphers !== undefined) check("the ciphers", ciphers, () => createSecureContext({ ciphers }));
  if (groups !== undefined) check("the groups", groups, () => createSecureContext({ ecdhCurve: groups }));
}

function check(what: string, value: string, use: () => unknown): void {
  try {
    use();
  } catch (error) {
    throw new RangeError(`${what} "${value}" can't be used: ${describeThrown(error)}`);
  }
}
