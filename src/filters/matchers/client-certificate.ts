import type { PeerCertificate } from "../../net/tls/digest.ts";
import type { ValueTest } from "../settings.ts";
import type { Predicate } from "./subject.ts";
import { compileValueTest } from "./value.ts";

/** The client has shown a certificate, none, or one with a name that passes: its common name, that of a host, or a URI. */
export function matchClientCertificate(test: ValueTest): Predicate {
  switch (test.kind) {
    case "present":
      return ({ certificate }) => certificate !== null;
    case "absent":
      return ({ certificate }) => certificate === null;
    default: {
      const matches = compileValueTest(test);
      return ({ certificate }) => certificate !== null && hasName(certificate, matches);
    }
  }
}

function hasName(certificate: PeerCertificate, matches: (name: string) => boolean): boolean {
  if (certificate.commonName !== "" && matches(certificate.commonName)) return true;
  return certificate.names.some(({ type, value }) => IDENTITIES.has(type) && matches(value));
}

const IDENTITIES: ReadonlySet<string> = new Set(["DNS", "URI"]);
