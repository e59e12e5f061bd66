import { join } from "node:path";
import { runProgram } from "../../kit/process.ts";
import type { Comparison } from "./answers.ts";
import { type ComparedServer, startOriginal, startOurs } from "./servers.ts";

const program = join(import.meta.dirname, "go-client");

/** Drives both servers by Toxiproxy's client for Go, if there is a Go to build it. */
export async function compareGoClient(server: string, go: string): Promise<Comparison> {
  if (!(await isThere(go)))
    return { text: "Toxiproxy's client for Go: left out, there is no Go\n", unexplained: 0 };
  const original = await linesOn(() => startOriginal(server), go);
  const ours = await linesOn(startOurs, go);
  const different = ours.flatMap((line, i) =>
    line === original[i] ? [] : [`\n  original: ${original[i]}\n  ours:     ${line}`],
  );
  const missing = Math.max(original.length - ours.length, 0);
  const unexplained = different.length + missing;
  const title = `Toxiproxy's client for Go: ${original.length} results, ${unexplained} differ`;
  return { text: `${[title, ...different].join("\n")}\n`, unexplained };
}

async function isThere(go: string): Promise<boolean> {
  try {
    return (await runProgram(go, ["version"])).code === 0;
  } catch {
    return false;
  }
}

async function linesOn(start: () => Promise<ComparedServer>, go: string): Promise<string[]> {
  await using server = await start();
  const url = `http://127.0.0.1:${server.ports.api}`;
  const { code, stdout, stderr } = await runProgram(go, ["run", ".", url], { cwd: program });
  if (code !== 0) throw new Error(`the Go client failed: ${stderr}`);
  return stdout.trimEnd().split("\n");
}
