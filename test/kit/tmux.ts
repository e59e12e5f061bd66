import { until } from "./deadline.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "./files.ts";
import { runProgram } from "./process.ts";

export interface TmuxOptions {
  /** 80 when absent. */
  readonly columns?: number;
  /** 24 when absent. */
  readonly rows?: number;
  /** Added to the environment of the shell. */
  readonly env?: Readonly<Record<string, string>>;
}

/** What a terminal was left like. */
export interface TerminalState {
  readonly isAlternateScreen: boolean;
  readonly isCursorShown: boolean;
}

/** A shell in a real pseudo-terminal, on a tmux server of its own. */
export class TmuxTerminal implements AsyncDisposable {
  readonly #directory: TemporaryDirectory;

  /** Use {@link openTerminal}. */
  constructor(directory: TemporaryDirectory) {
    this.#directory = directory;
  }

  /** What the screen shows. */
  screen(): Promise<string> {
    return this.tmux("capture-pane", "-p");
  }

  /** The same with the escape sequences of its colours. */
  colouredScreen(): Promise<string> {
    return this.tmux("capture-pane", "-p", "-e");
  }

  /** Types text as it is. */
  async type(text: string): Promise<void> {
    await this.tmux("send-keys", "-l", "--", text);
  }

  /** Presses keys by tmux's names: `Enter`, `Up`, `C-c`, `Escape`. */
  async press(...keys: readonly string[]): Promise<void> {
    await this.tmux("send-keys", ...keys);
  }

  /** Gives the shell a command. */
  async run(command: string): Promise<void> {
    await this.type(command);
    await this.press("Enter");
  }

  /** Waits until the screen shows this, and returns the screen. */
  async shows(wanted: string | RegExp): Promise<string> {
    let screen = "";
    const isThere = (): boolean =>
      typeof wanted === "string" ? screen.includes(wanted) : wanted.test(screen);
    const look = async (): Promise<boolean> => {
      screen = await this.screen();
      return isThere();
    };
    await until(`the screen shows ${wanted}`, look, { every: 50 }).catch(() => {
      throw new Error(`the screen doesn't show ${wanted}:\n${screen}`);
    });
    return screen;
  }

  async resize(columns: number, rows: number): Promise<void> {
    await this.tmux("resize-window", "-x", String(columns), "-y", String(rows));
  }

  async state(): Promise<TerminalState> {
    const flags = await this.tmux("display-message", "-p", "#{alternate_on} #{cursor_flag}");
    const [alternate, cursor] = flags.trim().split(" ");
    return { isAlternateScreen: alternate === "1", isCursorShown: cursor === "1" };
  }

  /** One command of tmux; its output. */
  async tmux(...args: readonly string[]): Promise<string> {
    const server = ["-S", this.#directory.join("tmux"), "-f", "/dev/null", "-u"];
    const { code, stdout, stderr } = await runProgram("tmux", [...server, ...args]);
    if (code !== 0) throw new Error(`tmux ${args.join(" ")}: ${stderr}`);
    return stdout;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.tmux("kill-server").catch(() => undefined);
    await this.#directory[Symbol.asyncDispose]();
  }
}

/** Of a plain shell; root has another. */
const PROMPT = /^[$#]/m;

/** Opens a terminal with a plain shell. */
export async function openTerminal(options: TmuxOptions = {}): Promise<TmuxTerminal> {
  const { columns = 80, rows = 24, env = {} } = options;
  const terminal = new TmuxTerminal(await createTemporaryDirectory());
  const variables = Object.entries(env).flatMap(([name, value]) => ["-e", `${name}=${value}`]);
  const size = ["-x", String(columns), "-y", String(rows)];
  try {
    await terminal.tmux(
      "new-session",
      "-d",
      ...size,
      ...variables,
      "env -u NO_COLOR -u CI -u FORCE_COLOR sh",
    );
    await terminal.shows(PROMPT);
    return terminal;
  } catch (error) {
    await terminal[Symbol.asyncDispose]();
    throw error;
  }
}
