// The middle of what was measured: one run that the machine held up does not move it.

/** Of at least one value; of an even number the upper of the two in the middle. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!
}
