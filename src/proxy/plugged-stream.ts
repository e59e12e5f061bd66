import type { ByteSink, ByteStream } from "../http/streams.ts";
import type { PluginDirection } from "../plugins/plugin.ts";
import type { PipeOwner, PluginPipe } from "../plugins/plugin-pipe.ts";
import type { PluginRowConnection } from "../plugins/plugin-row.ts";

/** Hears that plugins want a connection to be ended: null, or have failed. */
export type PluginFailureListener = (error: Error | null) => void;

/**
 * One side of a relay whose bytes go through plugins before the other side gets them:
 *
 *     socket ──▶ inner stream ──▶ plugins ──▶ sink, the other side
 *            ◀────── send ◀──────────────────
 *
 * The inner stream stands still while a plugin takes its time, or while the other side can't take more.
 */
export class PluggedStream implements ByteStream, ByteSink, PipeOwner {
  sink: ByteSink;
  readonly #inner: ByteStream;
  readonly #pipe: PluginPipe;
  readonly #onFailure: PluginFailureListener;
  /** The other side can't take more. */
  #isPaused = false;
  /** The inner stream is gone, but what it had said is still on its way. */
  #isClosePending = false;

  constructor(
    connection: PluginRowConnection,
    direction: PluginDirection,
    sink: ByteSink,
    openInner: (sink: ByteSink) => ByteStream,
    onFailure: PluginFailureListener,
  ) {
    this.sink = sink;
    this.#pipe = connection.pipe(direction, this);
    this.#onFailure = onFailure;
    this.#inner = openInner(this);
  }

  // ── what the other side says ───────────────────────────────────────────────────────────────────────────────────

  get blocked(): boolean {
    return this.#inner.blocked;
  }

  send(bytes: Buffer, start: number, end: number): void {
    this.#inner.send(bytes, start, end);
  }

  end(): void {
    this.#inner.end();
  }

  abort(): void {
    this.#pipe.stop();
    this.#inner.abort();
    if (this.#isClosePending) this.#concludeClose();
  }

  pause(): void {
    this.#isPaused = true;
    this.#inner.pause();
  }

  resume(): void {
    this.#isPaused = false;
    if (!this.#pipe.isBusy) this.#inner.resume();
  }

  // ── what comes in ──────────────────────────────────────────────────────────────────────────────────────────────

  onBytes(bytes: Buffer, start: number, end: number): void {
    this.#pipe.push(bytes, start, end);
  }

  onBytesEnd(): void {
    this.#pipe.end();
  }

  onBytesBlocked(): void {
    this.sink.onBytesBlocked();
  }

  onBytesDrained(): void {
    this.sink.onBytesDrained();
  }

  onBytesClosed(error: Error | null): void {
    if (error === null && this.#pipe.isBusy) {
      this.#isClosePending = true;
      return;
    }
    this.#pipe.stop();
    this.sink.onBytesClosed(error);
  }

  #concludeClose(): void {
    this.#isClosePending = false;
    this.sink.onBytesClosed(null);
  }

  // ── what plugins make of it ────────────────────────────────────────────────────────────────────────────────────

  onPiped(bytes: Buffer, start: number, end: number): void {
    this.sink.onBytes(bytes, start, end);
  }

  onPipedEnd(): void {
    this.sink.onBytesEnd();
  }

  onPipeBusy(): void {
    this.#inner.pause();
  }

  onPipeIdle(): void {
    if (this.#isClosePending) this.#concludeClose();
    else if (!this.#isPaused) this.#inner.resume();
  }

  onPipeFailed(error: Error | null): void {
    this.#onFailure(error);
    if (this.#isClosePending) this.#concludeClose();
  }
}
