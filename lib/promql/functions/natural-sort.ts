// Natural order of strings: runs of digits compare as numbers, so that "web-2" goes before "web-10".
// Specification: github.com/facette/natsort, as Prometheus's sort_by_label uses it.
// Owns the comparison.

import { compareStrings } from '../../labels/labels.ts'

/** Whether a goes before b. An empty string goes before and after nothing. */
export function naturalLess(a: string, b: string): boolean {
  const left = chunks(a)
  const right = chunks(b)
  for (let i = 0; i < left.length; i++) {
    if (i >= right.length) return false
    const order = compareChunks(left[i]!, right[i]!)
    if (order !== 0) return order < 0
    if (i === left.length - 1) return true
  }
  return false
}

function chunks(text: string): string[] {
  return text.match(/\d+|\D+/g) ?? []
}

function compareChunks(a: string, b: string): number {
  const x = int64Of(a)
  const y = int64Of(b)
  if (x === undefined || y === undefined) return compareStrings(a, b)
  return x < y ? -1 : x > y ? 1 : 0
}

const maxInt64 = 2n ** 63n - 1n

function int64Of(chunk: string): bigint | undefined {
  if (!/^\d/.test(chunk)) return undefined
  const value = BigInt(chunk)
  return value <= maxInt64 ? value : undefined
}
