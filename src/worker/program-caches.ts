import { MessageChannel, type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import type { CacheMemory } from "../cache/cache-memory.ts";
import type { CacheSettings } from "../cache/cache-settings.ts";
import { cacheMeans } from "../proxy/caching/response-cache.ts";
import type { FromWorker } from "./messages.ts";

/** What the main thread answers, by the port that came with the question. */
export type CacheAnswer = { readonly memory: CacheMemory } | { readonly problem: string };

/** Milliseconds that the main thread may take: it has nothing to do but to allocate. */
const LONGEST_WAIT = 30_000;

/**
 * Has the caches that a program makes in this thread share their memory with those of other threads. Programs make them where
 * nothing can be awaited, so the thread waits for the answer.
 */
export function shareProgramCaches(port: MessagePort, row: number): void {
  const names = new Set<string>();
  cacheMeans.source = {
    open(settings) {
      const { name } = settings;
      if (names.has(name))
        throw new TypeError(`Two caches are called ${name}: one of them needs another name`);
      names.add(name);
      return { memory: askFor(settings, port), row };
    },
  };
}

function askFor(settings: CacheSettings, port: MessagePort): CacheMemory {
  const { port1, port2 } = new MessageChannel();
  const bell = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  port.postMessage({ type: "cache", settings, reply: port2, bell } satisfies FromWorker, [port2]);
  Atomics.wait(bell, 0, 0, LONGEST_WAIT);
  const received = receiveMessageOnPort(port1) as { readonly message: CacheAnswer } | undefined;
  port1.close();
  if (received === undefined) throw new Error(`Nobody has memory for the cache ${settings.name}`);
  const { message } = received;
  if ("problem" in message) throw new RangeError(message.problem);
  return message.memory;
}
