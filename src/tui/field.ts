import type { KeyPress } from "./keys.ts";

/** A line of text that is being typed. */
export interface Field {
  readonly text: string;
  /** Before which character the next one goes. */
  readonly cursor: number;
  /** True until the first key: what is typed then takes the place of the whole text. */
  readonly isSelected: boolean;
  /** What is wrong with the text; "" as long as nobody asked, or nothing is. */
  readonly problem: string;
}

/** Longer than any value. */
const MOST = 60;

export function openField(text: string): Field {
  return { text, cursor: text.length, isSelected: text !== "", problem: "" };
}

/** The field after a key; the same field when the key does nothing to it. */
export function edit(field: Field, key: KeyPress): Field {
  const { text, cursor, isSelected } = field;
  switch (key.name) {
    case "text":
      return isSelected ? written("", 0, key.text) : written(text, cursor, key.text);
    case "backspace":
      return isSelected ? written("", 0, "") : without(text, cursor - 1);
    case "delete":
      return isSelected ? written("", 0, "") : without(text, cursor);
    case "clear":
      return written("", 0, "");
    case "left":
      return moved(field, isSelected ? 0 : cursor - 1);
    case "right":
      return moved(field, isSelected ? text.length : cursor + 1);
    case "home":
      return moved(field, 0);
    case "end":
      return moved(field, text.length);
    default:
      return field;
  }
}

function written(text: string, cursor: number, added: string): Field {
  const next = (text.slice(0, cursor) + added + text.slice(cursor)).slice(0, MOST);
  return { text: next, cursor: Math.min(cursor + added.length, next.length), isSelected: false, problem: "" };
}

function without(text: string, at: number): Field {
  const kept = at < 0 ? text : text.slice(0, at) + text.slice(at + 1);
  return { text: kept, cursor: Math.max(at, 0), isSelected: false, problem: "" };
}

function moved(field: Field, cursor: number): Field {
  const within = Math.min(Math.max(cursor, 0), field.text.length);
  return { ...field, cursor: within, isSelected: false };
}
