/** So many places may stand empty before what follows is moved up. */
const SLACK = 1024;

/** First in, first out, in constant time however long it gets: an array's own `shift` moves all that follow. */
export class Fifo<T> {
  #items: (T | undefined)[] = [];
  #head = 0;

  get length(): number {
    return this.#items.length - this.#head;
  }

  get isEmpty(): boolean {
    return this.#items.length === this.#head;
  }

  /** The one that has waited longest, undefined when there is none. */
  get first(): T | undefined {
    return this.#items[this.#head];
  }

  push(item: T): void {
    this.#items.push(item);
  }

  shift(): T | undefined {
    if (this.isEmpty) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head++] = undefined;
    if (this.isEmpty) this.clear();
    else if (this.#head >= SLACK && this.#head * 2 >= this.#items.length) this.#moveUp();
    return item;
  }

  clear(): void {
    this.#items.length = 0;
    this.#head = 0;
  }

  #moveUp(): void {
    this.#items = this.#items.slice(this.#head);
    this.#head = 0;
  }
}
