import { EventEmitter } from "node:events";
import { Writable } from "node:stream";
import { stripVTControlCharacters } from "node:util";

/** A terminal's input that a test types into. */
class FakeInput extends EventEmitter {
  readonly isTTY = true;
  isRaw = false;
  #typed: string | null = null;

  setRawMode(isRaw: boolean): this {
    this.isRaw = isRaw;
    return this;
  }

  type(text: string): void {
    this.#typed = text;
    this.emit("readable");
  }

  read(): string | null {
    const typed = this.#typed;
    this.#typed = null;
    return typed;
  }

  setEncoding(): void {}
  ref(): void {}
  unref(): void {}
}

/** A terminal's output that remembers what was written. */
class FakeOutput extends Writable {
  readonly isTTY = true;
  columns: number;
  rows: number;
  readonly writes: string[] = [];

  constructor(columns: number, rows: number) {
    super();
    this.columns = columns;
    this.rows = rows;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.writes.push(chunk.toString());
    done();
  }
}

/** A terminal without a screen: keys are typed into it, and what was written is looked at, piece by piece. */
export class FakeTerminal {
  readonly #stdin = new FakeInput();
  readonly #stdout: FakeOutput;

  constructor(columns = 80, rows = 24) {
    this.#stdout = new FakeOutput(columns, rows);
  }

  get stdin(): NodeJS.ReadStream {
    return this.#stdin as unknown as NodeJS.ReadStream;
  }

  get stdout(): NodeJS.WriteStream {
    return this.#stdout as unknown as NodeJS.WriteStream;
  }

  get isRaw(): boolean {
    return this.#stdin.isRaw;
  }

  /** Everything that was written, escape sequences and all. */
  get output(): string {
    return this.#stdout.writes.join("");
  }

  get writes(): readonly string[] {
    return this.#stdout.writes;
  }

  /** The last thing written, as plain text: the whole screen where the program writes whole screens. */
  get screen(): string {
    return stripVTControlCharacters(this.writes.findLast((text) => text.includes("\n")) ?? "");
  }

  type(text: string): void {
    this.#stdin.type(text);
  }

  resize(columns: number, rows: number): void {
    this.#stdout.columns = columns;
    this.#stdout.rows = rows;
    this.#stdout.emit("resize");
  }
}

/** Keys as a terminal sends them. */
export const Key = {
  up: "\u001b[A",
  down: "\u001b[B",
  right: "\u001b[C",
  left: "\u001b[D",
  home: "\u001b[H",
  end: "\u001b[F",
  pageUp: "\u001b[5~",
  pageDown: "\u001b[6~",
  delete: "\u001b[3~",
  enter: "\r",
  escape: "\u001b",
  tab: "\t",
  backspace: "\u007f",
  interrupt: "\u0003",
} as const;
