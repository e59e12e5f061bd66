import { describeThrown, notPromised } from "../base/errors.ts";
import {
  type HeadVerdict,
  type Plugin,
  type PluginConnection,
  type PluginDirection,
  PluginError,
  TO_CLIENT,
  TO_UPSTREAM,
  type Transformed,
} from "./plugin.ts";
import { encodeFrame, encodeText, FRAME_HEAD, Frame, writeFrameHead } from "./plugin-frames.ts";

/** Answers are gathered in this much memory; larger ones have their own. */
const USUAL_ANSWER = 64 * 1024 + FRAME_HEAD;

/** A plugin in a process of its own, as that process has it: does what frames ask for, one after the other. */
export class PluginHost {
  readonly #plugin: Plugin;
  readonly #answer: (frame: Buffer) => void;
  /** By their numbers; those that couldn't begin with the reason. */
  readonly #connections = new Map<number, PluginConnection | PluginError>();
  readonly #space = Buffer.allocUnsafeSlow(USUAL_ANSWER);

  /** @param answer sends a frame, which is borrowed */
  constructor(plugin: Plugin, answer: (frame: Buffer) => void) {
    this.#plugin = plugin;
    this.#answer = answer;
    const { name, transforms, filtersRequests } = plugin;
    answer(encodeText(Frame.begun, 0, JSON.stringify({ name, transforms, filtersRequests })));
  }

  /** @throws PluginError for what nobody may ask here */
  take(kind: number, connection: number, payload: Buffer): void {
    switch (kind) {
      case Frame.toUpstream:
        this.#transform(connection, TO_UPSTREAM, payload);
        return;
      case Frame.toClient:
        this.#transform(connection, TO_CLIENT, payload);
        return;
      case Frame.open:
        this.#connections.set(connection, this.#open(payload.toString()));
        return;
      case Frame.close:
        this.#close(connection);
        return;
      case Frame.filter:
        this.#filter(payload.toString("latin1"));
        return;
      default:
        throw new PluginError(`nobody may ask for ${kind} here`);
    }
  }

  #open(clientAddress: string): PluginConnection | PluginError {
    try {
      return this.#plugin.openConnection(clientAddress);
    } catch (error) {
      return new PluginError(describeThrown(error));
    }
  }

  #close(number: number): void {
    const connection = this.#connections.get(number);
    this.#connections.delete(number);
    if (connection !== undefined && !(connection instanceof PluginError)) connection.close();
  }

  #transform(number: number, direction: PluginDirection, bytes: Buffer): void {
    let result: Transformed;
    try {
      const connection = this.#connections.get(number);
      if (connection === undefined || connection instanceof PluginError)
        throw connection ?? new PluginError("there is no such connection");
      result = notPromised(
        connection.transform(direction, bytes, 0, bytes.length),
        "a plugin",
      ) as Transformed;
    } catch (error) {
      this.#answer(encodeText(Frame.failed, number, describeThrown(error)));
      return;
    }
    if (result === null) this.#answer(encodeFrame(Frame.closed, number));
    else this.#send(Frame.bytes, number, result);
  }

  #filter(head: string): void {
    try {
      const verdict = notPromised(this.#plugin.filterRequest(head), "a plugin") as HeadVerdict;
      if (verdict === null) this.#answer(encodeFrame(Frame.pass, 0));
      else if (typeof verdict === "string") this.#send(Frame.head, 0, Buffer.from(verdict, "latin1"));
      else this.#answer(encodeFrame(Frame.status, 0, Buffer.from([verdict & 0xff, verdict >> 8])));
    } catch (error) {
      this.#answer(encodeText(Frame.failed, 0, describeThrown(error)));
    }
  }

  #send(kind: number, number: number, payload: Buffer): void {
    const length = FRAME_HEAD + payload.length;
    if (length > this.#space.length) {
      this.#answer(encodeFrame(kind, number, payload));
      return;
    }
    writeFrameHead(this.#space, kind, number, payload.length);
    this.#space.set(payload, FRAME_HEAD);
    this.#answer(this.#space.subarray(0, length));
  }

  /** Ends the plugin with all its connections. */
  close(): void {
    for (const number of [...this.#connections.keys()]) this.#close(number);
    this.#plugin.close();
  }
}
