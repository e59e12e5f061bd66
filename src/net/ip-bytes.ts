import { isIPv4, SocketAddress } from "node:net";

/** The four bytes of an IPv4 address. */
export function toIPv4Bytes(address: string): Buffer {
  return Buffer.from(address.split(".").map(Number));
}

/** The sixteen bytes of an address: an IPv4 one becomes a mapped one, and a zone is left out. */
export function toIPv6Bytes(address: string): Buffer {
  const bytes = Buffer.alloc(16);
  if (isIPv4(address)) {
    bytes.fill(0xff, 10, 12);
    bytes.set(toIPv4Bytes(address), 12);
    return bytes;
  }
  const groups = withoutDots(address.replace(/%.*/, "")).split("::");
  const before = groups[0]!.split(":").filter((group) => group !== "");
  const after = (groups[1] ?? "").split(":").filter((group) => group !== "");
  for (const [i, group] of before.entries()) bytes.writeUInt16BE(Number.parseInt(group, 16), 2 * i);
  const from = 16 - 2 * after.length;
  for (const [i, group] of after.entries()) bytes.writeUInt16BE(Number.parseInt(group, 16), from + 2 * i);
  return bytes;
}

/** The last four bytes of an IPv6 address may be written as an IPv4 one. */
function withoutDots(address: string): string {
  return address.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_all, ...bytes: string[]) => {
    const [a = 0, b = 0, c = 0, d = 0] = bytes.slice(0, 4).map(Number);
    return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  });
}

/** An address from its sixteen bytes, as RFC 5952 wants it written. */
export function formatIPv6(bytes: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(2 * i).toString(16));
  return new SocketAddress({ address: groups.join(":"), family: "ipv6" }).address;
}
