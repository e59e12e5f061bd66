import { once } from "node:events";
import { type ClientHttp2Session, connect, constants } from "node:http2";
import type { Asker, Tally } from "./tally.ts";

const PATIENCE = 30_000;

/** Asks one request after the other over HTTP/2, with TLS. One that was refused before anybody saw it is sent again (RFC 9113 §8.7). */
export class Http2Asker implements Asker {
  readonly #port: number;
  readonly #tally: Tally;
  #session: ClientHttp2Session | null = null;

  constructor(port: number, tally: Tally) {
    this.#port = port;
    this.#tally = tally;
  }

  async ask(): Promise<void> {
    while (!(await this.#isAnswered()));
  }

  async #isAnswered(): Promise<boolean> {
    const stream = this.#current().request({ ":path": "/" });
    stream.setTimeout(PATIENCE, () => stream.destroy(new Error("no answer")));
    try {
      const [headers] = (await once(stream, "response")) as [{ ":status"?: number }];
      stream.resume();
      await once(stream, "close");
      if (headers[":status"] !== 200) throw new Error(`status ${headers[":status"]}`);
      return true;
    } catch (error) {
      if (stream.rstCode === constants.NGHTTP2_REFUSED_STREAM) return false;
      throw error;
    }
  }

  #current(): ClientHttp2Session {
    if (this.#session !== null && !this.#session.closed && !this.#session.destroyed) return this.#session;
    this.#session = connect(`https://localhost:${this.#port}`, {
      ...{ host: "127.0.0.1", servername: "localhost", rejectUnauthorized: false },
    });
    this.#session.on("error", () => undefined);
    this.#tally.connections++;
    return this.#session;
  }

  forget(): void {
    this.#session?.destroy();
    this.#session = null;
  }
}
