import type { Mode, Streams } from "../chaos/mode.ts";
import { edit, type Field, openField } from "./field.ts";
import type { KeyPress } from "./keys.ts";
import {
  choiceOf,
  hasValue,
  MODES,
  type ModeKind,
  nextStreams,
  readMode,
  type ValueKind,
  valueText,
} from "./modes.ts";

/** What the menu shows, apart from the proxy's own state. */
export interface Menu {
  readonly highlighted: ModeKind;
  /** Which way the next mode acts. */
  readonly streams: Streams;
  /** Whether `deny` also ends the connections that run. */
  readonly cut: boolean;
  /** The value of the highlighted mode while it is typed. */
  readonly field: Field | null;
  /** What was typed last for each mode. */
  readonly drafts: Readonly<Record<ValueKind, string>>;
}

/** What a key asks for, beyond a change of the menu itself. */
export type Wish =
  | { readonly do: "setMode"; readonly mode: Mode }
  | { readonly do: "cut" }
  | { readonly do: "nextProxy" }
  | { readonly do: "scroll"; readonly pages: number }
  | { readonly do: "quit" };

export interface Pressed {
  readonly menu: Menu;
  readonly wish: Wish | null;
}

/** A menu that begins with the mode that runs. */
export function openMenu(running: Mode): Menu {
  const drafts = {
    latency: choiceOf("latency").value!.first,
    timeout: choiceOf("timeout").value!.first,
    throttle: choiceOf("throttle").value!.first,
  };
  const streams = "stream" in running ? running.stream : "both";
  const cut = running.kind === "deny" && running.cut;
  return { highlighted: running.kind, streams, cut, field: null, drafts };
}

/** What a key does while `running` is the proxy's mode. */
export function press(menu: Menu, key: KeyPress, running: Mode): Pressed {
  if (key.name === "interrupt") return { menu, wish: { do: "quit" } };
  return menu.field === null ? pressInMenu(menu, key, running) : pressInField(menu, menu.field, key);
}

function pressInField(menu: Menu, field: Field, key: KeyPress): Pressed {
  if (key.name === "escape") return only({ ...menu, field: null });
  if (key.name === "enter") return finishField(menu, field);
  return only({ ...menu, field: edit(field, key) });
}

function finishField(menu: Menu, field: Field): Pressed {
  const kind = menu.highlighted as ValueKind;
  try {
    const mode = readMode(kind, field.text, menu.streams);
    const streams = "stream" in mode ? mode.stream : menu.streams;
    const drafts = { ...menu.drafts, [kind]: valueText(mode) };
    return { menu: { ...menu, field: null, streams, drafts }, wish: { do: "setMode", mode } };
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    return only({ ...menu, field: { ...field, isSelected: false, problem } });
  }
}

function pressInMenu(menu: Menu, key: KeyPress, running: Mode): Pressed {
  switch (key.name) {
    case "up":
    case "left":
      return only(highlightBeside(menu, -1));
    case "down":
    case "right":
      return only(highlightBeside(menu, 1));
    case "enter":
      return choose(menu, menu.highlighted, running);
    case "tab":
      return { menu, wish: { do: "nextProxy" } };
    case "pageUp":
    case "pageDown":
      return { menu, wish: { do: "scroll", pages: key.name === "pageUp" ? -1 : 1 } };
    case "text":
      return pressLetter(menu, key.text.toLowerCase(), running);
    default:
      return only(menu);
  }
}

function pressLetter(menu: Menu, letter: string, running: Mode): Pressed {
  const choice = MODES.find(({ key }) => key === letter);
  if (choice !== undefined) return choose(menu, choice.kind, running);
  switch (letter) {
    case "c":
      return { menu, wish: { do: "cut" } };
    case "q":
      return { menu, wish: { do: "quit" } };
    case "s":
      return turnStreams(menu, running);
    case "x":
      return toggleCut(menu, running);
    default:
      return only(menu);
  }
}

/** A mode without a value runs at once, the others ask for theirs. */
function choose(menu: Menu, kind: ModeKind, running: Mode): Pressed {
  const highlighted = { ...menu, highlighted: kind };
  if (hasValue(kind)) {
    const text = running.kind === kind ? valueText(running) : menu.drafts[kind];
    return only({ ...highlighted, field: openField(text) });
  }
  const mode: Mode = kind === "deny" ? { kind, cut: menu.cut } : { kind: "allow" };
  return { menu: highlighted, wish: { do: "setMode", mode } };
}

/** Turns the mode that runs, too. */
function turnStreams(menu: Menu, running: Mode): Pressed {
  const streams = nextStreams("stream" in running ? running.stream : menu.streams);
  const wish: Wish | null =
    "stream" in running ? { do: "setMode", mode: { ...running, stream: streams } } : null;
  return { menu: { ...menu, streams }, wish };
}

/** While connections are denied, to say that they are cut as well is to cut them. */
function toggleCut(menu: Menu, running: Mode): Pressed {
  const cut = !menu.cut;
  const wish: Wish | null =
    cut && running.kind === "deny" ? { do: "setMode", mode: { kind: "deny", cut } } : null;
  return { menu: { ...menu, cut }, wish };
}

function highlightBeside(menu: Menu, step: number): Menu {
  const at = MODES.findIndex(({ kind }) => kind === menu.highlighted);
  const { kind } = MODES[(at + step + MODES.length) % MODES.length]!;
  return { ...menu, highlighted: kind };
}

function only(menu: Menu): Pressed {
  return { menu, wish: null };
}
