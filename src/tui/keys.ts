/** A key as the interface understands it; `text` for what can be typed into a field. */
export type KeyPress =
  | { readonly name: "text"; readonly text: string }
  | { readonly name: KeyName; readonly text: "" };

export type KeyName =
  | "up"
  | "down"
  | "left"
  | "right"
  | "pageUp"
  | "pageDown"
  | "home"
  | "end"
  | "enter"
  | "escape"
  | "tab"
  | "backspace"
  | "delete"
  | "clear"
  | "interrupt";

/** The part of ink's description of a key that is looked at. */
export interface TerminalKey {
  readonly upArrow: boolean;
  readonly downArrow: boolean;
  readonly leftArrow: boolean;
  readonly rightArrow: boolean;
  readonly pageUp: boolean;
  readonly pageDown: boolean;
  readonly home: boolean;
  readonly end: boolean;
  readonly return: boolean;
  readonly escape: boolean;
  readonly tab: boolean;
  readonly backspace: boolean;
  readonly delete: boolean;
  readonly ctrl: boolean;
  readonly meta: boolean;
}

const NAMES: readonly (readonly [keyof TerminalKey, KeyName])[] = [
  ["upArrow", "up"],
  ["downArrow", "down"],
  ["leftArrow", "left"],
  ["rightArrow", "right"],
  ["pageUp", "pageUp"],
  ["pageDown", "pageDown"],
  ["home", "home"],
  ["end", "end"],
  ["return", "enter"],
  ["escape", "escape"],
  ["tab", "tab"],
  ["backspace", "backspace"],
  ["delete", "delete"],
];

const CONTROL_KEYS: Readonly<Record<string, KeyName>> = {
  c: "interrupt",
  u: "clear",
  a: "home",
  e: "end",
  h: "backspace",
};

/** Control characters, as they come in the middle of what was typed fast or pasted. */
const CHARACTERS: Readonly<Record<string, KeyName>> = {
  "\u0003": "interrupt",
  "\r": "enter",
  "\n": "enter",
  "\t": "tab",
  "\b": "backspace",
  "\u007f": "backspace",
  "\u0015": "clear",
};

/** What was pressed: several keys when they came in one piece. Keys that mean nothing here give none. */
export function keysOf(input: string, key: TerminalKey): KeyPress[] {
  const named = NAMES.find(([flag]) => key[flag]);
  if (named !== undefined) return [{ name: named[1], text: "" }];
  if (key.ctrl) {
    const name = CONTROL_KEYS[input];
    return name === undefined ? [] : [{ name, text: "" }];
  }
  if (key.meta) return [];
  return [...input].flatMap(keyOfCharacter);
}

function keyOfCharacter(character: string): KeyPress[] {
  const name = CHARACTERS[character];
  if (name !== undefined) return [{ name, text: "" }];
  return /\p{Cc}/u.test(character) ? [] : [{ name: "text", text: character }];
}
