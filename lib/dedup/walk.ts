// Which sample of two lanes comes next: Thanos's penalty, or every time once.
// Specification: Thanos pkg/dedup (penalty); counters are not adjusted.
// Owns the choice alone: times in, indexes out; the querier and the compactor move the samples.

/** Told the chosen samples in order, by their index in their lane. */
export interface Taker {
  takeA(index: number): void
  takeB(index: number): void
}

/** Where a walk goes on: A's samples before `ia` have been taken, all of them, and none of B's. */
export interface WalkStart {
  readonly ia: number
  /** Time of the last sample taken; −∞: there is none. */
  readonly lastTime: number
  readonly penaltyB: number
}

const atStart: WalkStart = { ia: 0, lastTime: Number.NEGATIVE_INFINITY, penaltyB: 0 }

/** How long a replica that was not chosen waits where the scrape interval is not known yet, ms. */
const initialPenaltyMs = 5000

/**
 * Samples of one side, until it has a hole wider than twice its last interval, then of the other.
 * A side that was not chosen must be later than the last sample by its penalty, so that the sides do not alternate.
 */
export function walkPenalty(
  timesA: ArrayLike<number>,
  timesB: ArrayLike<number>,
  taker: Taker,
  start: WalkStart = atStart,
): void {
  let { ia, lastTime, penaltyB } = start
  let ib = 0
  let penaltyA = 0
  for (;;) {
    while (ia < timesA.length && timesA[ia]! <= lastTime + penaltyA) ia++
    while (ib < timesB.length && timesB[ib]! <= lastTime + penaltyB) ib++
    const endA = ia === timesA.length
    const endB = ib === timesB.length
    if (endA && endB) break
    if (endB || (!endA && timesA[ia]! <= timesB[ib]!)) {
      const time = timesA[ia]!
      if (!endB) penaltyB = penaltyAfter(lastTime, time)
      penaltyA = 0
      lastTime = time
      taker.takeA(ia)
    } else {
      const time = timesB[ib]!
      if (!endA) penaltyA = penaltyAfter(lastTime, time)
      penaltyB = 0
      lastTime = time
      taker.takeB(ib)
    }
  }
}

/**
 * Where A's samples from `from` on first meet B, whose first sample is at `firstB`: before that all of A's are taken,
 * and B stays as it is. Those before `from` must be known to be so.
 */
export function penaltyStart(timesA: ArrayLike<number>, from: number, firstB: number): WalkStart {
  const penaltyAt = (i: number) => penaltyAfter(i > 0 ? timesA[i - 1]! : Number.NEGATIVE_INFINITY, timesA[i]!)
  let ia = from
  while (ia < timesA.length && timesA[ia]! + penaltyAt(ia) < firstB) ia++
  return ia === 0 ? atStart : { ia, lastTime: timesA[ia - 1]!, penaltyB: penaltyAt(ia - 1) }
}

function penaltyAfter(lastTime: number, time: number): number {
  return lastTime === Number.NEGATIVE_INFINITY ? initialPenaltyMs : 2 * (time - lastTime)
}

/** Every time once; where both have it, the first lane's sample. */
export function walkChain(timesA: ArrayLike<number>, timesB: ArrayLike<number>, taker: Taker): void {
  let ia = 0
  let ib = 0
  while (ia < timesA.length || ib < timesB.length) {
    const timeA = timesA[ia] ?? Number.POSITIVE_INFINITY
    const timeB = timesB[ib] ?? Number.POSITIVE_INFINITY
    if (timeB < timeA) taker.takeB(ib)
    else taker.takeA(ia)
    if (timeA <= timeB) ia++
    if (timeB <= timeA) ib++
  }
}
