import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { createTemporaryDirectory, type TemporaryDirectory, untilWritten } from "../kit/files.ts";
import type { EchoAnswer } from "../kit/origin-routes.ts";
import { type Origin, startOrigin } from "../kit/origins.ts";
import { startRawOrigin } from "../kit/raw-origin.ts";
import { type InsideSluice, runInside, startInside } from "./inside.ts";
import { Reloading, toSpec } from "./reloading.ts";
import { get as getOnce } from "./sluice.ts";

/** Writes its name wherever it is called, and has a context of its own, whatever happens between two phases. */
const MARK = `
import { defineFilter } from "sluice";
import { later } from "./later.ts";

export default defineFilter((name: unknown) => ({
  newContext: () => ({ trace: [] as string[] }),
  earlyRequestFilter({ request, context }) {
    context.trace.push("early");
    request.headers.append("X-Early", String(name));
  },
  async requestFilter(session) {
    await later();
    session.context.trace.push("request");
    const { headers } = session.request;
    headers.append("X-Asked", String(name));
    if (headers.has("x-read")) headers.set("x-read", String(await session.readBody()));
    if (headers.get("x-answer") === name) return session.respond({ status: 418, body: "by " + name });
    return undefined;
  },
  upstreamRequestFilter: (_session, { headers }) => void headers.append("X-Sent", String(name)),
  async responseFilter({ context }, { headers }) {
    await later();
    headers.append("X-Trace", name + ":" + context.trace.join("+"));
  },
}));
`;

/** The same in any case: text is text, however the server cuts it. */
const CAPITALS = `
import { defineFilter } from "sluice";

export default defineFilter({
  responseFilter: (_session, { headers }) => headers.delete("content-length"),
  responseBodyFilter: async (_session, chunk) => chunk === null ? " THE END" : chunk.toString().toUpperCase(),
  requestBodyFilter: (_session, chunk) => chunk?.toString().replaceAll("a", "b"),
});
`;

/** Does what a header asks for, in the phase that it names. */
const TROUBLE = `
import { appendFileSync } from "node:fs";
import { defineFilter, ProxyError } from "sluice";

const throwIf = (session, phase: string) => {
  const wanted = session.request.headers.get("x-throw");
  if (wanted === phase) throw new Error("as it was told");
  if (wanted === phase + " refused") throw new ProxyError("NO_PEER");
};

export default defineFilter((file: string) => ({
  newContext: (session) => throwIf(session, "newContext"),
  requestFilter: (session) => throwIf(session, "requestFilter"),
  proxyUpstreamFilter: (session) => session.request.path !== "/trouble/stopped",
  responseFilter: async (session) => throwIf(session, "responseFilter"),
  responseBodyFilter(session, chunk) {
    throwIf(session, "responseBodyFilter");
    return session.request.headers.has("x-longer") ? chunk ?? "more" : chunk;
  },
  failToProxy(session, error) {
    if (session.request.headers.has("x-kind")) session.respond({ status: 503, body: "sorry: " + error.code });
  },
  logging({ request, response }, error) {
    appendFileSync(file, request.path + " " + (response?.status ?? "-") + " " + (error?.code ?? "well") + "\\n");
    throwIf({ request }, "logging");
  },
  requestSummary: ({ request }) => "the one to " + request.path,
  suppressErrorLog: ({ request }) => request.headers.has("x-quiet"),
}));
`;

let folder: TemporaryDirectory;
let origin: Origin;
let sluice: InsideSluice;

function configuration(): string {
  const upstream = `upstream: "${origin.address}"`;
  return `
error_log: ${folder.join("errors.log")}
filters:
  outer: { module: ./mark.ts, config: outer }
  inner: { module: ./mark.ts, config: inner }
  capitals: capitals.ts
  trouble: { module: trouble.ts, config: ${folder.join("log")} }
listeners:
  - bind: 127.0.0.1:0
    name: marked
    filters: [outer]
    routes:
      - { match: { path: /given }, respond: given, filters: [inner] }
      - { match: { header: { x-early: outer }, path: /early }, respond: early }
      - match: { path: { prefix: /echo } }
        ${upstream}
        response_headers: { add: { X-Trace: route } }
        request_headers: { add: { X-Sent: route } }
        filters: [inner]
  - bind: 127.0.0.1:0
    name: mixed
    routes:
      - { match: { path: /slow }, ${upstream}, filters: [capitals] }
      - { match: { path: /limited }, respond: 200, limits: 1/m, filters: [trouble] }
      - match: { path: { prefix: /trouble } }
        name: troubled
        rewrite: { path: { strip_prefix: /trouble } }
        ${upstream}
        filters: [trouble]
      - { match: { path: /both }, rewrite: { path: { set: /echo } }, ${upstream}, filters: [capitals, outer] }
      - { ${upstream} }
`;
}

