/** How an answer's body is framed by the origin, or that there is none. */
export type Answer = "length" | "chunked" | "close" | "not-modified" | "no-content";

/** What the origin does wrong on purpose. */
export type Fault =
  | "none"
  /** Breaks off before a byte of the answer, once `faultAt` bytes of the upload have come. */
  | "drop"
  /** As `drop`, but only on a connection that has carried a request before: the proxy has to try another. */
  | "drop-reused"
  /** Breaks off in the middle of the answer's head. */
  | "half-head"
  /** Breaks off after `faultAt` bytes of the answer's body. */
  | "cut"
  /** Answers 403 once `faultAt` bytes of the upload have come. */
  | "early";

/** What one request asks of the origin. It travels in the path, so that both ends know what has to happen. */
export interface Order {
  /** Never given twice in a run; the seed of the bodies. */
  readonly id: number;
  readonly method: "GET" | "HEAD" | "POST" | "PUT";
  readonly answer: Answer;
  /** Bytes of the answer's body. */
  readonly size: number;
  readonly fault: Fault;
  readonly faultAt: number;
  /** Breaks off with RST, not with FIN. */
  readonly byReset: boolean;
  /** Takes the upload and gives the answer in pieces with some milliseconds between. */
  readonly slow: boolean;
  /** Bytes of the upload; -1 without one. */
  readonly upload: number;
}

export function encodeTarget(order: Order): string {
  const { id, answer, size, fault, faultAt, byReset, slow, upload } = order;
  const end = byReset ? "reset" : "end";
  return `/${id}/${answer}/${size}/${fault}/${faultAt}/${end}/${slow ? "slow" : "fast"}/${upload}`;
}

export function parseOrder(method: string, target: string): Order {
  const [, id, answer, size, fault, faultAt, end, pace, upload] = target.split("/");
  if (upload === undefined) throw new Error(`not an order: ${method} ${target}`);
  return {
    id: Number(id),
    method: method as Order["method"],
    answer: answer as Answer,
    size: Number(size),
    fault: fault as Fault,
    faultAt: Number(faultAt),
    byReset: end === "reset",
    slow: pace === "slow",
    upload: Number(upload),
  };
}

/** Seeds of the two bodies, so that neither passes for the other, nor for one of another request. */
export function answerSeed(order: Order): number {
  return order.id * 2;
}

export function uploadSeed(order: Order): number {
  return order.id * 2 + 1;
}

/** The status of an answer that comes from the origin. */
export function statusOf(order: Order): number {
  if (order.fault === "early") return 403;
  if (order.answer === "not-modified") return 304;
  return order.answer === "no-content" ? 204 : 200;
}
