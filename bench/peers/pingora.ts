import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { findProgram, launch } from "../processes.ts";
import type { Availability, Peer } from "./peer.ts";

const crate = join(import.meta.dirname, "pingora");
/** Out of the tracked tree; the first build takes some minutes. */
const target = join(import.meta.dirname, "../.cache/pingora");
const program = join(target, "release/bench-pingora");

export const pingora: Peer = {
  name: "pingora",
  about: "the smallest proxy on it, 1024 idle upstream connections",
  speaks: ["http1", "h2c"],
  available(): Availability {
    if (findProgram("cargo") === null && !existsSync(program)) {
      return { ready: false, how: "install Rust from https://rustup.rs; it is then built on first use" };
    }
    return { ready: true, version: lockedVersion() };
  },
  prepare: build,
  start: ({ port, originPort, threads, protocol, launch: start }) =>
    start([program, String(port), String(originPort), String(threads), protocol]),
};

/** Cargo itself knows when there is nothing to do. */
async function build(): Promise<void> {
  const cargo = findProgram("cargo");
  if (cargo === null) return;
  const manifest = join(crate, "Cargo.toml");
  const child = launch([
    cargo,
    "build",
    "--release",
    "--locked",
    "--manifest-path",
    manifest,
    "--target-dir",
    target,
  ]);
  if ((await child.exited) !== 0) throw new Error(`cargo build failed: ${child.complaint()}`);
}

function lockedVersion(): string {
  const lock = readFileSync(join(crate, "Cargo.lock"), "utf8");
  return /name = "pingora"\nversion = "([^"]+)"/.exec(lock)?.[1] ?? "unknown";
}
