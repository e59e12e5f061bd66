import { goFloat } from "../../admin/json/go-float.ts";
import { compareBytes } from "../../admin/json/write-json.ts";
import type { ApiProxy, ApiToxic } from "./api-client.ts";
import type { Colour, Paint } from "./paint.ts";

const TAB = 8;
const RULE = `${"=".repeat(86)}\n`;
const SHORT_RULE = `${"=".repeat(70)}\n`;

export function enabledText(enabled: boolean): string {
  return enabled ? "enabled" : "disabled";
}

export function enabledColour(enabled: boolean): Colour {
  return enabled ? "green" : "red";
}

/** All proxies by name: a table on a terminal, lines of fields between tabs elsewhere. */
export function listProxies(proxies: readonly ApiProxy[], paint: Paint): string {
  const sorted = proxies.toSorted((a, b) => compareBytes(a.name, b.name));
  const lines = sorted.map((proxy) => proxyLine(proxy, paint)).join("");
  if (!paint.isTerminal) return lines;
  if (proxies.length === 0)
    return `${heading(paint)}${paint.colour("red", "no proxies")}\n${hint("create a proxy with `sluice proxy create`")}`;
  return `${heading(paint)}${lines}${hint("inspect toxics with `sluice proxy inspect <proxyName>`")}`;
}

function heading({ colour }: Paint): string {
  const names = [
    colour("green", "Name\t\t\t"),
    colour("blue", "Listen\t\t"),
    colour("yellow", "Upstream\t\t"),
    colour("purple", "Enabled\t\t"),
    colour("red", "Toxics"),
  ];
  return `${names.join("")}\n${RULE}`;
}

function proxyLine({ name, listen, upstream, enabled, toxics }: ApiProxy, paint: Paint): string {
  const count = paint.isTerminal && toxics.length === 0 ? "None" : String(toxics.length);
  return [
    column(paint, enabledColour(enabled), name, 3),
    column(paint, "blue", listen, 2),
    column(paint, "yellow", upstream, 3),
    column(paint, "purple", enabledText(enabled), 2),
    `${paint.colour("red", count)}\n`,
  ].join("");
}

/** Filled up to so many tabs on a terminal. */
function column({ isTerminal, colour }: Paint, of: Colour, text: string, tabs: number): string {
  const fill = isTerminal ? Math.max(tabs - Math.floor(text.length / TAB) - 1, 0) : 0;
  return `${colour(of, text)}\t${"\t".repeat(fill)}`;
}

/** One proxy and its toxics. */
export function inspectProxy(proxy: ApiProxy, paint: Paint): string {
  const { name, listen, upstream, toxics } = proxy;
  if (!paint.isTerminal) return toxics.map((toxic) => toxicLine(toxic, paint)).join("");
  const { colour } = paint;
  const title = `${colour("purple", "Name: ")}${name}\t${colour("blue", "Listen: ")}${listen}\t${colour("yellow", "Upstream: ")}${upstream}\n`;
  return `${title}${SHORT_RULE}${toxicsText(toxics, paint)}${hint("add a toxic with `sluice toxic add`")}`;
}

function toxicsText(toxics: readonly ApiToxic[], paint: Paint): string {
  if (toxics.length === 0) return `${paint.colour("red", "Proxy has no toxics enabled.")}\n`;
  const upstream = toxics.filter(({ stream }) => stream.toLowerCase() === "upstream");
  const downstream = toxics.filter((toxic) => !upstream.includes(toxic));
  return `${directionText("Upstream", upstream, paint)}\n${directionText("Downstream", downstream, paint)}`;
}

function directionText(direction: string, toxics: readonly ApiToxic[], paint: Paint): string {
  const title = `${paint.colour("green", `${direction} toxics:`)}\n`;
  if (toxics.length > 0) return title + toxics.map((toxic) => toxicLine(toxic, paint)).join("");
  return `${title}${paint.colour("red", `Proxy has no ${direction} toxics enabled.`)}\n`;
}

function toxicLine({ name, type, stream, toxicity, attributes }: ApiToxic, paint: Paint): string {
  const shown = Object.entries(attributes).toSorted(([a], [b]) => compareBytes(a, b));
  const title = paint.isTerminal ? paint.colour("blue", `${name}:`) : name;
  return [
    title,
    `type=${type}`,
    `stream=${stream}`,
    `toxicity=${toxicity.toFixed(2)}`,
    "attributes=[",
    ...shown.map(([key, value]) => `${key}=${typeof value === "number" ? goFloat(value) : value}`),
    "]\n",
  ].join("\t");
}

function hint(text: string): string {
  return `\nHint: ${text}\n`;
}
