import { NameTable } from "./name-table.ts";
import type { Certificate } from "./pem-certificate.ts";

/** Certificates that a name has: one of each type of key. Of two equal sets there is one object only. */
export interface CertificateSet {
  readonly certificates: readonly Certificate[];
}

/** Equal for sets of the same certificates. */
export function identityOf({ certificates }: CertificateSet): string {
  return certificates.map((one) => one.identity).join(" ");
}

/** Finds certificates by name: the name itself, then the wildcard over it, then what those get who name nothing known. */
export class CertificateIndex {
  readonly #byName: NameTable<CertificateSet>;
  /** What is served to those who name nothing, or nothing that is known; null: nothing. */
  readonly fallback: CertificateSet | null;

  /** All sets that can be found. */
  readonly sets: readonly CertificateSet[];

  /** @param certificates the first is the fallback; of several for the same name and type of key the first counts */
  constructor(certificates: readonly Certificate[]) {
    const lists = new Map<string, Certificate[]>();
    for (const certificate of certificates) {
      for (const name of certificate.names) {
        const list = lists.getOrInsertComputed(name, () => []);
        if (list.every((other) => other.keyType !== certificate.keyType)) list.push(certificate);
      }
    }
    const sets = new Map<string, CertificateSet>();
    const toSet = (list: readonly Certificate[]): CertificateSet =>
      sets.getOrInsertComputed(identityOf({ certificates: list }), () => ({ certificates: list }));
    this.#byName = new NameTable([...lists].map(([name, list]) => [name, toSet(list)]));
    const [first] = certificates;
    const list = first === undefined ? undefined : lists.get(first.names[0] ?? "");
    if (first === undefined) this.fallback = null;
    else this.fallback = toSet(list?.[0] === first ? list : [first]);
    this.sets = [...sets.values()];
  }

  /** Null when `serverName` is no name of any certificate. */
  find(serverName: string): CertificateSet | null {
    return this.#byName.find(serverName);
  }
}
