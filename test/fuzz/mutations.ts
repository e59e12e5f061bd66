import type { Random } from "./random.ts";

/** Valid messages to start from; latin1. */
export const requestSeeds: readonly string[] = [
  "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
  "GET /a?b=c HTTP/1.1\r\nHost: a:80\r\nConnection: keep-alive, x-y\r\nX-Y: z\r\nAccept:\t*/* \r\n\r\n",
  "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello world",
  "POST /c HTTP/1.1\r\nHost: [::1]:8080\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nX-T: 1\r\n\r\n",
  "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
  "OPTIONS * HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n",
  "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
  "GET http://b:81/x?y HTTP/1.1\r\nHost: a\r\n\r\n",
  "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
  "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: \xe4\xf6==\r\n\r\n",
];

export const responseSeeds: readonly string[] = [
  "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na;e\r\n0123456789\r\n0\r\nDigest: x\r\n\r\n",
  "HTTP/1.1 204 No Content\r\nX: y\r\n\r\n",
  'HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\nETag: "x"\r\n\r\n',
  "HTTP/1.1 100 Continue\r\n\r\n",
  "HTTP/1.0 200 OK\r\nServer: old\r\n\r\nuntil the end",
  "HTTP/1.1 404 \r\nContent-Length: 0\r\n\r\n",
  "HTTP/1.1 299\r\nContent-Length: 1\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\n\r\nx",
];

/** What parsers fall over. */
const fragments: readonly string[] = [
  "\r\n", "\n", "\r", "\r\n\r\n", "\n\n", "\r\r\n", "\0", " ", "\t", "\x0b", "\x0c", "\x7f", "\x80", "\xff", ":", ";", ",",
  "0", "1", "a", "F", "+", "-", "_", "0x", "00", "ffffffffffffff", "#", "@", "%00", "//", "*", "[", "]",
  "Content-Length: 5\r\n", "Content-Length: 0\r\n", "Content-Length: 5, 5\r\n", "content-length : 1\r\n",
  "Transfer-Encoding: chunked\r\n", "Transfer-Encoding: identity\r\n", "transfer-encoding:\tchunked\t\r\n",
  "Transfer-Encoding:\r\n chunked\r\n", "Host: b\r\n", "Host:\r\n", "Expect: 100-continue\r\n", "Connection: close\r\n",
  " folded\r\n", "X: y\r\n", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "http/1.1", "HTTP/1.1 100 Continue\r\n\r\n",
  "0\r\n\r\n", "5\r\nhello\r\n", ";a=b", ";\n", "0;\r\n\r\n", "GET / HTTP/1.1\r\nHost: c\r\n\r\n",
]; // biome-ignore format: a list of words

type Mutation = (text: string, random: Random, seeds: readonly string[]) => string;

function splice(text: string, at: number, deleted: number, inserted: string): string {
  return text.slice(0, at) + inserted + text.slice(at + deleted);
}

const mutations: readonly Mutation[] = [
  function flipBit(text, random) {
    const at = random.below(text.length);
    return splice(text, at, 1, String.fromCharCode((text.charCodeAt(at) ^ (1 << random.below(8))) & 0xff));
  },
  function replaceByte(text, random) {
    return splice(text, random.below(text.length), 1, String.fromCharCode(random.below(256)));
  },
  function insertFragment(text, random) {
    return splice(text, random.below(text.length + 1), 0, random.pick(fragments));
  },
  function overwriteWithFragment(text, random) {
    const fragment = random.pick(fragments);
    return splice(text, random.below(text.length), fragment.length, fragment);
  },
  function deleteSome(text, random) {
    return splice(text, random.below(text.length), 1 + random.below(4), "");
  },
  function doubleSome(text, random) {
    const at = random.below(text.length);
    return splice(text, at, 0, text.slice(at, at + 1 + random.below(20)));
  },
  function insertLine(text, random) {
    const ends = [...text.matchAll(/\r\n/g)].map((match) => match.index + 2);
    return splice(text, ends.length === 0 ? 0 : random.pick(ends), 0, random.pick(fragments));
  },
  function swapLines(text, random) {
    const lines = text.split("\r\n");
    const [a, b] = [random.below(lines.length), random.below(lines.length)];
    [lines[a], lines[b]] = [lines[b]!, lines[a]!];
    return lines.join("\r\n");
  },
  function changeLineEnds(text, random) {
    const end = random.pick(["\n", "\r", "\r\r\n", "\n\r", " \r\n"]);
    return random.below(4) === 0 ? text.replaceAll("\r\n", end) : text.replace("\r\n", end);
  },
  function changeNumber(text, random) {
    const numbers = [...text.matchAll(/[0-9a-fA-F]+(?=\r\n|;)/g)];
    if (numbers.length === 0) return text;
    const { index, 0: number } = random.pick(numbers);
    const other = random.pick([
      "0",
      "1",
      "3",
      "10",
      `0${number}`,
      `+${number}`,
      `${number} `,
      "ffffffffffff",
      "-1",
    ]);
    return splice(text, index, number.length, other);
  },
  function changeCase(text, random) {
    const at = random.below(text.length);
    const piece = text.slice(at, at + 8);
    return splice(text, at, 8, random.below(2) === 0 ? piece.toUpperCase() : piece.toLowerCase());
  },
  function joinAnother(text, random, seeds) {
    const other = random.pick(seeds);
    return random.below(2) === 0
      ? text + other
      : splice(text, random.below(text.length), 0, other.slice(random.below(other.length)));
  },
  function cutOff(text, random) {
    return text.slice(0, random.below(text.length) + 1);
  },
];

/** One or several messages with one or several things wrong, or right after all. */
export function mutate(seeds: readonly string[], random: Random): string {
  let text = Array.from({ length: 1 + random.below(3) }, () => random.pick(seeds)).join("");
  for (let left = random.below(4); left > 0 && text !== ""; left--) {
    text = random.pick(mutations)(text, random, seeds);
  }
  // Upper-casing latin1 can leave it.
  return text.replace(/[^\0-\xff]/g, "?");
}
