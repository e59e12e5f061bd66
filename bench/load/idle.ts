// Run as a process of its own, with an IdleSpec in JSON as its only argument. Opens connections,
// has each do one request and then keep still; prints how many stand, and when its standard input
// ends, how many of them still do.

import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { MessageReader } from "./message-reader.ts";

export interface IdleSpec {
  readonly port: number;
  readonly requestFile: string;
  readonly connections: number;
}

/** One line of the output. */
export interface IdleReport {
  readonly standing: number;
  /** What happened first to one that doesn't stand. */
  readonly problem?: string | undefined;
}

/** As many as are being opened at a time: few, so that no accept queue overflows. */
const openingAtOnce = 32;

/** One source address can hold about 28,000 connections to one port; the next ones get another. */
const connectionsPerAddress = 20_000;

let standing = 0;
let problem: string | undefined;

/**
 * The kernel chooses for the first ones: a socket bound to an address before it connects can't
 * have a port that any other connection is still using or waiting on.
 */
function sourceOf(index: number): { localAddress?: string } {
  const address = Math.floor(index / connectionsPerAddress);
  return address === 0 ? {} : { localAddress: `127.0.0.${1 + address}` };
}

/** Resolves when the connection has had its one answer, or failed. */
function openOne(spec: IdleSpec, request: Buffer, index: number): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect({ port: spec.port, host: "127.0.0.1", ...sourceOf(index) });
    const reader = new MessageReader();
    let answered = false;
    socket.on("connect", () => socket.write(request));
    socket.on("data", (bytes: Buffer) => {
      if (answered || !reader.feed(bytes)) return;
      answered = true;
      standing++;
      resolve();
    });
    socket.on("error", (error) => {
      problem ??= error.message;
    });
    socket.on("close", () => {
      problem ??= "closed by the proxy";
      if (answered) standing--;
      resolve();
    });
  });
}

async function openAll(spec: IdleSpec): Promise<void> {
  const request = readFileSync(spec.requestFile);
  let next = 0;
  const openInTurn = async (): Promise<void> => {
    while (next < spec.connections) await openOne(spec, request, next++);
  };
  await Promise.all(Array.from({ length: openingAtOnce }, openInTurn));
}

function report(): void {
  console.log(JSON.stringify({ standing, problem } satisfies IdleReport));
}

if (import.meta.main) {
  await openAll(JSON.parse(process.argv[2] ?? "{}") as IdleSpec);
  report();
  process.stdin.on("end", () => {
    report();
    process.exit();
  });
  process.stdin.resume();
}
