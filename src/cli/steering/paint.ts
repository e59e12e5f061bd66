const COLOURS = { red: 31, green: 32, yellow: 33, blue: 34, purple: 35 } as const;

export type Colour = keyof typeof COLOURS;

/** How text looks where it is printed. */
export interface Paint {
  /** True on a terminal: there are headings, columns and hints. */
  readonly isTerminal: boolean;
  colour(colour: Colour, text: string): string;
}

/** Colours only where there is a terminal that nobody wanted left without. */
export function createPaint(isTerminal: boolean, isColoured: boolean): Paint {
  return {
    isTerminal,
    colour: (colour, text) => (isTerminal && isColoured ? `\x1b[${COLOURS[colour]}m${text}\x1b[0m` : text),
  };
}

/** For standard output. */
export function stdoutPaint(): Paint {
  const isTerminal = process.stdout.isTTY === true;
  return createPaint(isTerminal, !process.env["NO_COLOR"]);
}
