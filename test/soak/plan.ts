import type { Answer, Order } from "./order.ts";
import type { Random } from "./random.ts";

/** How a client leaves before it has its answer. */
export interface Leaving {
  /** After the request was sent, in the middle of its upload, in the middle of the answer's body. */
  readonly when: "waiting" | "upload" | "body";
  /** Milliseconds of waiting, or bytes of the body in question. */
  readonly at: number;
  readonly how: "end" | "destroy" | "reset";
}

/** A request as a client makes it. */
export interface Plan {
  readonly order: Order;
  readonly isHttp10: boolean;
  readonly chunkedUpload: boolean;
  readonly expectsContinue: boolean;
  readonly leaving: Leaving | null;
  /** Stops reading for some milliseconds once so many bytes of the body have come; -1: never. */
  readonly pauseAt: number;
  readonly pauseFor: number;
}

/** Requests that are sent at once on one connection. */
export interface Burst {
  readonly plans: readonly Plan[];
  /** Ends its direction after the last request and waits for the answers. */
  readonly halfClose: boolean;
  /** Uses a new connection next. */
  readonly lastOfConnection: boolean;
}

/** Ids are dealt out to the clients in turn, so that none is given twice. */
export interface IdSource {
  next(): number;
}

const plainAnswers: readonly Answer[] = ["length", "length", "length", "chunked", "chunked", "close"];

/** Draws what a client does next. */
export class Planner {
  readonly #random: Random;
  readonly #ids: IdSource;

  constructor(random: Random, ids: IdSource) {
    this.#random = random;
    this.#ids = ids;
  }

  /** @param most requests at most */
  nextBurst(most: number): Burst {
    const random = this.#random;
    const wanted = random.chance(0.05) ? random.between(2, 8) : 1;
    const count = Math.min(most, wanted);
    const plans = Array.from({ length: count }, (_, i) => this.#plan(i === count - 1));
    const isLast = plans.at(-1)!.isHttp10;
    return {
      plans,
      halfClose: plans.at(-1)!.leaving === null && random.chance(0.005),
      lastOfConnection: isLast || random.chance(0.01),
    };
  }

  /** Only the last request of a burst uploads or leaves: what followed would be cut with it. */
  #plan(isLast: boolean): Plan {
    const random = this.#random;
    const order = isLast && random.chance(0.12) ? this.#uploadOrder() : this.#plainOrder();
    const hasUpload = order.upload >= 0;
    const leaves = isLast && random.chance(0.02);
    const pauses = order.size > 20_000 && random.chance(0.1);
    const chunkedUpload = hasUpload && random.chance(0.4);
    const isHttp10 = isLast && !chunkedUpload && random.chance(0.02);
    return {
      order,
      isHttp10,
      chunkedUpload,
      // HTTP/1.0 knows no 100, so nobody would say it.
      expectsContinue: !isHttp10 && hasUpload && order.upload > 0 && random.chance(0.05),
      leaving: leaves ? this.#leaving(order) : null,
      pauseAt: pauses ? random.between(0, order.size) : -1,
      pauseFor: random.between(1, 30),
    };
  }

  #plainOrder(): Order {
    const random = this.#random;
    const draw = random.next();
    const method = draw < 0.04 ? "HEAD" : "GET";
    let answer = random.pick(plainAnswers);
    // The end of the connection is an expensive way to end a body.
    if (answer === "close" && random.chance(0.9)) answer = "length";
    if (draw > 0.97) answer = "not-modified";
    else if (draw > 0.96) answer = "no-content";
    const hasBody = method === "GET" && answer !== "not-modified" && answer !== "no-content";
    const size = hasBody || method === "HEAD" ? this.#size() : 0;
    const order = this.#base(method, answer, size, -1);
    return random.chance(0.03) ? this.#withFault(order, hasBody && size > 0) : order;
  }

  #uploadOrder(): Order {
    const random = this.#random;
    const size = random.chance(0.8) ? random.between(0, 100) : this.#size();
    const order = this.#base(random.chance(0.7) ? "POST" : "PUT", "length", size, this.#size());
    if (!random.chance(0.04)) return order;
    return { ...order, fault: random.pick(["drop", "early"]), faultAt: random.between(0, order.upload) };
  }

  #base(method: Order["method"], answer: Answer, size: number, upload: number): Order {
    const random = this.#random;
    return {
      id: this.#ids.next(),
      method,
      answer,
      size,
      fault: "none",
      faultAt: 0,
      byReset: random.chance(0.5),
      slow: random.chance(0.01),
      upload,
    };
  }

  #withFault(order: Order, canBeCut: boolean): Order {
    const random = this.#random;
    if (!canBeCut || random.chance(0.6)) {
      return { ...order, fault: random.pick(["drop", "drop-reused", "half-head"]) };
    }
    const faultAt = random.between(0, order.size - 1);
    // The end of a connection can't be told from the end of a body that it ends.
    return { ...order, fault: "cut", faultAt, byReset: order.byReset || order.answer === "close" };
  }

  #leaving(order: Order): Leaving {
    const random = this.#random;
    const how = random.pick(["end", "destroy", "reset"] as const);
    const draw = random.next();
    if (order.upload > 1 && draw < 0.6)
      return { when: "upload", at: random.between(0, order.upload - 1), how };
    if (order.size > 1 && draw < 0.9) return { when: "body", at: random.between(0, order.size - 1), how };
    return { when: "waiting", at: random.between(0, 5), how };
  }

  /** Most are small, as on the web; the mean is about 7 KB. */
  #size(): number {
    const random = this.#random;
    const draw = random.next();
    if (draw < 0.05) return 0;
    if (draw < 0.62) return random.between(1, 1000);
    if (draw < 0.9) return random.between(1000, 8000);
    return draw < 0.985 ? random.between(8000, 65_536) : random.between(65_536, 262_144);
  }
}
