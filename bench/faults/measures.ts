import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { median, percentile } from "../measure/statistics.ts";
import type { Api } from "./api.ts";

/** One figure of a server, with what it ought to be. */
export interface Figure {
  readonly name: string;
  readonly value: string;
}

/** Measures one property of a server through proxies of its own. */
export interface Measure {
  readonly title: string;
  run(api: Api, port: number): Promise<Figure[]>;
}

const CONNECTIONS = 100;
const LATENCY = 100;
/** Between two messages on a connection; the connections take turns. */
const PACE = 250;

/** Answers with what it gets. */
export function startEcho(): Promise<Server> {
  return listening(
    createServer({ noDelay: true }, (socket) => void socket.on("error", () => {}).pipe(socket)),
  );
}

/** Sends as fast as it is taken. */
export function startSource(): Promise<Server> {
  const chunk = Buffer.alloc(64 * 1024, 1);
  return listening(
    createServer((socket) => {
      socket.on("error", () => {});
      const fill = (): void => {
        while (socket.write(chunk));
      };
      socket.on("drain", fill);
      fill();
    }),
  );
}

async function listening(server: Server): Promise<Server> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

async function connectTo(port: number): Promise<Socket> {
  const socket = connect({ host: "127.0.0.1", port, noDelay: true });
  await once(socket, "connect");
  return socket;
}

/** Milliseconds from sending a message to having it back, of `rounds` messages on each of many connections. */
async function roundTrips(port: number, rounds: number): Promise<number[]> {
  const sockets = await Promise.all(Array.from({ length: CONNECTIONS }, () => connectTo(port)));
  const message = Buffer.alloc(64, 1);
  const converse = async (socket: Socket, index: number): Promise<number[]> => {
    const times: number[] = [];
    await new Promise((resolve) => setTimeout(resolve, (index * PACE) / CONNECTIONS));
    for (let round = 0; round < rounds; round++) {
      const start = performance.now();
      socket.write(message);
      for (let got = 0; got < message.length; ) got += ((await once(socket, "data")) as [Buffer])[0].length;
      times.push(performance.now() - start);
      await new Promise((resolve) => setTimeout(resolve, Math.max(PACE - (performance.now() - start), 1)));
    }
    socket.destroy();
    return times;
  };
  return (await Promise.all(sockets.map(converse))).flat();
}

/** Latency of 100 ms: what is added to the way without it, against what was asked for. */
export function latency(rounds: number): Measure {
  return {
    title: `latency ${LATENCY} ms, ${CONNECTIONS} connections`,
    async run(api, echoPort) {
      const plain = await roundTrips(await api.createProxy("plain", echoPort), Math.ceil(rounds / 4));
      const base = median(plain);
      const port = await api.createProxy("slow", echoPort);
      await api.addToxic("slow", "latency", { latency: LATENCY, jitter: 0 });
      const errors = (await roundTrips(port, rounds)).map((time) => time - base - LATENCY);
      const sizes = errors.map(Math.abs).toSorted((a, b) => a - b);
      return [
        { name: "without", value: `${base.toFixed(2)} ms` },
        { name: "median error", value: `${median(errors).toFixed(2)} ms` },
        { name: "p99 of its size", value: `${percentile(sizes, 0.99).toFixed(2)} ms` },
      ];
    },
  };
}

/** Jitter: how far the distribution is from the uniform one that was asked for (Kolmogorov-Smirnov distance). */
export function jitter(rounds: number): Measure {
  const half = 50;
  return {
    title: `latency ${LATENCY} ms ± ${half} ms`,
    async run(api, echoPort) {
      const port = await api.createProxy("jittery", echoPort);
      await api.addToxic("jittery", "latency", { latency: LATENCY, jitter: half });
      const times = (await roundTrips(port, rounds)).toSorted((a, b) => a - b);
      const distance = Math.max(
        ...times.map((time, i) => {
          const expected = Math.min(Math.max((time - LATENCY + half) / (2 * half), 0), 1);
          return Math.abs((i + 0.5) / times.length - expected);
        }),
      );
      return [
        { name: "shortest", value: `${times[0]!.toFixed(1)} ms` },
        { name: "longest", value: `${times.at(-1)!.toFixed(1)} ms` },
        { name: "distance from uniform", value: distance.toFixed(3) },
      ];
    },
  };
}

const WINDOW = 100;

/** Bandwidth: the average over some seconds, and how much single tenths of a second differ. */
export function bandwidth(rate: number, seconds: number): Measure {
  return {
    title: `bandwidth ${rate} KB/s, ${seconds} s`,
    async run(api, sourcePort) {
      const name = `limited-${rate}`;
      const port = await api.createProxy(name, sourcePort);
      await api.addToxic(name, "bandwidth", { rate });
      const windows = await receive(port, seconds);
      const perWindow = rate * WINDOW;
      const shares = windows.map((bytes) => bytes / perWindow).toSorted((a, b) => a - b);
      const average = windows.reduce((sum, bytes) => sum + bytes, 0) / (perWindow * windows.length);
      return [
        { name: "average", value: `${(average * 100 - 100).toFixed(2)} %` },
        { name: "p5 of 100 ms", value: `${(percentile(shares, 0.05) * 100).toFixed(0)} %` },
        { name: "p95 of 100 ms", value: `${(percentile(shares, 0.95) * 100).toFixed(0)} %` },
      ];
    },
  };
}

/** Bytes that came in each tenth of a second, but for the first second. */
async function receive(port: number, seconds: number): Promise<number[]> {
  const socket = await connectTo(port);
  const skipped = 1000 / WINDOW;
  const windows = new Array<number>(seconds * skipped + skipped).fill(0);
  const start = performance.now();
  socket.on("data", (bytes) => {
    const window = Math.floor((performance.now() - start) / WINDOW);
    if (window < windows.length) windows[window]! += bytes.length;
  });
  await new Promise((resolve) => setTimeout(resolve, windows.length * WINDOW + WINDOW));
  socket.destroy();
  return windows.slice(skipped);
}
