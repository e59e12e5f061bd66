/** Something that was done, or that failed. Plain data. */
export interface PlayEvent {
  /**
   * `create` and `remove` are the scenario's proxies; `round` is the start of one, where there are several; `value` is a
   * ramp on its way and `arrive` its end; `undo` ends a step, or brings back what a step had changed.
   */
  readonly kind:
    | "create"
    | "remove"
    | "round"
    | "step"
    | "log"
    | "value"
    | "arrive"
    | "undo"
    | "fail"
    | "stop";
  /** 1 for the first. */
  readonly round: number;
  /** Milliseconds of the scenario's own time since the start of the round. */
  readonly at: number;
  /** The step, 1 for the first; 0 for none. */
  readonly step: number;
  readonly proxies: readonly string[];
  /** One line for people. */
  readonly text: string;
}
