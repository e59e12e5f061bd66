// All clients, as a process of their own: over HTTP/1 and HTTP/2, with TLS and without, on connections that are kept and on new ones, and
// over WebSockets. At the rate that is wanted, or as fast as the machine goes.

import { setTimeout as delay } from "node:timers/promises";
import { Http1Asker } from "./http1-lane.ts";
import { Http2Asker } from "./http2-lane.ts";
import type { LoadTask, ToLoad } from "./messages.ts";
import { SocketTalker } from "./socket-lane.ts";
import { type Asker, Tally } from "./tally.ts";

const { ports, rate } = JSON.parse(process.argv[2]!) as LoadTask;
const tally = new Tally();
let isOver = false;

/** Lanes: how many clients, what share of the rate they have together, and how each asks. Handshakes of TLS are dear. */
const lanes: readonly (readonly [name: string, clients: number, share: number, make: () => Asker])[] = [
  ["http1 kept", 32, 0.6, () => new Http1Asker(ports.web, false, true, tally)],
  ["http1 new", 12, 0.1, () => new Http1Asker(ports.web, false, false, tally)],
  ["tls http1 kept", 12, 0.14, () => new Http1Asker(ports.secure, true, true, tally)],
  ["tls http1 new", 2, 0.01, () => new Http1Asker(ports.secure, true, false, tally)],
  ["tls http2", 8, 0.15, () => new Http2Asker(ports.secure, tally)],
];

async function askAgainAndAgain(lane: string, asker: Asker, period: number): Promise<void> {
  let due = performance.now() + Math.random() * period;
  while (!isOver) {
    const early = due - performance.now();
    if (early >= 1) await delay(early);
    const began = performance.now();
    // Who is late doesn't make up for more than a moment.
    due = Math.max(due + period, began - 100);
    try {
      await asker.ask();
      tally.answer(lane, performance.now() - began);
    } catch (error) {
      tally.fail(lane, error);
      asker.forget();
    }
  }
  asker.forget();
}

const work = lanes.flatMap(([name, clients, share, make]) =>
  Array.from({ length: clients }, () => askAgainAndAgain(name, make(), (1_000 * clients) / (rate * share))),
);
const urls = [`ws://127.0.0.1:${ports.web}/chat`, `wss://127.0.0.1:${ports.secure}/chat`];
const talkers = [...urls, ...urls].map((url) => new SocketTalker(url, tally));
work.push(...talkers.map((talker) => talker.talk()));

const telling = setInterval(() => process.send!(tally.counts), 1_000);
process.on("disconnect", () => process.exit());
process.on("message", async (order: ToLoad) => {
  if (order === "upgraded") {
    tally.upgrades++;
    return;
  }
  isOver = true;
  for (const talker of talkers) talker.stop();
  await Promise.all(work);
  clearInterval(telling);
  process.send!(tally.counts, () => process.exit());
});
