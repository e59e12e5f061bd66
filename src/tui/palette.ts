/** What a text is painted in; nothing without colours. */
export interface Paint {
  readonly color?: string;
}

/** Colours by what they mean. Nothing is told by colour alone. */
export interface Palette {
  readonly accent: Paint;
  readonly good: Paint;
  readonly warning: Paint;
  readonly bad: Paint;
}

const PLAIN: Palette = { accent: {}, good: {}, warning: {}, bad: {} };

const COLOURS: Palette = {
  accent: { color: "cyan" },
  good: { color: "green" },
  warning: { color: "yellow" },
  bad: { color: "red" },
};

export function createPalette(isColoured: boolean): Palette {
  return isColoured ? COLOURS : PLAIN;
}
