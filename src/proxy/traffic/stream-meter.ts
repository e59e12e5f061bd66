import type { TopList } from "../../base/traffic/top-list.ts";
import { TopCount } from "../../base/traffic/top-memory.ts";
import type { TrafficBook } from "../../base/traffic/traffic-book.ts";
import { TrafficCount, type TrafficRow } from "../../base/traffic/traffic-row.ts";

/** Counts the connections of a TCP proxy, or the sessions of a UDP proxy, in one thread. */
export class StreamMeter {
  readonly row: TrafficRow;
  readonly #book: TrafficBook;

  /** @param name of the proxy */
  constructor(book: TrafficBook, name: string) {
    this.#book = book;
    this.row = book.row("listener", name);
  }

  /** A connection is open, and is known to be this client's. */
  open(client: string): MeteredStream {
    return new MeteredStream(this.row, this.#book, client);
  }
}

/** What one connection moves, counted while it lasts: at its listener, at its server, and as its client's. */
export class MeteredStream {
  readonly #row: TrafficRow;
  readonly #book: TrafficBook;
  readonly #clients: TopList | null;
  /** Where its client is counted. */
  readonly #mark: number;
  readonly #since: number = performance.now();
  /** Null before there is a server. */
  #upstream: TrafficRow | null = null;
  #up = 0;
  #down = 0;

  constructor(row: TrafficRow, book: TrafficBook, client: string) {
    this.#row = row;
    this.#book = book;
    this.#clients = book.clients;
    this.#mark = this.#clients === null ? -1 : this.#clients.enterText(client);
    this.#clients?.add(this.#mark, TopCount.connections, 1);
  }

  /** @param server as it was written; @param isTimed whether the time until now says something about it */
  onConnected(server: string, isTimed: boolean = true): void {
    this.#upstream = this.#book.row("upstream", server);
    this.#upstream.add(TrafficCount.connections);
    this.#upstream.add(TrafficCount.connectionsOpen);
    if (isTimed) this.#upstream.addLatency(performance.now() - this.#since);
  }

  /** @param up bytes that have come from the client, all in all; @param down from the server */
  onMoved(up: number, down: number): void {
    this.#row.addBytes(up - this.#up, down - this.#down);
    this.#upstream?.addBytes(up - this.#up, down - this.#down);
    this.#up = up;
    this.#down = down;
  }

  /** No server could be reached. */
  onFailed(): void {
    this.#row.add(TrafficCount.failed);
    this.#clients?.add(this.#mark, TopCount.failed, 1);
  }

  onClosed(): void {
    this.#upstream?.add(TrafficCount.connectionsOpen, -1);
    this.#clients?.add(this.#mark, TopCount.bytesIn, this.#up);
    this.#clients?.add(this.#mark, TopCount.bytesOut, this.#down);
  }
}
