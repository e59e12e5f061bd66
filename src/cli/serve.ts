import type { Logger } from "pino";
import { Ending } from "../control/ending.ts";
import { setEngineFlags } from "../control/engine-flags.ts";
import { type Running, startRunning } from "../control/running.ts";
import { runUntilSignal } from "../control/signals.ts";
import { type Inheritance, toInheritance } from "../control/upgrade/inheritance.ts";
import type { Predecessor } from "../control/upgrade/predecessor.ts";
import { createErrorLog } from "../observe/error-log.ts";
import { Beside } from "./beside.ts";
import { enterPlace, Life } from "./life.ts";
import { Place } from "./place.ts";
import { watchFiles } from "./reload-on-change.ts";
import { Reloads, threadsOf } from "./reloading.ts";
import type { ServeSettings } from "./serve-settings.ts";
import { meetPredecessor, Succession } from "./succession.ts";

/** Runs in the foreground until a signal ends it. */
export async function serveUntilSignal(settings: ServeSettings): Promise<void> {
  enterPlace(settings.process);
  const log = await createErrorLog(settings.spec.errorLog, "sluice");
  using life = new Life(settings, log);
  if (settings.spec.keyLog !== undefined) warnOfKeyLog(settings.spec.keyLog, log);
  const predecessor = await meetPredecessor(settings, log);
  try {
    await serve(settings, predecessor, life, log);
  } catch (error) {
    predecessor?.renounce((error as Error).message);
    throw error;
  }
}

async function serve(
  settings: ServeSettings,
  predecessor: Predecessor | null,
  life: Life,
  log: Logger,
): Promise<void> {
  const reloads = new Reloads(settings.reread !== null);
  const threads = threadsOf(settings);
  const place = new Place(settings, predecessor);
  const leave: Inheritance["end"] = (begun, reason) => place.leave(begun, reason);
  const { estate = null, pid = null } = predecessor ?? {};
  const inheritance = toInheritance(estate, life.sockets, leave, pid);
  place.claim();
  try {
    const running = await startRunning(settings.spec, threads, log, inheritance);
    setEngineFlags();
    await using companions = new AsyncDisposableStack();
    const surroundings = { running, ending: new Ending(), life, log, place, inheritance, reloads };
    const { beside, succession } = await settle(settings, surroundings, companions);
    reloads.begin(settings, { running, beside, notifier: life.notifier, log });
    const signals = { ...life.signals, ...succession.signals };
    const mortal: Pick<Life, "end"> = {
      end: (how) => {
        reloads.end();
        succession.upgrader.end();
        life.end(how);
      },
    };
    // Whoever is told that it listens may end it at once.
    const ended = runUntilSignal(running, beside.termsOfEnd(surroundings.ending, signals, mortal), log);
    announce(running, threads, settings.json);
    life.begin(running);
    if (settings.isWatched) companions.use(watchFiles({ running, beside, reloads, log }));
    await ended;
  } finally {
    place.pidFile.remove();
  }
}

/** What has begun, and what it stands among. */
interface Surroundings {
  readonly running: Running;
  readonly ending: Ending;
  readonly life: Life;
  readonly log: Logger;
  readonly place: Place;
  readonly inheritance: Inheritance;
  readonly reloads: Reloads;
}

/** Opens what is beside the data plane, and takes the place. Rejects when that can't be; then all of it has ended. */
async function settle(
  settings: ServeSettings,
  surroundings: Surroundings,
  companions: AsyncDisposableStack,
): Promise<{ beside: Beside; succession: Succession }> {
  const { running, life, log, place, inheritance, reloads } = surroundings;
  try {
    const succession = await openSuccession(settings, surroundings, companions);
    const { upgrader } = succession;
    const means = { running, health: life.health, upgrader, reloads, log, json: settings.json };
    const beside = companions.use(await Beside.open(settings, place.pidFile, means));
    for (const address of inheritance.sockets.closeRest())
      log.warn({ address }, "A socket was handed over that nobody listens on: it is closed");
    life.settle(
      running,
      [settings.succession.socket].filter((path) => path !== null),
    );
    await place.take();
    inheritance.sockets.own();
    return { beside, succession };
  } catch (error) {
    // Who asks the admin API is to reach the other process again.
    await companions.disposeAsync();
    await place.leave(running, error as Error);
    throw error;
  }
}

/** Milliseconds in which the last words about an upgrade reach who asked for it by the admin API. */
const LAST_WORDS = 200;

function warnOfKeyLog(file: string, log: Logger): void {
  log.warn(
    { file },
    "The secrets of TLS connections are written down: whoever reads them reads the connections",
  );
}

/** Lets others take the place of this process. */
async function openSuccession(
  settings: ServeSettings,
  { running, ending, life, log, place }: Surroundings,
  companions: AsyncDisposableStack,
): Promise<Succession> {
  const succession = await Succession.open({
    settings: settings.succession,
    ...{ running, ending, log },
    onSucceeded: (pid) => {
      life.notifier.mainPid(pid);
      // What listens beside the proxy makes room at once, and not only when the last connection is over.
      setTimeout(() => void companions.disposeAsync(), LAST_WORDS);
    },
    onKept: (pid) => place.pidFile.reclaim(pid),
  });
  companions.defer(() => succession.close());
  return succession;
}

function announce({ addresses }: Running, threads: number, json: boolean): void {
  if (json) {
    process.stdout.write(`${JSON.stringify({ event: "listening", addresses, threads, pid: process.pid })}\n`);
    return;
  }
  const where =
    threads === 0 ? "in the main thread" : `in ${threads} ${threads === 1 ? "thread" : "threads"}`;
  for (const address of addresses) process.stdout.write(`Listening on ${address} ${where}\n`);
}
