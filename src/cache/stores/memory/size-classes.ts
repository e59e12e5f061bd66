/** Bytes of a unit: what chunks are multiples of, a cache line. */
export const UNIT: number = 64;

/** Sizes up to so many units are all there. */
const FINE = 16;
/** How much larger, at least, the next of the other sizes is. */
const STEP = 1.12;

/**
 * The sizes of chunks that pages are divided into, in units, ascending; the last is a whole page. Larger ones are parts of a page
 * (a half, a third …), so that next to nothing of it is left over.
 */
export function sizeClasses(pageUnits: number): Int32Array {
  const sizes: number[] = [pageUnits];
  for (let parts = 2; ; parts++) {
    const size = Math.floor(pageUnits / parts);
    if (size <= FINE) break;
    if (sizes.at(-1)! >= size * STEP) sizes.push(size);
  }
  for (let size = Math.min(FINE, pageUnits - 1); size > 0; size--) sizes.push(size);
  return Int32Array.from(sizes.reverse());
}

/** The smallest class for each number of units, from 0 to a whole page. */
export function classesByUnits(sizes: Int32Array): Uint8Array {
  const classes = new Uint8Array(sizes.at(-1)! + 1);
  for (let units = 0, found = 0; units < classes.length; units++) {
    if (sizes[found]! < units) found++;
    classes[units] = found;
  }
  return classes;
}
