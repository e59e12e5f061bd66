// In a process of its own: it loads programs with modules of their own, and counts warnings.

import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, test } from "node:test";
import { Worker } from "node:worker_threads";
import { createTemporaryDirectory } from "../../test/kit/files.ts";
import * as sluice from "../index.ts";
import { ProgramError } from "./program-error.ts";
import { loadProgram } from "./program-loader.ts";

const loader = new URL("program-loader.ts", import.meta.url).href;

/** Loads the first of the files, out of a directory without any package around it. */
async function load(files: Readonly<Record<string, string>>): Promise<unknown> {
  await using directory = await createTemporaryDirectory();
  for (const [name, text] of Object.entries(files)) await directory.write(name, text);
  return await loadProgram(directory.join(Object.keys(files)[0] ?? ""));
}

/** The message of a program that can't be loaded, without its folder. */
async function failureOf(files: Readonly<Record<string, string>>): Promise<string> {
  try {
    await load(files);
  } catch (error) {
    assert.ok(error instanceof ProgramError, String(error));
    return error.message.replace(/^\S*sluice-test-[^/]+\//, "");
  }
  throw new Error("it was loaded");
}

describe("a program is loaded", () => {
  test("from TypeScript, with sluice and its own modules, wherever it lies", async () => {
    const exported = await load({
      "gateway.ts": `
        import { HttpPeer, defineProxy, type Session } from "sluice";
        import { address } from "./parts/address.ts";
        const peer: HttpPeer = new HttpPeer(address);
        export default defineProxy({ upstreamPeer: (_session: Session) => peer });`,
      "parts/address.ts": `export const address: string = "127.0.0.1:1";`,
    });
    assert.ok(typeof exported === "object" && exported !== null && "upstreamPeer" in exported);
    const peer = (exported as { upstreamPeer(): unknown }).upstreamPeer();
    assert.ok(peer instanceof sluice.HttpPeer, "it has a sluice of its own");
  });

  test("from JavaScript", async () => {
    assert.equal(await load({ "a.js": "export default 1;" }), 1);
    assert.equal(await load({ "a.mjs": "export default await 2;" }), 2);
    assert.equal(await load({ "a.js": "module.exports = 3;" }), 3);
    assert.equal(await load({ "a.js": "module.exports = require('sluice').HttpPeer;" }), sluice.HttpPeer);
  });

  test("whatever its package says of files that it doesn't, and without a warning", async () => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error): void => void warnings.push(warning);
    process.on("warning", onWarning);
    assert.equal(await load({ "a.ts": "export default await 4 as number;", "package.json": "{}" }), 4);
    await new Promise(setImmediate);
    process.off("warning", onWarning);
    assert.deepEqual(warnings, []);
  });

  test("even if another sluice is installed beside it", async () => {
    const exported = await load({
      "a.ts": `import { HttpPeer } from "sluice"; export default HttpPeer;`,
      "node_modules/sluice/package.json": `{ "name": "sluice", "exports": "./index.js", "type": "module" }`,
      "node_modules/sluice/index.js": "export const HttpPeer = null;",
    });
    assert.equal(exported, sluice.HttpPeer);
  });

  test("in a worker thread", async () => {
    await using directory = await createTemporaryDirectory();
    const file = await directory.write(
      "a.ts",
      `import { HttpPeer } from "sluice"; export default new HttpPeer("a:1").toString();`,
    );
    const code = `
      const { parentPort, workerData } = require("node:worker_threads");
      import(${JSON.stringify(loader)}).then(({ loadProgram }) => loadProgram(workerData))
        .then((exported) => parentPort.postMessage(exported));`;
    const worker = new Worker(code, { eval: true, workerData: file });
    const [message] = (await once(worker, "message")) as [unknown];
    assert.equal(message, "a:1");
  });
});

describe("a program that can't be loaded", () => {
  test("is told where its TypeScript breaks off", async () => {
    const text = "const a: number = 1;\nexport default {;\n";
    assert.match(await failureOf({ "a.ts": text }), /^a\.ts:2:17: SyntaxError: Unexpected token/);
    assert.match(await failureOf({ "b.ts": `import "./a.ts";`, "a.ts": text }), /^a\.ts:2:17: /);
  });

  test("is told where its JavaScript does", async () => {
    const text = "export const a = 1;\nlet b = = 2;\n";
    assert.equal(await failureOf({ "a.mjs": text }), "a.mjs:2:9: SyntaxError: Unexpected token '='");
  });

  test("is told which syntax is more than types", async () => {
    assert.match(
      await failureOf({ "a.ts": "\n  enum A { B }\nexport default A;" }),
      /^a\.ts:2:3: .*enum.*erasable/,
    );
  });

  test("is told where it asks for a module that isn't there", async () => {
    assert.match(
      await failureOf({ "a.ts": `\nimport a from "nowhere";\nexport default a;` }),
      /^a\.ts:2:15: Cannot find package 'nowhere'/,
    );
    assert.match(
      await failureOf({ "a.ts": `import "./b.ts";`, "b.ts": `import { c } from './c.ts';` }),
      /^b\.ts:1:19: Cannot find module .*c\.ts/,
    );
    assert.match(await failureOf({ "a.ts": `import { x } from "sluice/src";` }), /^a\.ts:1:19: /);
  });

  test("is told where it asks for what a module doesn't have", async () => {
    assert.match(
      await failureOf({ "a.ts": `import { HttpPeer, nothing } from "sluice";\nexport default nothing;` }),
      /^a\.ts:1:20: SyntaxError: .*'sluice' does not provide an export named 'nothing'/,
    );
  });

  test("is told where it threw, be it in our code", async () => {
    const text = `import { HttpPeer } from "sluice";\n\nexport default new HttpPeer("nowhere");`;
    assert.match(await failureOf({ "a.ts": text }), /^a\.ts:3:16: RangeError: .*nowhere/);
    assert.match(
      await failureOf({ "a.ts": `await Promise.reject("just text");` }),
      /^a\.ts: threw just text$/,
    );
  });

  test("is told that Node strips no types under node_modules", async () => {
    const files = {
      "node_modules/x/package.json": `{ "name": "x", "exports": "./index.ts" }`,
      "node_modules/x/index.ts": "export const a: number = 1;",
    };
    const message = await failureOf({ "a.ts": `export { a as default } from "x";`, ...files });
    assert.match(
      message,
      /^a\.ts: Node\.js runs no TypeScript under node_modules: .*node_modules\/x\/index\.ts/,
    );
  });

  test("is told that it exports nothing by default", async () => {
    assert.match(await failureOf({ "a.ts": "export const a = 1;" }), /^a\.ts: it exports nothing by default/);
  });

  test("is told that it isn't there", async () => {
    await assert.rejects(loadProgram("/nowhere/a.ts"), /^ProgramError: \/nowhere\/a\.ts: Cannot find module/);
  });
});
