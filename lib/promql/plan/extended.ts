// Which functions may stand over an anchored or smoothed range.
// Specification: Prometheus 3.14, promql/functions.go (AnchoredSafeFunctions, SmoothedSafeFunctions), with its message.
// Owns the two lists.

import { MnemoError } from '../../kit/errors.ts'

export type Extended = 'anchored' | 'smoothed'

/** The functions that may stand over such a range, in the order of their message. */
const functionsOver: Readonly<Record<Extended, readonly string[]>> = {
  anchored: ['changes', 'delta', 'increase', 'rate', 'resets'],
  smoothed: ['delta', 'increase', 'rate'],
}

/** Throws `execution` for a selector below a function that is none of those; when it is run, as in Prometheus. */
export function checkExtended({
  extended,
  func,
}: {
  readonly extended?: Extended | undefined
  readonly func: string
}): void {
  if (extended === undefined) return
  const allowed = functionsOver[extended]
  if (allowed.includes(func)) return
  throw new MnemoError(
    'execution',
    `${extended} modifier can only be used with: ${allowed.join(', ')} - not with ${func}`,
  )
}
