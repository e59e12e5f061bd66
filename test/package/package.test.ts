import assert from "node:assert/strict";
import { cp, mkdir, readFile, symlink } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { createTemporaryDirectory, type TemporaryDirectory } from "../kit/files.ts";
import { startOrigin } from "../kit/origins.ts";
import { runProgram, startProgram } from "../kit/process.ts";
import { connectRaw } from "../kit/raw-client.ts";

const root = join(import.meta.dirname, "..", "..");
const tsc = join(root, "node_modules", ".bin", "tsc");

/** The compiler needs seconds of processor time, of which a busy machine gives it little. */
function compile(args: readonly string[], cwd: string = root): ReturnType<typeof runProgram> {
  return runProgram(tsc, args, { cwd, timeout: 300_000 });
}

/** A project of somebody who has installed the package: built as it is published, with our own dependencies. */
async function createProject(): Promise<TemporaryDirectory> {
  const project = await createTemporaryDirectory();
  const home = project.join("node_modules", "sluice");
  await mkdir(join(home, "node_modules"), { recursive: true });
  const built = await compile(["-p", join(root, "tsconfig.build.json"), "--outDir", join(home, "dist")]);
  assert.equal(built.code, 0, built.stdout);
  const manifest = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as {
    dependencies: Record<string, string>;
  };
  for (const file of ["bin", "package.json"])
    await cp(join(root, file), join(home, file), { recursive: true });
  for (const name of Object.keys(manifest.dependencies)) {
    await symlink(join(root, "node_modules", name), join(home, "node_modules", name));
  }
  await project.write("package.json", '{ "type": "module" }');
  return project;
}

describe("the package", () => {
  let project: TemporaryDirectory;
  before(async () => {
    project = await createProject();
  });
  after(() => project[Symbol.asyncDispose]());

  test("runs a program with its own sluice, built without sources", async () => {
    await using origin = await startOrigin({ name: "one" });
    await cp(join(root, "examples", "gateway.ts"), project.join("gateway.ts"));
    const bin = project.join("node_modules", "sluice", "bin", "sluice.js");
    const args = [bin, "run", "gateway.ts", "--bind", "127.0.0.1:0", "--threads", "1"];
    const env = { OTHERS: origin.address };
    await using program = await startProgram(process.execPath, args, { cwd: project.path, env });
    const [, port] = await program.line(/^Listening on 127\.0\.0\.1:(\d+)/);
    await using client = await connectRaw(Number(port));
    const response = await client.exchange("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert.deepEqual([response.header("server"), response.body.toString()], ["MyGateway", "one\n"]);
  });

  test("is imported by a program of one's own, on plain Node", async () => {
    await cp(join(root, "examples", "embed.ts"), project.join("embed.ts"));
    const finished = await runProgram(process.execPath, ["embed.ts"], { cwd: project.path });
    assert.match(finished.stdout, /^200 Sluice says hello$/m);
    assert.deepEqual([finished.code, finished.stderr], [0, ""]);
  });

  test("has types, and only for what is public", async () => {
    const compilerOptions = {
      target: "esnext",
      module: "nodenext",
      strict: true,
      noEmit: true,
      skipLibCheck: false,
      types: ["node"],
      typeRoots: [join(root, "node_modules", "@types")],
    };
    await cp(join(root, "examples", "gateway.ts"), project.join("gateway.ts"));
    await project.write("internals.ts", `import { HttpPeer } from "sluice";\nnew HttpPeer("a:1").idle;\n`);
    const files = ["gateway.ts", "internals.ts"];
    await project.write("tsconfig.json", JSON.stringify({ compilerOptions, files }));
    const { stdout } = await compile(["-p", "tsconfig.json"], project.path);
    const complaint =
      /^internals\.ts\(2,21\): error TS2339: Property 'idle' does not exist on type 'HttpPeer'\.\n$/;
    assert.match(stdout, complaint);
  });
});