before(async () => {
  folder = await createTemporaryDirectory();
  origin = await startOrigin();
  await folder.write("later.ts", "export const later = () => new Promise((done) => setImmediate(done));\n");
  await folder.write("mark.ts", MARK);
  await folder.write("capitals.ts", CAPITALS);
  await folder.write("trouble.ts", TROUBLE);
  sluice = await startInside(["run", await folder.write("sluice.yaml", configuration())]);
});

after(async () => {
  await sluice?.[Symbol.asyncDispose]();
  for (const one of [origin, folder]) await one?.[Symbol.asyncDispose]();
});

const get = (listener: number, path: string, init: RequestInit = {}): Promise<Response> =>
  sluice.fetch(path, init, listener);

/** Waits for a line of the error log. */
const logged = (what: RegExp): Promise<void> => untilWritten(folder.join("errors.log"), what);

function valuesOf({ rawHeaders }: EchoAnswer, name: string): string[] {
  return rawHeaders.filter((_, i) => i % 2 === 1 && rawHeaders[i - 1]?.toLowerCase() === name);
}

describe("the filters of a configuration", () => {
  test("run from the client on requests and towards it on responses, behind what the route does", async () => {
    const responses = await Promise.all(Array.from({ length: 8 }, () => get(0, "/echo")));
    for (const response of responses) {
      const seen = (await response.json()) as EchoAnswer;
      assert.equal(response.headers.get("x-trace"), "route, inner:early+request, outer:early+request");
      assert.deepEqual(valuesOf(seen, "x-early"), ["outer", "inner"]);
      assert.deepEqual(valuesOf(seen, "x-asked"), ["outer", "inner"]);
      assert.deepEqual(valuesOf(seen, "x-sent"), ["route", "outer", "inner"]);
    }
  });

  test("run before a route is chosen, where the listener has them, and before it answers itself", async () => {
    assert.equal(await (await get(0, "/early")).text(), "early");
    assert.equal(await (await get(0, "/given")).text(), "given");
    assert.equal(await (await get(0, "/given", { headers: { "X-Answer": "inner" } })).text(), "by inner");
  });

  test("may answer: those behind them aren't asked, and nothing goes to the server", async () => {
    for (const name of ["outer", "inner"]) {
      const response = await get(0, "/echo", { headers: { "X-Answer": name } });
      assert.deepEqual([response.status, await response.text()], [418, `by ${name}`]);
    }
    assert.equal((await get(0, "/nobody")).status, 404);
  });

  test("change bodies as they come, and those of their routes alone", async () => {
    assert.equal(await (await get(1, "/slow?head=0&body=20")).text(), "SLOW\n THE END");
    const posted = await get(1, "/both", { method: "POST", body: "banana", headers: { "X-Read": "" } });
    assert.match(await posted.text(), /"X-READ","BANANA".*"BODY":"BBNBNB".* THE END$/);
    const echoed = (await (await get(1, "/echo", { method: "POST", body: "banana" })).json()) as EchoAnswer;
    assert.equal(echoed.body, "banana");
  });

  test("hear of requests that a limit refuses, too", async () => {
    assert.equal((await get(1, "/limited")).status, 200);
    assert.equal((await get(1, "/limited")).status, 429);
    assert.match(await readFile(folder.join("log"), "utf8"), /^\/limited 200 well\n\/limited 429 well$/m);
  });

  test("hurt only their request when they throw, and are named", async () => {
    const thrown = async (phase: string, more: Record<string, string> = {}): Promise<[number, string]> => {
      const response = await get(1, "/trouble/echo", { headers: { "X-Throw": phase, ...more } });
      return [response.status, await response.text().catch(() => "cut")];
    };
    for (const phase of ["newContext", "requestFilter", "responseFilter"]) {
      assert.deepEqual(await thrown(phase), [500, "HTTP 500 Internal Server Error\n"]);
      await logged(
        new RegExp(
          `${phase} of the filter trouble \\([^)]*trouble\\.ts\\) on the route troubled of the listener mixed: as it was told`,
        ),
      );
    }
    await thrown("nothing", { "X-Longer": "1" });
    await logged(/the length that the head declares: responseBodyFilter of the filter trouble /);
    assert.deepEqual(await thrown("requestFilter refused"), [503, "HTTP 503 Service Unavailable\n"]);
    assert.deepEqual(await thrown("requestFilter", { "X-Kind": "1" }), [503, "sorry: FILTER_FAILED"]);
    assert.equal((await thrown("responseBodyFilter"))[1], "cut");
    assert.equal((await thrown("logging"))[0], 200);
    await logged(/A filter threw an error: logging of the filter trouble .*: as it was told/);
    assert.equal((await get(1, "/trouble/stopped")).status, 502);
    assert.equal((await get(1, "/trouble/echo")).status, 200);
    const told = await readFile(folder.join("log"), "utf8");
    assert.match(told, /^\/trouble\/echo 500 FILTER_FAILED$/m);
    assert.match(told, /^\/trouble\/stopped 502 NOT_PROXIED$/m);
    assert.match(told, /^\/trouble\/echo 200 well$/m);
    assert.match(
      await readFile(folder.join("errors.log"), "utf8"),
      /"request":"the one to \/trouble\/stopped"/,
    );
  });
});

