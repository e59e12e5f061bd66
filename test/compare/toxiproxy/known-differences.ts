import type { Answer, Request } from "./exchange.ts";

/** A difference that is there on purpose, or that can't be helped. */
export interface KnownDifference {
  readonly what: string;
  readonly why: string;
  applies(request: Request, original: Answer, ours: Answer): boolean;
}

/** A difference that lies in what is sent. */
function sent(pattern: RegExp, what: string, why: string): KnownDifference {
  return { what, why, applies: ({ method, target, body }) => pattern.test(`${method} ${target} ${body}`) };
}

export const knownDifferences: readonly KnownDifference[] = [
  {
    what: "the version",
    why: "ours names the version of Toxiproxy that it speaks, and its own behind it",
    applies: (_, original, ours) => [original, ours].every(({ body }) => body.startsWith('{"version": "')),
  },
  {
    what: "a length instead of chunks",
    why: "a Go server sends what is longer than 2048 bytes in chunks",
    applies: (_, original, ours) =>
      original.body === ours.body && original.headers.includes("Transfer-Encoding: chunked"),
  },
  {
    what: "a name that can't be resolved",
    why: "Go names the server that it asked; we ask by way of the system, as Go does when it is built with cgo",
    applies: (_, original, ours) =>
      original.body.replace(/ on [\d.:[\]a-f]+: no such host/, ": no such host") === ours.body,
  },
  sent(
    /"listen":"0\.0\.0\.0:0"/,
    "0.0.0.0 is 0.0.0.0",
    "Go listens on IPv6 too and shows [::], though it was asked for IPv4",
  ),
  sent(
    /"latency":-5/,
    "a negative number is refused",
    "none has a meaning, and a negative rate stops the original",
  ),
  sent(
    /9223372036854775807/,
    "numbers end at 2^53",
    "they are JavaScript's; nobody waits for 285 thousand years",
  ),
  sent(/packet_loss/, "packet_loss is there", "the original got it after its version 2.12.0"),
  sent(
    /GET \S+\/torn/,
    "a change that is refused changes nothing",
    "the original keeps what it read before the mistake",
  ),
  sent(/GET \S+\/stuck/, "a proxy that can't move stays where it was", "the original leaves it disabled"),
  sent(
    /logger/,
    "Logger can't be set",
    "it is a part of the original's inside, which it reads as well as shows",
  ),
  sent(/nowhere/, "a server without a port is refused", "nobody could ever be connected to it"),
  sent(/named|domain-s/, "ports are numbers", "Go looks names of services up"),
];
