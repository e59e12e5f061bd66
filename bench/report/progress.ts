import { styleText } from "node:util";

/** Says on stderr what is going on, so that stdout holds only the results. */
export interface Progress {
  /** A new part of the run begins. */
  section(text: string): void;
  step(text: string): void;
  problem(text: string): void;
}

export const progressOnStderr: Progress = {
  section: (text) => say(paint("bold", text)),
  step: (text) => say(`  ${text}`),
  problem: (text) => say(`  ${paint("red", `! ${text}`)}`),
};

/** Colour only where it shows: `stream` makes styleText heed a terminal's absence and NO_COLOR. */
function paint(style: "bold" | "red", text: string): string {
  return styleText(style, text, { stream: process.stderr });
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
