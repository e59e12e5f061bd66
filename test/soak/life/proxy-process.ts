import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { get } from "../../e2e/sluice.ts";
import { until } from "../../kit/deadline.ts";
import { type Holdings, holdingsOf } from "./holdings.ts";
import type { Ports, Stage } from "./stage.ts";

const LONG = 120_000;
const BREATH = 200;

/** The process whose life it is about, and those that take its place. */
export class ProxyProcess {
  /** Hears when another process has the place. */
  onUpgraded: () => void = () => undefined;
  readonly #ports: Ports;
  readonly #stage: Stage;

  constructor(ports: Ports, stage: Stage) {
    this.#ports = ports;
    this.#stage = stage;
  }

  get pid(): number {
    return Number(readFileSync(this.#stage.join("pid"), "utf8"));
  }

  holdings(): Promise<Holdings> {
    return holdingsOf(this.pid);
  }

  async expectReload(path: string, status: number): Promise<void> {
    const response = await fetch(`http://127.0.0.1:${this.#ports.admin}${path}`, { method: "POST" });
    const text = await response.text();
    // A process that has just begun has nothing to go back to.
    if (path === "/rollback" && text.includes("NOTHING_EARLIER")) return;
    if (response.status !== status) throw new Error(`${path} was answered with ${response.status}: ${text}`);
  }

  /** Whatever comes of it. */
  async tryReload(): Promise<void> {
    const url = `http://127.0.0.1:${this.#ports.admin}/reload`;
    await fetch(url, { method: "POST" }).catch(() => undefined);
    await delay(BREATH);
  }

  /** What of the stage's code answers. */
  async expectCode({ code, filter }: Pick<Stage, "code" | "filter">): Promise<void> {
    const { headers } = await get(this.#ports.web);
    for (const [name, expected] of Object.entries({ "x-code": code, "x-filter": filter })) {
      const found = headers.find((field) => field[0].toLowerCase() === name)?.[1];
      if (found !== String(expected)) throw new Error(`${name} should be ${expected}, and is ${found}`);
    }
  }

  async expectUpgrade(event: "upgraded" | "refused"): Promise<void> {
    const former = this.pid;
    const url = `http://127.0.0.1:${this.#ports.admin}/upgrade?timeout=60`;
    // From here on connections may move on.
    if (event === "upgraded") this.onUpgraded();
    const lines = (await (await fetch(url, { method: "POST" })).text()).trim().split("\n");
    const last = JSON.parse(lines.at(-1)!) as { event: string; message?: string };
    if (last.event !== event) throw new Error(`an upgrade was ${last.event}: ${last.message}`);
    if (event === "refused") return;
    await until("the new process has the place", () => this.pid !== former, { timeout: LONG });
    await until("the API is the new one's", () => this.#isAnswered(), { timeout: LONG });
    await until("the former process has ended", () => !isRunning(former), { timeout: LONG });
  }

  /** Waits until only one generation of threads is left. */
  async settle(): Promise<void> {
    await until(
      "no earlier generation is left",
      async () => {
        const response = await fetch(`http://127.0.0.1:${this.#ports.admin}/reload`);
        const { generations } = (await response.json()) as { generations: unknown[] };
        return generations.length === 1;
      },
      { timeout: LONG },
    );
  }

  async #isAnswered(): Promise<boolean> {
    try {
      return (await fetch(`http://127.0.0.1:${this.#ports.admin}/reload`)).ok;
    } catch {
      return false;
    }
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
