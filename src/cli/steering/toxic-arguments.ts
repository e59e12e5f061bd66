import { ClientFailure } from "./client-command.ts";

/** What a toxic is told on a command line, in the words of `toxiproxy-cli`. */
export interface ToxicFlags {
  readonly toxicName?: string;
  readonly type?: string;
  readonly toxicity?: string;
  readonly tox?: string;
  readonly attribute?: readonly string[];
  readonly upstream?: true;
  readonly downstream?: true;
}

/** @throws ClientFailure */
export function streamOf({ upstream, downstream }: ToxicFlags): "upstream" | "downstream" {
  if (upstream && downstream)
    throw new ClientFailure("Only one should be specified: upstream or downstream.");
  return upstream ? "upstream" : "downstream";
}

/** 1 when nothing is said. @throws ClientFailure */
export function toxicityOf({ toxicity, tox }: ToxicFlags): number {
  const text = toxicity ?? tox ?? "";
  if (text === "") return 1;
  const value = toNumber(text);
  if (value === null || value < 0 || value > 1)
    throw new ClientFailure("toxicity should be a float between 0 and 1.");
  return value;
}

/** What looks like a number is one, `true` and `false` are what they say, and the rest is text. @throws ClientFailure */
export function attributesOf({ attribute = [] }: ToxicFlags): Record<string, number | boolean | string> {
  return Object.fromEntries(attribute.map(toAttribute));
}

function toAttribute(text: string): [key: string, value: number | boolean | string] {
  const [key = "", ...rest] = text.split("=");
  if (rest.length === 0) throw new ClientFailure(`attribute ${text} should be key=value.`);
  const value = rest.join("=");
  if (value === "true" || value === "false") return [key, value === "true"];
  return [key, toNumber(value) ?? value];
}

/** Null for what is none: JavaScript takes nothing for 0. */
function toNumber(text: string): number | null {
  const value = Number(text);
  return text.trim() === "" || !Number.isFinite(value) ? null : value;
}
