// Prometheus's stale marker: one NaN among many, told by its bits alone.
// Definition: Prometheus model/value/value.go (StaleNaN, 0x7ff0000000000002).
// Owns the bits; JavaScript may change a NaN's bits on its way through a plain variable, so they are compared as words.

export const staleHi = 0x7ff0_0000
export const staleLo = 2

/** Whether the words are those of the stale marker. */
export function isStaleWords({ hi, lo }: { readonly hi: number; readonly lo: number }): boolean {
  return hi === staleHi && (lo | 0) === staleLo
}
