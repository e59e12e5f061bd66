/**
 * Programs may be written without types.
 * @param values by their names; undefined: not named
 * @throws TypeError for what is no number from 0 up
 */
export function checkNumbers(values: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(values))
    if (value !== undefined && !(typeof value === "number" && value >= 0))
      throw new TypeError(`${name} is no number from 0 up: ${String(value)}`);
}
