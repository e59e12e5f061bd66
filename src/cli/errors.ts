/** Exit codes: done, failed while running, wrong usage or configuration. */
export const Exit = { Done: 0, Failed: 1, Usage: 2 } as const;

/** Something the user has to change: shown as it is, without a stack, and the program ends with code 2. */
export class UsageError extends Error {}
