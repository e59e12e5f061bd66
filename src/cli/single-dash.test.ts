import assert from "node:assert/strict";
import { test } from "node:test";
import { doubleDashes } from "./single-dash.ts";

function doubled(line: string): string {
  return doubleDashes(["node", "sluice", ...line.split(" ")])
    .slice(2)
    .join(" ");
}

test("flags of Go programs may begin with one dash or two", () => {
  const cases = {
    "toxiproxy -host ::1 --port 0": "toxiproxy --host ::1 --port 0",
    "toxiproxy -port=8475 -config=a=b.json": "toxiproxy --port=8475 --config=a=b.json",
    "toxiproxy -runtime-metrics -version": "toxiproxy --runtime-metrics --version",
    "toxiproxy -runtime-metrics=true --proxy-metrics=false": "toxiproxy --runtime-metrics",
    "toxiproxy -nope -p 1 -h": "toxiproxy -nope -p 1 -h",
    "toxic add -toxicName x -tox 0.5 -u -a latency=-5 p":
      "toxic add --toxicName x --tox 0.5 -u -a latency=-5 p",
    "proxy create -listen :0 -upstream a:1 -h url p": "proxy create --listen :0 --upstream a:1 -h url p",
    "proxy inspect -- -host": "proxy inspect -- -host",
  };
  for (const [line, expected] of Object.entries(cases)) assert.equal(doubled(line), expected);
});

test("other commands are left alone", () => {
  assert.equal(doubled("http -host a"), "http -host a");
  assert.deepEqual(doubleDashes(["node", "sluice"]), ["node", "sluice"]);
});
