import { styleText } from "node:util";
import type { PlayEvent } from "../../control/scenario-events.ts";
import type { PlayOutcome } from "../../control/scenario-player.ts";

/** What is known before anything is done. */
export interface PlayHead {
  readonly name: string;
  /** The server's address; "" when nothing is going to be done. */
  readonly host: string;
  readonly steps: number;
  /** Milliseconds of the scenario's own time that the first round takes. */
  readonly length: number;
  /** `Infinity` for ever. */
  readonly rounds: number;
  readonly seed: string;
  /** Whether the seed makes a difference. */
  readonly isDrawn: boolean;
  readonly speed: number;
}

/** Tells what is done, line by line. */
export interface PlayPrinter {
  begin(head: PlayHead): void;
  event(event: PlayEvent): void;
  end(outcome: PlayOutcome): void;
}

/** Where lines go: a stream that may be a terminal. */
export type Out = Pick<NodeJS.WriteStream, "write">;

type Style = Parameters<typeof styleText>[0];

const STYLES: Readonly<Partial<Record<PlayEvent["kind"], Style>>> = {
  round: "bold",
  log: "cyan",
  undo: "dim",
  stop: "yellow",
  fail: "red",
};

const OUTCOMES: Readonly<Record<PlayOutcome, string>> = {
  done: "done",
  stopped: "stopped; everything is undone",
  failed: "failed",
};

const TIME_WIDTH = 11;

/** Lines for people, with colours where `out` is a terminal. What failed goes to `err`. */
export class TextPlayPrinter implements PlayPrinter {
  readonly #out: Out;
  readonly #err: Out;
  readonly #isPlain: boolean;

  constructor(out: Out, err: Out, hasColours: boolean) {
    this.#out = out;
    this.#err = err;
    this.#isPlain = !hasColours;
  }

  begin({ name, host, steps, length, rounds, seed, isDrawn, speed }: PlayHead): void {
    const facts = [
      `${steps} ${steps === 1 ? "step" : "steps"}, ${seconds(length)}`,
      ...(rounds === 1 ? [] : [Number.isFinite(rounds) ? `${rounds} rounds` : "for ever"]),
      ...(speed === 1 ? [] : [`${speed} times as fast`]),
      ...(isDrawn ? [`seed ${seed}`] : []),
      ...(host === "" ? [] : [`on ${host}`]),
    ];
    this.#print(this.#out, "", `${this.#paint("bold", name)}: ${facts.join(", ")}`);
  }

  event({ kind, at, proxies, text }: PlayEvent): void {
    // A ramp is told of when it begins and when it arrives.
    if (kind === "value") return;
    const what = proxies.length === 0 ? text : `${proxies.join(", ")}: ${text}`;
    const style = STYLES[kind];
    const line = style === undefined ? what : this.#paint(style, what);
    this.#print(kind === "fail" ? this.#err : this.#out, seconds(at), line);
  }

  end(outcome: PlayOutcome): void {
    this.#print(this.#out, "", OUTCOMES[outcome]);
  }

  #print(to: Out, time: string, line: string): void {
    to.write(time === "" ? `${line}\n` : `${this.#paint("dim", time.padStart(TIME_WIDTH))}  ${line}\n`);
  }

  #paint(style: Style, text: string): string {
    return this.#isPlain ? text : styleText(style, text, { validateStream: false });
  }
}

/** A JSON object a line. */
export class JsonPlayPrinter implements PlayPrinter {
  readonly #out: Out;
  readonly #now: () => number;

  /** @param now milliseconds since 1970 */
  constructor(out: Out, now: () => number) {
    this.#out = out;
    this.#now = now;
  }

  begin({ rounds, isDrawn: _, ...head }: PlayHead): void {
    this.#print("begin", { ...head, rounds: Number.isFinite(rounds) ? rounds : "forever" });
  }

  event({ kind, ...event }: PlayEvent): void {
    this.#print(kind, event);
  }

  end(outcome: PlayOutcome): void {
    this.#print("end", { outcome });
  }

  #print(event: string, facts: object): void {
    this.#out.write(`${JSON.stringify({ event, time: this.#now(), ...facts })}\n`);
  }
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(3)}s`;
}
