import type { Steering } from "../../control/steering.ts";
import type { StreamEvent } from "../../proxy/stream-proxy.ts";
import { type ApiRequest, type ApiResponse, answer, type StreamSink } from "../http/api-message.ts";

/** Milliseconds between two signs of life, by which a client that is gone is noticed. */
const HEARTBEAT = 15_000;
/** Bytes that may wait for a client; what happens meanwhile is left out and counted. */
const MOST_PENDING = 256 * 1024;

/** Tells clients what happens on proxies, as server-sent events, while it happens. */
export class EventStreams {
  readonly #steering: Steering;

  constructor(steering: Steering) {
    this.#steering = steering;
  }

  /** `?proxy=` names the proxies to hear of, if not all. */
  open(request: ApiRequest): ApiResponse {
    const proxies = new Set(request.query.getAll("proxy"));
    for (const proxy of proxies) this.#steering.get(proxy);
    const { headers } = answer(200, "text/event-stream", "", { "Cache-Control": "no-store" });
    return { status: 200, headers, body: (sink) => this.#stream(sink, proxies) };
  }

  #stream(sink: StreamSink, proxies: ReadonlySet<string>): () => void {
    const writer = new EventWriter(sink);
    const forget = this.#steering.onEvent((event) => {
      if (proxies.size === 0 || proxies.has(event.proxy)) writer.write(event);
    });
    const heart = setInterval(() => sink.write(": still here\n\n"), HEARTBEAT);
    sink.write(": events follow\n\n");
    return () => {
      forget();
      clearInterval(heart);
    };
  }
}

/** Writes events as far as the client keeps up with them. */
class EventWriter {
  readonly #sink: StreamSink;
  #missed = 0;

  constructor(sink: StreamSink) {
    this.#sink = sink;
  }

  write(event: StreamEvent): void {
    if (this.#sink.pending > MOST_PENDING) {
      this.#missed++;
      return;
    }
    if (this.#missed > 0) this.#send("missed", { events: this.#missed });
    this.#missed = 0;
    this.#send(event.kind, event);
  }

  #send(name: string, data: object): void {
    this.#sink.write(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
  }
}
