import { createHash } from "node:crypto";
import { Random } from "../random.ts";

/** How what is stored is asked about again. */
export type Validator = "etag" | "weak" | "date" | "none";
/** How the end of a body is told. */
export type Framing = "length" | "chunked";
/** What goes wrong with every third answer of the origin: it breaks off in the middle, or is a 503; or with the first one alone. */
export type Fault = "none" | "cut" | "error" | "first cut";
/** Who may keep it: everybody for a time, everybody if they ask each time, or nobody but its one reader. */
export type Sharing = "public" | "ask" | "private" | "nobody";

/** What the origin has under a path, which tells it all: whoever knows the path can tell what the answer has to be. */
export interface Resource {
  readonly id: number;
  /** Bytes of the body. */
  readonly size: number;
  readonly sharing: Sharing;
  /** Seconds it stays fresh. */
  readonly lifetime: number;
  /** Seconds it may be used after that while it is fetched anew, or while the origin fails. */
  readonly grace: number;
  /** Seconds after which it is something else. */
  readonly period: number;
  /** Whether there is another one for each `X-Kind`. */
  readonly varies: boolean;
  readonly validator: Validator;
  readonly framing: Framing;
  readonly fault: Fault;
  /** Milliseconds the origin takes before and, in all, between the pieces of the body. */
  readonly delay: number;
}

const MIB = 2 ** 20;
/** Bodies are pieces of it, each beginning somewhere else; twice, so that a piece is never in two parts. */
const noise = makeNoise();

function makeNoise(): Buffer {
  const random = new Random(20);
  const once = Buffer.alloc(MIB);
  for (let i = 0; i < MIB; i += 4) once.writeInt32LE((random.next() * 2 ** 32) | 0, i);
  return Buffer.concat([once, once]);
}

/** The largest body. */
export const MOST_BYTES: number = MIB;

export function pathOf(resource: Resource): string {
  const { id, ...traits } = resource;
  return `/r/${id}?${Object.entries(traits)
    .map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
    .join("&")}`;
}

/** Null where the path is none of ours. */
export function parsePath(path: string): Resource | null {
  const { pathname, searchParams } = new URL(path, "http://origin");
  if (!pathname.startsWith("/r/") || searchParams.get("size") === null) return null;
  const text = (name: string): string => searchParams.get(name) ?? "";
  const number = (name: string): number => Number(text(name));
  return {
    id: Number(pathname.slice(3)),
    ...{ size: number("size"), lifetime: number("lifetime"), grace: number("grace") },
    ...{ period: number("period"), delay: number("delay"), varies: text("varies") === "true" },
    ...{ sharing: text("sharing") as Sharing, validator: text("validator") as Validator },
    ...{ framing: text("framing") as Framing, fault: text("fault") as Fault },
  };
}

/** What it is at a time, milliseconds. */
export function versionAt({ period }: Resource, time: number): number {
  return Math.floor(time / (period * 1000));
}

/** When a version was the last one to be had, and when it began, milliseconds. */
export function endOf({ period }: Resource, version: number): number {
  return (version + 1) * period * 1000;
}

export function modifiedAt({ period }: Resource, version: number): number {
  return version * period * 1000;
}

/** The bytes of a version for a kind: borrowed. */
export function bodyOf(resource: Resource, version: number, kind: string): Buffer {
  const name = `${resource.id} ${version} ${resource.varies ? kind : ""}`;
  const start = createHash("sha1").update(name).digest().readUInt32LE() % MIB;
  return noise.subarray(start, start + resource.size);
}

export function etagOf(resource: Resource, version: number, kind: string): string {
  const tag = `"${resource.id}-${version}-${resource.varies ? kind : ""}"`;
  return resource.validator === "weak" ? `W/${tag}` : tag;
}

export function cacheControlOf({ sharing, lifetime, grace }: Resource): string {
  if (sharing === "nobody") return "no-store";
  if (sharing === "private") return `private, max-age=${lifetime}`;
  if (sharing === "ask") return "no-cache";
  const further = grace > 0 ? `, stale-while-revalidate=${grace}, stale-if-error=${grace}` : "";
  return `max-age=${lifetime}${further}`;
}

/** Seconds that an answer may be old. */
export function mostAge({ sharing, lifetime, grace }: Resource): number {
  return sharing === "public" ? lifetime + grace : 0;
}

/** One at random. */
export function makeResource(id: number, random: Random): Resource {
  const size = random.pick([0, 1, 13, 700, 4096, 16_384, 65_537, 200_000, MIB]);
  return {
    id,
    size,
    sharing: random.pick<Sharing>(["public", "public", "public", "public", "ask", "private", "nobody"]),
    lifetime: random.between(1, 4),
    grace: random.chance(0.3) ? random.between(1, 3) : 0,
    period: random.between(1, 6),
    varies: random.chance(0.3),
    validator: random.pick<Validator>(["etag", "etag", "weak", "date", "none"]),
    framing: random.pick<Framing>(["length", "chunked"]),
    fault: size > 0 ? random.pick<Fault>(["none", "none", "none", "none", "cut", "error"]) : "none",
    delay: random.chance(0.2) ? random.between(10, 200) : 0,
  };
}