test("a program goes behind the filters of its listeners", async () => {
  await using files = await createTemporaryDirectory();
  const program = await files.write(
    "program.ts",
    `import { defineProxy, HttpPeer } from "sluice";
export default defineProxy({
  newContext: () => "mine",
  requestFilter: ({ request, context }) => void request.headers.append("X-Asked", context),
  upstreamPeer: () => new HttpPeer("${origin.address}"),
  responseFilter: (_session, { headers }) => void headers.append("X-Trace", "program"),
});
`,
  );
  await files.write("mark.ts", MARK);
  await files.write("later.ts", await readFile(folder.join("later.ts"), "utf8"));
  const config = await files.write(
    "sluice.yaml",
    `filters: { own: { module: mark.ts, config: own } }\nlisteners: [{ bind: "127.0.0.1:0", filters: [own] }]\n`,
  );
  await using running = await startInside(["run", program, "-c", config]);
  const response = await fetch(`http://127.0.0.1:${running.port}/echo`);
  const seen = (await response.json()) as EchoAnswer;
  assert.deepEqual(valuesOf(seen, "x-asked"), ["own", "mine"]);
  assert.equal(response.headers.get("x-trace"), "program, own:early+request");
});

test("what is wrong with a filter is told with its place, and nothing runs", async () => {
  await using files = await createTemporaryDirectory();
  const config = (settings: string): string =>
    `filters:\n  own: { module: own.ts${settings} }\nlisteners: [{ bind: 0, respond: 200, filters: [own] }]\n`;
  const run = async (module: string, settings = ""): Promise<string> => {
    // A module is loaded once in a process.
    const own = `${files.join("")}/${Math.random()}`;
    await files.write(`${own}/own.ts`, module);
    const { code, stderr } = await runInside([
      "run",
      "-t",
      await files.write(`${own}/a.yaml`, config(settings)),
    ]);
    assert.equal(code, 2);
    return stderr.replace(/^sluice: \S*\//, "");
  };
  const define = 'import { defineFilter } from "sluice";\nexport default defineFilter';
  assert.match(
    await run("export const a = 1;"),
    /^own\.ts: it exports nothing by default; expected .*defineFilter/,
  );
  assert.match(
    await run(`${define}({ requestFiltr() {} });`),
    /^own\.ts: There is no phase requestFiltr; did you mean requestFilter\?/,
  );
  assert.match(await run("export default {\n  oh oh\n};"), /^own\.ts:2:6: /);
  assert.match(await run("import './gone.ts';"), /^own\.ts:1:8: .*gone\.ts/);
  assert.match(await run(`${define}(() => {\n  throw new Error("oh");\n});`), /^own\.ts:3:9: Error: oh/);
  assert.match(
    await run(`${define}({ logging() {} });`, ", config: 3"),
    /^a\.yaml:2:34: filters\.own\.config: this filter takes no config/,
  );
  assert.match(
    await run(
      `${define}(({ realm }) => { throw new Error(realm + "?"); }, () => ({}));`,
      ", config: { realm: x }",
    ),
    /^a\.yaml:2:34: filters\.own\.config: x\? \(says .*own\.ts\)/,
  );
});

test("the example lets in who knows a password, and replaces words however they are cut", async () => {
  await using server = await startRawOrigin(async (connection) => {
    const request = await connection.readRequest();
    const user = request.header("x-user") ?? "nobody";
    const body = ["Ac", "me C\u00f6rp. and Acm", "e ", user, " Acm"];
    const { socket } = connection;
    socket.write("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n");
    for (const piece of body) {
      socket.write(piece);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    socket.end();
  });
  const env = { LISTEN: "127.0.0.1:0", APP: server.address, PASSWORD: "secret" };
  await using running = await startInside(
    ["run", join(import.meta.dirname, "../../examples/filters.yaml")],
    env,
  );
  const ask = (path: string, password: string): Promise<Response> =>
    fetch(`http://127.0.0.1:${running.port}${path}`, {
      headers: { Authorization: `Basic ${Buffer.from(`ada:${password}`).toString("base64")}` },
    });
  assert.equal(await (await ask("/docs/", "")).text(), "Umbrella C\u00f6rp. and Umbrella nobody Acm");
  const admin = await ask("/admin", "secret");
  assert.equal(await admin.text(), "Acme C\u00f6rp. and Acme ada Acm");
  assert.match(admin.headers.get("x-request-id") ?? "", /^[0-9a-f-]{36}$/);
  const refused = await ask("/admin", "guess");
  assert.deepEqual(
    [refused.status, refused.headers.get("www-authenticate")?.slice(0, 19)],
    [401, 'Basic realm="staff"'],
  );
});

/** Answers with what is in a file beside it, and in its config. */
const WORDS = `
import { word } from "./word.ts";
export default (config: unknown) => {
  let served = 0;
  return { requestFilter: (session) => session.respond({ status: 200, body: word + " " + config + " " + ++served }) };
};
`;

test("filters are exchanged by a reload: in place where the code is the same", async () => {
  await using files = await createTemporaryDirectory();
  const module = await files.write("words.ts", WORDS);
  await files.write("word.ts", 'export const word: string = "one";\n');
  const other = await files.write("other.ts", "export default { logging() {} };\n");
  const text = (config: string, more = ""): string =>
    `filters: { words: { module: "${module}", config: ${config} }, other: "${other}" }
listeners: [{ bind: "127.0.0.1:0", respond: 404, filters: [words${more}] }]\n`;
  await using plane = await Reloading.start(text("a"), 1);
  const says = async (): Promise<string> => (await getOnce(plane.port(0))).body.toString();
  assert.equal(await says(), "one a 1");
  const loaded = plane.running.modules.map(({ path }) => path).sort();
  assert.deepEqual(loaded, [files.join("word.ts"), module]);

  // What is as before goes on as it is.
  assert.equal((await plane.reload(text("a").replace("404", "403"))).kind, "swap");
  assert.equal(await says(), "one a 2");
  const swapped = await plane.reload(text("b").replace("404", "403"));
  assert.equal(swapped.kind, "swap");
  assert.deepEqual(
    swapped.changes.map(({ path, applied }) => [path, applied]),
    [["filters[words].config", "in place"]],
  );
  assert.equal(await says(), "one b 1");

  await files.write("word.ts", "export const word: string = nothing.like.it;\n");
  await assert.rejects(plane.reload(text("c")), /word\.ts:1:29: ReferenceError: nothing is not defined/);
  assert.equal(await says(), "one b 2");
  await files.write("word.ts", 'export const word: string = "one";\n');
  // Another module is other code, too.
  const added = await plane.running.preview(toSpec(text("b", ", other")), 1);
  assert.equal(added.kind, "generation");
  const change = added.changes.find(({ path }) => path === "filters[other]");
  assert.equal(change?.applied, "new generation");
  await files.write("word.ts", 'export const word: string = "two";\n');
  assert.deepEqual((await plane.running.preview(plane.running.spec, 1)).modules, [files.join("word.ts")]);
  assert.equal((await plane.reload(text("b", ", other"))).kind, "generation");
  assert.equal(await says(), "two b 1");
  assert.ok(plane.running.modules.some(({ path }) => path === other));
});
