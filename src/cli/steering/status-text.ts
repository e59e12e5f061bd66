import { type Column, columnMaker, formatTable } from "../../tui/table.ts";
import { formatAge, formatBytes, printable } from "../../tui/units.ts";
import type { ApiListener, ApiPlugin } from "./counted-client.ts";
import type { Colour, Paint } from "./paint.ts";
import type { ApiLimit, ApiServer, ApiUpstream } from "./upstreams-client.ts";

const COLOURS: Readonly<Record<ApiServer["state"], Colour>> = {
  up: "green",
  down: "red",
  ejected: "red",
  draining: "yellow",
  disabled: "yellow",
};

/** How wide a text may be, and what time it is. */
export interface TextRoom {
  /** Characters in a line. */
  readonly width: number;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** Groups of servers with all of their servers, for people. */
export function upstreamsText(upstreams: readonly ApiUpstream[], paint: Paint, room: TextRoom): string {
  if (upstreams.length === 0) return "There are no upstreams.\n";
  return upstreams.map((upstream) => upstreamText(upstream, paint, room)).join("\n");
}

function upstreamText(upstream: ApiUpstream, paint: Paint, room: TextRoom): string {
  const { servers, discovery_error } = upstream;
  const [heading = "", ...rows] = formatTable(serverColumns(servers, room.now), room.width);
  const lines = rows.map((row, i) => {
    const { state } = servers[i]!;
    return paint.colour(COLOURS[state], row.slice(0, state.length)) + row.slice(state.length).trimEnd();
  });
  const trouble = discovery_error === null ? [] : [`can't look up servers: ${printable(discovery_error)}`];
  const table = servers.length === 0 ? ["no servers"] : [heading.trimEnd(), ...lines];
  return [summary(upstream, paint), ...trouble, ...table, ""].join("\n");
}

/** `api: round_robin, 2 of 3 servers up, 5 requests under way, 1 waiting` */
function summary({ name, policy, servers, requests, pending, retries }: ApiUpstream, paint: Paint): string {
  const up = servers.filter(({ state }) => state === "up").length;
  const share = `${up} of ${servers.length} ${servers.length === 1 ? "server" : "servers"} up`;
  const colour = up === servers.length ? "green" : up === 0 ? "red" : "yellow";
  return [
    `${paint.colour("blue", printable(name))}: ${policy}`,
    paint.colour(servers.length === 0 ? "red" : colour, share),
    `${requests} ${requests === 1 ? "request" : "requests"} under way`,
    ...(pending === 0 ? [] : [`${pending} waiting`]),
    ...(retries === 0 ? [] : [`${retries} repeated`]),
  ].join(", ");
}

/** Groups alone: lines of fields between tabs, as for lists of proxies off a terminal. */
export function listText(upstreams: readonly ApiUpstream[], paint: Paint): string {
  if (upstreams.length === 0) return paint.isTerminal ? "There are no upstreams.\n" : "";
  if (paint.isTerminal) return upstreams.map((upstream) => `${summary(upstream, paint)}\n`).join("");
  return upstreams
    .map(({ name, policy, servers }) => {
      const up = servers.filter(({ state }) => state === "up").length;
      return `${printable(name)}\t${policy}\t${up}\t${servers.length}\n`;
    })
    .join("");
}

const WIDEST = 60;
const LEFT = { align: "left", cut: "end", least: 0, most: WIDEST, rank: 0 } as const;
const RIGHT = { ...LEFT, align: "right" } as const;

/** What matters less goes first when there is no room. */
function serverColumns(servers: readonly ApiServer[], now: number): Column[] {
  const column = columnMaker(servers);
  const hasZones = servers.some(({ zone }) => zone !== null);
  const hasRanks = servers.some(({ priority }) => priority !== 0);
  return [
    column("STATE", LEFT, ({ state }) => state),
    column("SERVER", { ...LEFT, cut: "start" }, ({ address }) => address),
    column("SINCE", { ...RIGHT, rank: 1 }, ({ since }) => formatAge(Math.max(now - since, 0))),
    column("WEIGHT", { ...RIGHT, rank: 4 }, weightText),
    ...(hasRanks ? [column("PRIORITY", { ...RIGHT, rank: 6 }, ({ priority }) => priority)] : []),
    ...(hasZones ? [column("ZONE", { ...LEFT, rank: 7 }, ({ zone }) => zone ?? "")] : []),
    column("ACTIVE", { ...RIGHT, rank: 2 }, ({ requests }) => requests),
    column("REQUESTS", { ...RIGHT, rank: 3 }, ({ counts }) => counts.requests),
    column("5XX", { ...RIGHT, rank: 5 }, ({ counts }) => counts.responses_5xx),
    column("FAILED", { ...RIGHT, rank: 5 }, ({ counts }) => counts.failures + counts.connect_failures),
    column("RETRIED", { ...RIGHT, rank: 8 }, ({ counts }) => counts.retries),
    column("EJECTED", { ...RIGHT, rank: 8 }, ({ counts }) => counts.ejections),
    column("LATENCY", { ...RIGHT, rank: 6 }, ({ latency }) => latencyText(latency)),
    column("WHY", { ...LEFT, most: 2 * WIDEST, rank: 1 }, ({ reason }) => reason),
  ];
}

function weightText({ weight, ramp }: ApiServer): string {
  return ramp < 1 ? `${weight} (${Math.round(ramp * 100)}%)` : String(weight);
}

function latencyText(latency: number | null): string {
  if (latency === null) return "-";
  return latency < 10 ? `${latency.toFixed(1)} ms` : `${Math.round(latency)} ms`;
}

/** Limits and what became of the requests at them; "" when there are none. */
export function limitsText(limits: readonly ApiLimit[], paint: Paint, { width }: TextRoom): string {
  if (limits.length === 0) return "";
  return table("Limits", limitColumns(limits), paint, width);
}

/** A table with a heading of its own, apart from what stands before. */
function table(heading: string, columns: readonly Column[], paint: Paint, width: number): string {
  const lines = formatTable(columns, width).map((line) => line.trimEnd());
  return `\n${paint.colour("blue", heading)}\n${lines.join("\n")}\n`;
}

function limitColumns(limits: readonly ApiLimit[]): Column[] {
  const column = columnMaker(limits);
  return [
    column("NAME", LEFT, ({ name }) => name),
    column("ALGORITHM", { ...LEFT, rank: 3 }, ({ algorithm }) => algorithm),
    column("LIMIT", { ...LEFT, rank: 1 }, limitText),
    column("ALLOWED", { ...RIGHT, rank: 1 }, ({ counts }) => counts.allowed),
    column("REFUSED", RIGHT, ({ counts }) => counts.refused),
    column("SHADOWED", { ...RIGHT, rank: 4 }, ({ counts }) => counts.shadowed),
    column("ERRORS", { ...RIGHT, rank: 2 }, ({ counts }) => counts.errors),
    column("WHERE", { ...LEFT, rank: 5 }, ({ is_remote }) => (is_remote ? "redis" : "here")),
  ];
}

/** What has come to listeners since the process began; "" where nothing is counted. */
export function listenersText(listeners: readonly ApiListener[], paint: Paint, { width }: TextRoom): string {
  if (listeners.length === 0) return "";
  const column = columnMaker(listeners);
  const columns = [
    column("NAME", LEFT, ({ name }) => name),
    column("REQUESTS", RIGHT, ({ requests }) => requests),
    column("FAILED", RIGHT, ({ failed }) => failed),
    column("CONNECTIONS", { ...RIGHT, rank: 2 }, ({ connections }) => connections),
    column("OPEN", { ...RIGHT, rank: 1 }, (listener) => listener.connections_open),
    column("REFUSED", { ...RIGHT, rank: 4 }, (listener) => listener.connections_refused),
    column("IN", { ...RIGHT, rank: 3 }, ({ bytes_in }) => formatBytes(bytes_in)),
    column("OUT", { ...RIGHT, rank: 3 }, ({ bytes_out }) => formatBytes(bytes_out)),
  ];
  return table("Listeners", columns, paint, width);
}

/** Plugins and what became of them; "" when there are none. */
export function pluginsText(plugins: readonly ApiPlugin[], paint: Paint, { width }: TextRoom): string {
  if (plugins.length === 0) return "";
  const column = columnMaker(plugins);
  const columns = [
    column("NAME", LEFT, ({ name }) => name),
    column("PLUGIN", { ...LEFT, rank: 3 }, ({ title }) => title),
    column("VERSION", { ...LEFT, rank: 4 }, ({ version }) => version),
    column("OPEN", { ...RIGHT, rank: 1 }, (plugin) => plugin.connections_open),
    column("CONNECTIONS", { ...RIGHT, rank: 2 }, ({ connections }) => connections),
    column("CALLS", { ...RIGHT, rank: 3 }, ({ calls }) => calls),
    column("ERRORS", RIGHT, ({ failed }) => failed),
    column("RESTARTS", RIGHT, ({ isolate, restarts }) => (isolate === "none" ? "-" : restarts)),
  ];
  return table("Plugins", columns, paint, width);
}

/** `5 in 1m00s`, `100 in 1s, bursts of 200`, `50 at once` */
function limitText({ algorithm, limit, window, burst, shadow }: ApiLimit): string {
  const shadowed = shadow ? " (shadow)" : "";
  if (algorithm === "concurrency") return `${limit} at once${shadowed}`;
  const within = window < 1_000 ? `${window}ms` : formatAge(window);
  const bursts = algorithm === "token_bucket" ? `, bursts of ${burst}` : "";
  return `${limit} in ${within}${bursts}${shadowed}`;
}
