import { type Change, describeChange } from "../../control/reload/diff.ts";
import type { ReloadPreview, ReloadReport } from "../../control/reload/report.ts";
import { type Column, columnMaker, formatTable } from "../../tui/table.ts";
import { formatAge, printable } from "../../tui/units.ts";
import type { Colour, Paint } from "./paint.ts";
import type { ApiReloadStatus } from "./reload-client.ts";
import type { TextRoom } from "./status-text.ts";

const COLOURS: Readonly<Record<Change["kind"], Colour>> = {
  added: "green",
  removed: "red",
  changed: "yellow",
};

const HOW = {
  nothing: "nothing to change",
  swap: "in the threads that run",
  generation: "in new threads",
} as const;

/** What differs, a line for each; what stays until a restart says so. */
export function changesText(changes: readonly Change[], paint: Paint): string {
  return changes
    .map((change) => {
      const wait = change.applied === "restart" ? " (needs a restart or an upgrade)" : "";
      return `${paint.colour(COLOURS[change.kind], printable(describeChange(change)))}${wait}\n`;
    })
    .join("");
}

/** What came of a reload, for people. */
export function reportText(
  { kind, number, changes, notes, warnings, took }: ReloadReport,
  paint: Paint,
): string {
  const told = new Set(changes.map(({ path }) => path));
  const facts = kind === "nothing" ? HOW.nothing : `number ${number}, ${HOW[kind]}, ${Math.round(took)} ms`;
  const line = (word: string, { path, message }: { path: string; message: string }): string =>
    `${word}${printable(path === "" ? message : `${path}: ${message}`)}\n`;
  return [
    `Reloaded: ${facts}\n`,
    changesText(changes, paint),
    ...notes.map((note) => line("note: ", note)),
    ...warnings.filter(({ path }) => !told.has(path)).map((note) => line("warning: ", note)),
  ].join("");
}

/** What a reload would do, for people. */
export function previewText({ kind, changes, modules }: ReloadPreview, paint: Paint): string {
  const files = modules.map((file) => `${paint.colour("yellow", `~ ${printable(file)}`)}\n`);
  const how = kind === "nothing" ? "A reload would change nothing" : `A reload would run it ${HOW[kind]}`;
  return [changesText(changes, paint), ...files, `${how}\n`].join("");
}

/** The generations of threads, where there are several, and what the last reload failed of; "" where all is as usual. */
export function reloadStatusText(status: ApiReloadStatus, paint: Paint, room: TextRoom): string {
  const { number, since, last_error: error, is_rolled_back, generations } = status;
  const age = (time: number): string => formatAge(Math.max(room.now - time, 0));
  const back = is_rolled_back ? ", rolled back" : "";
  const facts = `\n${paint.colour("blue", "Configuration")} number ${number}, run for ${age(since)}${back}\n`;
  const failed =
    error === null
      ? ""
      : paint.colour("red", `The last reload, ${age(error.time)} ago, changed nothing:\n`) +
        error.message.replace(/^.*$/gm, (line) => `  ${printable(line)}\n`).replace(/\n+/g, "\n");
  const lines = formatTable(generationColumns(generations, age), room.width).map((line) => line.trimEnd());
  return `${facts}${failed}${lines.join("\n")}\n`;
}

const LEFT = { align: "left", cut: "end", least: 0, most: 60, rank: 0 } as const;
const RIGHT = { ...LEFT, align: "right" } as const;

function generationColumns(
  generations: ApiReloadStatus["generations"],
  age: (time: number) => string,
): Column[] {
  const column = columnMaker(generations);
  return [
    column("GENERATION", RIGHT, ({ number }) => number),
    column("SINCE", RIGHT, ({ since }) => age(since)),
    column("THREADS", RIGHT, ({ threads }) => threads),
    column("CONNECTIONS", RIGHT, ({ connections }) => connections),
    column("STATE", LEFT, ({ draining }) => (draining ? "draining" : "serving")),
  ];
}
