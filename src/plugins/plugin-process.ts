/*
 * The process of a plugin that runs in one of its own: whatever the plugin does to memory ends nothing else. Reads what it is
 * asked from a pipe and writes its answers there; it has nothing else to do, so it waits in the calls for both. Who
 * started it closes the pipe to end it, and so does the end of who started it.
 */
import { readSync, writeSync } from "node:fs";
import { describeThrown } from "../base/errors.ts";
import { openHere, type PluginSource } from "./open-here.ts";
import { encodeText, Frame, FrameReader, type FrameTaker, QUESTIONS } from "./plugin-frames.ts";
import { PluginHost } from "./plugin-host.ts";

/** The descriptor of the pipe. */
const PIPE = 3;
/** Bytes read at once: of several connections, when they come together. */
const READ_SIZE = 256 * 1024;

/** Signals that a terminal or a service manager sends to all processes of a service: who started this one decides when it ends. */
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"] as const;

for (const signal of SIGNALS) process.on(signal, () => undefined);

/** Who takes what comes changes once, when the plugin has begun. */
let take: FrameTaker;
const reader = new FrameReader(QUESTIONS, (kind, connection, payload) => take(kind, connection, payload));
const space = Buffer.allocUnsafeSlow(READ_SIZE);

const source = readSource();
const host = source === null ? null : await begin(source);
if (host !== null) {
  take = (kind, connection, payload) => host.take(kind, connection, payload);
  while (readSome());
  host.close();
}
process.exit();

/** Waits for bytes; false at their end. */
function readSome(): boolean {
  const length = readSync(PIPE, space);
  reader.push(space.subarray(0, length));
  return length > 0;
}

function answer(frame: Buffer): void {
  try {
    for (let at = 0; at < frame.length; ) at += writeSync(PIPE, frame, at);
  } catch {
    // Nobody is there any more.
    process.exit();
  }
}

/** What is to be run here: the first that comes. Nothing else does before it is answered. */
function readSource(): PluginSource | null {
  let found: PluginSource | null = null;
  take = (_kind, _connection, payload) => {
    found = JSON.parse(payload.toString()) as PluginSource;
  };
  while (found === null) if (!readSome()) return null;
  return found;
}

async function begin(wanted: PluginSource): Promise<PluginHost | null> {
  try {
    return new PluginHost(await openHere(wanted), answer);
  } catch (error) {
    answer(encodeText(Frame.failed, 0, describeThrown(error)));
    return null;
  }
}
