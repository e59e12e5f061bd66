import type { RedisClientType } from "redis";
import { parseRedisUrl } from "./redis-url.ts";

/** Milliseconds until the system has a connection. */
const CONNECT_TIMEOUT = 5000;

type Client = RedisClientType<Record<string, never>, Record<string, never>, Record<string, never>, 2>;

/** Part of a command. Bytes are sent as they are by then. */
export type RedisWord = string | Buffer;

type TypeMapping = Record<number, typeof Buffer>;

/** What makes a connection another one than most. */
export interface RedisConnectionOptions {
  /** Values come as bytes, not as text. */
  readonly asBytes: boolean;
}

/** An error that Redis answered with: it is there, and doesn't want to. */
export class RedisRefusal extends Error {}

/** One connection to Redis, for as long as it lasts. */
export class RedisConnection {
  readonly #client: Client;
  /** What values of which kind come as. */
  readonly #replies: { readonly typeMapping: TypeMapping };
  readonly #isReply: (error: unknown) => error is Error;

  #isClosed = false;

  private constructor(client: Client, types: TypeMapping, isReply: (error: unknown) => error is Error) {
    this.#client = client;
    this.#replies = { typeMapping: types };
    this.#isReply = isReply;
    // The client forgets that it was destroyed while it was connecting.
    client.on("connect", () => {
      if (this.#isClosed) client.destroy();
    });
  }

  /**
   * Nothing is sent yet. The client is loaded the first time that one is wanted.
   * @param onLost told, once or more often, that it is over, unless `open` tells it
   * @throws RangeError when the URL is none
   */
  static async create(
    url: string,
    onLost: (error: Error) => void,
    { asBytes }: RedisConnectionOptions,
  ): Promise<RedisConnection> {
    const { socket, ...target } = parseRedisUrl(url);
    const { createClient, ErrorReply, RESP_TYPES } = await import("redis");
    const client: Client = createClient({
      ...target,
      socket: { ...socket, connectTimeout: CONNECT_TIMEOUT, reconnectStrategy: false },
      // Version 2 of its protocol is understood everywhere, also by what stands between.
      RESP: 2,
      disableOfflineQueue: true,
      disableClientInfo: true,
      maintNotifications: "disabled",
      // Whoever asks knows how long to wait: a timer for each question would cost as much as half of the rest.
      commandOptions: { timeout: 0 },
    });
    client.on("error", onLost);
    // What listens for requests keeps a process alive, and not what counts them.
    client.unref();
    const types = asBytes ? { [RESP_TYPES.BLOB_STRING]: Buffer } : {};
    return new RedisConnection(client, types, (error) => error instanceof ErrorReply);
  }

  /** Kept when Redis has answered. A process that hangs is connected to as well. */
  async open(): Promise<void> {
    await this.#client.connect();
    await this.send(["PING"]);
  }

  /**
   * What is sent within one turn of the loop goes out at once, and is answered in order.
   * Rejects with a `RedisRefusal`, or with what ended the connection.
   */
  async send(words: readonly RedisWord[]): Promise<unknown> {
    try {
      return await this.#client.sendCommand(words, this.#replies);
    } catch (error) {
      throw this.#isReply(error) ? new RedisRefusal(error.message) : error;
    }
  }

  /** Hears what is said on a channel. From then on it is good for nothing else. */
  async subscribe(channel: string, onMessage: (message: string) => void): Promise<void> {
    await this.#client.subscribe(channel, onMessage);
  }

  /** Ends it at once. */
  close(): void {
    this.#isClosed = true;
    this.#client.destroy();
  }
}
