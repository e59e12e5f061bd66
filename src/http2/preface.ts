/** What a client says first (RFC 9113 §3.4). It reads like a request that no HTTP/1 server would take. */
export const CLIENT_PREFACE: Buffer = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");

/**
 * Whether a connection that begins with these bytes speaks HTTP/2 with prior knowledge: `yes`, `no`, or `maybe` while it
 * takes more bytes to know.
 */
export function startsWithPreface(bytes: Buffer, start: number, end: number): "yes" | "no" | "maybe" {
  const size = Math.min(end - start, CLIENT_PREFACE.length);
  for (let i = 0; i < size; i++) {
    if (bytes[start + i] !== CLIENT_PREFACE[i]) return "no";
  }
  return size === CLIENT_PREFACE.length ? "yes" : "maybe";
}
