import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { freePort } from "../kit/ports.ts";
import { runSluice } from "../kit/process.ts";
import { type Finished, runInside } from "./inside.ts";
import { type RunningToxiproxy, startToxiproxy } from "./toxiproxy.ts";

let server: RunningToxiproxy;

before(async () => {
  server = await startToxiproxy(["--token", "secret"]);
});

after(() => server[Symbol.asyncDispose]());

function run(line: string): Promise<Finished> {
  return runInside(line.split(" "), { TOXIPROXY_URL: server.url, SLUICE_TOKEN: "secret" });
}

/** What a command prints; it has to succeed. */
async function print(line: string): Promise<string> {
  const { code, stdout, stderr } = await run(line);
  assert.deepEqual([code, stderr], [0, ""], line);
  return stdout.replace(/127\.0\.0\.1:\d+\t127/, "ADDRESS\t127");
}

/** What a command says is wrong; it has to fail with code 1. */
async function complain(line: string): Promise<string> {
  const { code, stderr } = await run(line);
  assert.equal(code, 1, line);
  return stderr;
}

describe("the commands of toxiproxy-cli", () => {
  test("end the process with what went wrong", async () => {
    const env = { TOXIPROXY_URL: server.url, SLUICE_TOKEN: "secret" };
    assert.deepEqual(await runSluice(["proxy", "inspect", "nope"], { env }), {
      ...{ code: 1, signal: null, stdout: "" },
      stderr: "Failed to retrieve proxy nope: HTTP 404: proxy not found\n",
    });
  });

  test("make, list, toggle and delete proxies", async () => {
    assert.equal(await print("proxy create -l 127.0.0.1:0 -u 127.0.0.1:9 one"), "Created new proxy one\n");
    assert.equal(await print("proxy list"), "one\tADDRESS\t127.0.0.1:9\tenabled\t0\n");
    assert.equal(await print("proxy toggle one"), "Proxy one is now disabled\n");
    assert.equal(await print("proxy ls"), "one\tADDRESS\t127.0.0.1:9\tdisabled\t0\n");
    assert.equal(await print("proxy tog one"), "Proxy one is now enabled\n");
    assert.equal(await print("proxy d one"), "Deleted proxy one\n");
    assert.equal(await print("proxy l"), "");
  });

  test("add, show, change and remove toxics", async () => {
    await print("proxy new -listen 127.0.0.1:0 -upstream 127.0.0.1:9 two");
    const added = "Added upstream latency toxic 'slow' on proxy 'two'\n";
    assert.equal(
      await print("toxic add -t latency -n slow -u -tox 0.3 -a latency=1000000 -a jitter=5 two"),
      added,
    );
    assert.equal(
      await print("proxy inspect two"),
      "slow\ttype=latency\tstream=upstream\ttoxicity=0.30\tattributes=[\tjitter=5\tlatency=1e+06\t]\n",
    );
    assert.equal(await print("toxic u -n slow -a latency=7 two"), "Updated toxic 'slow' on proxy 'two'\n");
    assert.match(await print("proxy i two"), /toxicity=1\.00\tattributes=\[\tjitter=5\tlatency=7\t\]/);
    assert.equal(await print("proxy t d -n slow two"), "Removed toxic 'slow' on proxy 'two'\n");
    assert.equal(await print("proxy inspect two"), "");
    assert.match(
      await print("toxic add -t bandwidth -a shared=true -a rate=5 two"),
      /^Added downstream bandwidth toxic 'bandwidth_downstream'/,
    );
    await print("proxy delete two");
  });

  test("print JSON when they are asked to", async () => {
    const created = JSON.parse(await print("proxy create -l 127.0.0.1:0 -u 127.0.0.1:9 json --json"));
    assert.equal(created.name, "json");
    const toxic = JSON.parse(await print("toxic --json add -t noop json"));
    assert.equal(toxic.name, "noop_downstream");
    assert.equal(JSON.parse(await print("proxy list --json"))[0].toxics.length, 1);
    assert.equal(JSON.parse(await print("proxy inspect --json json")).toxics[0].type, "noop");
    assert.equal(JSON.parse(await print("proxy toggle --json json")).enabled, false);
    const removed = JSON.parse(await print("toxic remove --json -n noop_downstream json"));
    assert.deepEqual(removed, { removed: "noop_downstream", proxy: "json" });
    assert.deepEqual(JSON.parse(await print("proxy delete --json json")), { deleted: "json" });
  });

  test("say what went wrong", async () => {
    await print("proxy create -l 127.0.0.1:0 -u 127.0.0.1:9 three");
    const cases = {
      "proxy create -l :0 -u 127.0.0.1:9 three":
        "Failed to create proxy: create: HTTP 409: proxy already exists\n",
      "proxy inspect nope": "Failed to retrieve proxy nope: HTTP 404: proxy not found\n",
      "proxy create -u a:1 four": "Required argument 'listen' was empty.\n",
      "toxic add -t noop -u -d three": "Only one should be specified: upstream or downstream.\n",
      "toxic add -t x three":
        "Failed to add toxic: failed to add toxic to proxy three: AddToxic: HTTP 400: invalid toxic type\n",
      "toxic add -t noop nope":
        "Failed to add toxic: failed to retrieve proxy with name `nope`: HTTP 404: proxy not found\n",
      "toxic update -n x three":
        "Failed to update toxic: failed to update toxic 'x' of proxy 'three': HTTP 404: toxic not found\n",
      "proxy -h ftp://x list": "ftp://x is no address of an HTTP server\n",
      "proxy --token wrong list": "Failed to retrieve proxies: HTTP 401: A bearer token is needed\n",
    };
    for (const [line, message] of Object.entries(cases)) assert.equal(await complain(line), message, line);
    const port = await freePort();
    assert.equal(
      await complain(`proxy -host http://127.0.0.1:${port} list`),
      `Failed to retrieve proxies: can't reach http://127.0.0.1:${port}: connection refused\n`,
    );
  });
});
