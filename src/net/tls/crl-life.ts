/** From when to when something counts, milliseconds since 1970. */
export interface Life {
  readonly begin: number;
  readonly end: number;
}

/** Tags of ASN.1 in DER. */
const Tag = { Integer: 0x02, UtcTime: 0x17, GeneralizedTime: 0x18 } as const;

/** A value of DER: its tag, and where what is in it begins and ends. */
interface Element {
  readonly tag: number;
  readonly start: number;
  readonly end: number;
}

/**
 * From when to when a list of revoked certificates counts (RFC 5280 §5.1.2), which Node doesn't tell; null when it doesn't say so itself.
 *
 *     CertificateList ▶ TBSCertList ▶ [version] signature issuer thisUpdate nextUpdate …
 */
export function readCrlLife(pem: string): Life | null {
  const der = Buffer.from(pem.replace(/-----[^-]+-----/g, ""), "base64");
  const list = readElement(der, 0);
  const inner = list && readElement(der, list.start);
  if (inner === null) return null;
  const [begin = null, end = null] = elementsOf(der, inner)
    .filter(({ tag }, index) => index > 0 || tag !== Tag.Integer)
    .slice(2, 4)
    .map((element) => readTime(der, element));
  return begin === null || end === null ? null : { begin, end };
}

/** Null when it doesn't end within `der`. */
function readElement(der: Buffer, at: number): Element | null {
  const first = der[at + 1];
  if (first === undefined) return null;
  const more = first < 0x80 ? 0 : first & 0x7f;
  if (more > 4 || at + 2 + more > der.length) return null;
  const length = more === 0 ? first & 0x7f : der.readUIntBE(at + 2, more);
  const start = at + 2 + more;
  return start + length > der.length ? null : { tag: der[at]!, start, end: start + length };
}

function elementsOf(der: Buffer, { start, end }: Element): readonly Element[] {
  const elements: Element[] = [];
  for (let at = start; at < end; ) {
    const element = readElement(der, at);
    if (element === null) break;
    elements.push(element);
    at = element.end;
  }
  return elements;
}

/** Two digits of a year are those from 1950 to 2049 (RFC 5280 §5.1.2.4). */
function readTime(der: Buffer, { tag, start, end }: Element): number | null {
  const text = der.toString("latin1", start, end);
  const century = tag === Tag.GeneralizedTime ? "" : text < "50" ? "20" : "19";
  if (tag !== Tag.UtcTime && tag !== Tag.GeneralizedTime) return null;
  const parts = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(century + text);
  if (parts === null) return null;
  const [year, month, day, hour, minute, second] = parts.slice(1).map(Number) as number[];
  return Date.UTC(year!, month! - 1, day, hour, minute, second);
}
