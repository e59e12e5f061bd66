/*
 * The process of a plugin that runs in one of its own: whatever the plugin does to memory ends nothing else. Reads what it is
 * asked from a pipe and writes its answers there; it has nothing else to do, so it waits in the calls for both. Who
 * started it closes the pipe to end it, and so does the end of who started it.
 */
import { readSync, writeSync } from "node:fs";
import { describeThrown } from "../base/errors.ts";
import { ffi } from "./ffi.ts";
import { openHere, type PluginSource } from "./open-here.ts";
import { encodeText, Frame, FrameReader, type FrameTaker, QUESTIONS } from "./plugin-frames.ts";
import { PluginHost } from "./plugin-host.ts";

/** The descriptor of the pipe. */
const PIPE = 3;
/** Bytes read at once: of several connections, when they come together. */
const READ_SIZE = 256 * 1024;
/** Seconds until a process ends by itself that doesn't get through its beginning. */
const LAST_START = 60;

/** Signals that a terminal or a service manager sends to all processes of a service: who started this one decides when it ends. */
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"] as const;

for (const signal of SIGNALS) process.on(signal, () => undefined);

/** What is to be run here. */
interface Order extends PluginSource {
  /**
   * Seconds that a call may take until the process ends by itself. Who started it ends it long before, but may be gone itself by
   * then; and a plugin that never returns never finds out.
   */
  readonly lastSeconds: number;
}

/** alarm(2), POSIX: a signal that nobody catches comes after so many seconds. 0: it doesn't. */
const alarm = ffi.dlopen(null, { alarm: { arguments: ["u32"], return: "u32" } }).functions.alarm as (
  seconds: number,
) => number;
let lastSeconds = 0;
let isArmed = false;

/** Who takes what comes changes once, when the plugin has begun. */
let take: FrameTaker;
const reader = new FrameReader(QUESTIONS, (kind, connection, payload) => take(kind, connection, payload));
const space = Buffer.allocUnsafeSlow(READ_SIZE);

const order = readOrder();
const host = order === null ? null : await begin(order);
if (host !== null) {
  take = (kind, connection, payload) => {
    arm();
    host.take(kind, connection, payload);
  };
  while (readSome());
}
arm();
host?.close();
process.exit();

/** Waits for bytes; false at their end. */
function readSome(): boolean {
  const length = readSync(PIPE, space);
  reader.push(space.subarray(0, length));
  disarm();
  return length > 0;
}

function arm(): void {
  if (!isArmed) alarm(lastSeconds);
  isArmed = true;
}

function disarm(): void {
  if (isArmed) alarm(0);
  isArmed = false;
}

function answer(frame: Buffer): void {
  // Who reads may be slow.
  disarm();
  try {
    for (let at = 0; at < frame.length; ) at += writeSync(PIPE, frame, at);
  } catch {
    // Nobody is there any more.
    process.exit();
  }
}

/** What is to be run here: the first that comes. Nothing else does before it is answered. */
function readOrder(): Order | null {
  let found: Order | null = null;
  take = (_kind, _connection, payload) => {
    found = JSON.parse(payload.toString()) as Order;
  };
  while (found === null) if (!readSome()) return null;
  return found;
}

async function begin(wanted: Order): Promise<PluginHost | null> {
  lastSeconds = LAST_START;
  arm();
  try {
    const plugin = await openHere(wanted);
    const begun = new PluginHost(plugin, answer);
    lastSeconds = wanted.lastSeconds;
    return begun;
  } catch (error) {
    answer(encodeText(Frame.failed, 0, describeThrown(error)));
    return null;
  }
}
