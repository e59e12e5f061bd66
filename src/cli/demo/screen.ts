import { styleText } from "node:util";
import type { CounterName } from "../../base/counters.ts";
import type { DemoOrigin } from "./origin.ts";
import type { Visit } from "./visitor.ts";

type Style = Parameters<typeof styleText>[0];

/** Colours on a terminal, plain text elsewhere. */
function paint(style: Style, text: string): string {
  return styleText(style, text, { stream: process.stdout });
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

export function showPlan(origins: readonly DemoOrigin[], address: string, threads: number): void {
  const url = `http://${address}`;
  print(`\n${paint("bold", "Sluice")} — a demonstration\n`);
  print(`   you, curl, a browser ──▶ ${paint("cyan", url)}   balancer, round robin, ${threads} threads`);
  origins.forEach((origin, i) => {
    const branch = i === origins.length - 1 ? "└──▶" : "├──▶";
    print(`                              ${branch} origin ${origin.name.padEnd(6)} http://${origin.address}`);
  });
  print(`\nTry it:      ${paint("cyan", `curl -i ${url}/`)}`);
  print(`Load it:     ${paint("cyan", `wrk -c 64 -d 5 ${url}/`)}`);
  print(`Your own:    ${paint("cyan", "sluice http --bind :8080 --upstream 127.0.0.1:3000")}`);
  print(`End it:      Ctrl+C\n\nA visitor asks for a page every second:\n`);
}

export function showVisit(visit: Visit | Error): void {
  const time = paint("dim", new Date().toTimeString().slice(0, 8));
  if (visit instanceof Error) {
    print(`  ${time}  ${paint("red", visit.message)}`);
    return;
  }
  const status = paint(visit.status < 400 ? "green" : "red", String(visit.status));
  const took = paint("dim", `${visit.milliseconds.toFixed(1)} ms`);
  print(`  ${time}  GET ${visit.path.padEnd(20)} ${status}  origin ${visit.origin.padEnd(6)} ${took}`);
}

export function showTotals(counters: Record<CounterName, number>): void {
  const { requests, upstreamConnects, upstreamReuses, responseBodyBytes } = counters;
  const connections = `${upstreamConnects} connections to origins made, ${upstreamReuses} times one was reused`;
  print(`\n${requests} requests, ${responseBodyBytes} bytes of answers; ${connections}.`);
}
