/**
 * As much of a browser's XMLHttpRequest as clients of gRPC-Web go by, over `fetch`: text that grows as it comes, or bytes.
 */
export class FetchedXmlHttpRequest {
  readyState = 0;
  status = 0;
  statusText = "";
  responseText = "";
  responseType = "";
  withCredentials = false;
  timeout = 0;
  onreadystatechange: (() => void) | null = null;
  #method = "GET";
  #url = "";
  #headers: [string, string][] = [];
  #answered: Headers = new Headers();
  readonly #abort: AbortController = new AbortController();

  /** Bytes where those were asked for, all at once. */
  get response(): string | ArrayBuffer {
    if (this.responseType !== "arraybuffer") return this.responseText;
    return Uint8Array.from(this.responseText, (char) => char.charCodeAt(0)).buffer;
  }

  open(method: string, url: string): void {
    this.#method = method;
    this.#url = url;
    this.#move(1);
  }

  setRequestHeader(name: string, value: string): void {
    this.#headers.push([name, value]);
  }

  getResponseHeader(name: string): string | null {
    return this.#answered.get(name);
  }

  getAllResponseHeaders(): string {
    return [...this.#answered].map(([name, value]) => `${name}: ${value}\r\n`).join("");
  }

  abort(): void {
    this.onreadystatechange = null;
    this.#abort.abort();
  }

  send(body: string | Uint8Array<ArrayBuffer> | null = null): void {
    this.#fetch(body).catch(() => {
      this.status = 0;
      this.#move(4);
    });
  }

  async #fetch(body: string | Uint8Array<ArrayBuffer> | null): Promise<void> {
    const { signal } = this.#abort;
    const response = await fetch(this.#url, { method: this.#method, headers: this.#headers, body, signal });
    this.status = response.status;
    this.statusText = response.statusText;
    this.#answered = response.headers;
    this.#move(2);
    for await (const piece of response.body ?? []) {
      this.responseText += Buffer.from(piece).toString("latin1");
      this.#move(3);
    }
    this.#move(4);
  }

  #move(state: number): void {
    this.readyState = state;
    this.onreadystatechange?.();
  }
}
