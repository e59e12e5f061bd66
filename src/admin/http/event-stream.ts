import { type ApiResponse, answer, type StreamSink } from "./api-message.ts";

/** Milliseconds between two signs of life, by which a client that is gone is noticed. */
const HEARTBEAT = 15_000;
/** Bytes that may wait for a client; what happens meanwhile is left out and counted. */
const MOST_PENDING = 256 * 1024;

/** Something that happened, by the name of its kind. */
export interface NamedEvent {
  readonly kind: string;
}

/**
 * Tells a client what happens while it happens, as server-sent events named by their kinds.
 * @param subscribe begins to tell, until the function that it returns is called
 */
export function eventStream(subscribe: (tell: (event: NamedEvent) => void) => () => void): ApiResponse {
  const { headers } = answer(200, "text/event-stream", "", { "Cache-Control": "no-store" });
  return {
    status: 200,
    headers,
    body(sink) {
      const writer = new EventWriter(sink);
      const forget = subscribe((event) => writer.write(event));
      const heart = setInterval(() => sink.write(": still here\n\n"), HEARTBEAT);
      sink.write(": events follow\n\n");
      return () => {
        forget();
        clearInterval(heart);
      };
    },
  };
}

/** Writes events as far as the client keeps up with them. */
class EventWriter {
  readonly #sink: StreamSink;
  #missed = 0;

  constructor(sink: StreamSink) {
    this.#sink = sink;
  }

  write(event: NamedEvent): void {
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
