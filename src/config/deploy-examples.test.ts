import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parseAllDocuments } from "yaml";
import { loadConfig, parseConfig } from "./load.ts";

const examples = join(import.meta.dirname, "../../examples");

function read(name: string): string {
  return readFileSync(join(examples, "deploy", name), "utf8");
}

interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string };
}

interface Pod {
  readonly terminationGracePeriodSeconds: number;
  readonly containers: readonly {
    readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
    readonly readinessProbe: Probe;
    readonly livenessProbe: Probe;
  }[];
}

test("what the manifest of Kubernetes says fits the configuration in it", () => {
  const [map, deployment] = parseAllDocuments(read("kubernetes.yaml")).map((document) => document.toJS());
  const snapshot = parseConfig(map.data["sluice.yaml"], "sluice.yaml", {});
  assert.deepEqual(snapshot.warnings, []);
  const { terminationGracePeriodSeconds, containers } = deployment.spec.template.spec as Pod;
  const [{ ports, readinessProbe, livenessProbe } = assert.fail()] = containers;
  assert.deepEqual(
    ports.map(({ containerPort }) => `:${containerPort}`),
    [snapshot.listeners[0]?.bind, snapshot.process.health],
  );
  assert.deepEqual(readinessProbe.httpGet, { path: "/health/ready", port: "health" });
  assert.deepEqual(livenessProbe.httpGet, { path: "/health/live", port: "health" });
  const { gracePeriod, process } = snapshot;
  assert.ok(terminationGracePeriodSeconds * 1_000 > gracePeriod + process.shutdownDelay);
});

test("the service of systemd gives a stop the time that the configuration does", () => {
  const { gracePeriod, process } = loadConfig(join(examples, "service.yaml"), {});
  const seconds = Number(/^TimeoutStopSec=(\d+)$/m.exec(read("sluice.service"))?.[1]);
  assert.ok(seconds * 1_000 > gracePeriod + process.shutdownDelay);
});
