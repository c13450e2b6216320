// quantile and median absolute deviation over time: each window's values sorted, NaN first (promql/quantile.go: quantile).
import { eachWindow, take, WindowCall } from './window'

let sorted: usize = 0
let spare: usize = 0

export function quantile(call: WindowCall): void {
  sorted = take(call, <usize>call.length << 3)
  spare = take(call, <usize>call.length << 3)
  heldEnd = 0
  eachWindow(call, 1, (times, values, count, t, call) => {
    const phi = call.param0
    if (!(phi >= 0 && phi <= 1)) return outsideQuantile(phi)
    slideTo(values, values + (<usize>count << 3))
    return valueAt(phi, count)
  })
}

// The samples whose values are in `sorted`.
let heldFirst: usize = 0
let heldEnd: usize = 0

/**
 * Brings the values of a window, which begins and ends no earlier than the last one, into `sorted`. Where few come and go they are
 * put in and taken out one by one. Equal values are in order of time, so that the sign of a zero is that of a stable sort.
 */
function slideTo(first: usize, end: usize): void {
  if (first >= heldEnd || first - heldFirst + (end - heldEnd) > (end - first) >> 1) {
    memory.copy(sorted, first, end - first)
    sort(<i32>((end - first) >> 3))
  } else {
    let count = (heldEnd - heldFirst) >> 3
    for (let at = heldFirst; at < first; at += 8) {
      const place = placeOf(load<f64>(at), count--, false)
      memory.copy(place, place + 8, sorted + (count << 3) - place)
    }
    for (let at = heldEnd; at < end; at += 8) {
      const value = load<f64>(at)
      const place = placeOf(value, count, true)
      memory.copy(place + 8, place, sorted + (count++ << 3) - place)
      store<f64>(place, value)
    }
  }
  heldFirst = first
  heldEnd = end
}

/** The first of the sorted values that is not before `value`; with `behind` the first one that `value` is before. */
@inline
function placeOf(value: f64, count: usize, behind: bool): usize {
  let place = sorted
  while (count > 0) {
    const half = count >> 1
    const middle = place + (half << 3)
    const other = load<f64>(middle)
    const isLater = behind ? !before(value, other) : before(other, value)
    place = isLater ? middle + 8 : place
    count = isLater ? count - half - 1 : half
  }
  return place
}

export function mad(call: WindowCall): void {
  sorted = take(call, <usize>call.length << 3)
  spare = take(call, <usize>call.length << 3)
  eachWindow(call, 1, windowMad)
}

function windowMad(times: usize, values: usize, count: i32, t: f64, call: WindowCall): f64 {
  for (let i: usize = 0; i < <usize>count; i++) {
    const x = load<f64>(values + (i << 3))
    if (x != x) return NaN
    store<f64>(sorted + (i << 3), x)
  }
  sort(count)
  const median = valueAt(0.5, count)
  for (let i: usize = 0; i < <usize>count; i++) {
    store<f64>(sorted + (i << 3), abs(load<f64>(sorted + (i << 3)) - median))
  }
  sort(count)
  return valueAt(0.5, count)
}

/** For φ beyond [0, 1]. */
function outsideQuantile(phi: f64): f64 {
  return phi < 0 ? -Infinity : phi > 1 ? Infinity : NaN
}

/** The φ-quantile of the `count` values in `sorted`, which are in order; between two of them it is their weighted mean. */
function valueAt(phi: f64, count: i32): f64 {
  const last = <f64>(count - 1)
  const rank = phi * last
  const lower = floor(rank)
  const upper = lower + 1 < last ? lower + 1 : last
  const weight = rank - lower
  return load<f64>(sorted + (<usize>lower << 3)) * (1 - weight) + load<f64>(sorted + (<usize>upper << 3)) * weight
}

/** Prometheus's order of samples: NaN before everything. */
@inline
function before(a: f64, b: f64): bool {
  return a < b || (a != a && b == b)
}

/** Sorts `sorted`: runs of 12 by insertion, then merged by pairs through `spare`. */
function sort(count: i32): void {
  for (let from = 0; from < count; from += 12) insertionSort(from, from + 12 < count ? from + 12 : count)
  for (let width = 12; width < count; width *= 2) {
    for (let from = 0; from < count; from += width * 2) {
      merge(from, min(from + width, count), min(from + width * 2, count))
    }
    const swapped = sorted
    sorted = spare
    spare = swapped
  }
}

function insertionSort(from: i32, to: i32): void {
  for (let i = from + 1; i < to; i++) {
    const x = load<f64>(sorted + (<usize>i << 3))
    let at = sorted + (<usize>i << 3)
    const start = sorted + (<usize>from << 3)
    for (; at > start && before(x, load<f64>(at - 8)); at -= 8) store<f64>(at, load<f64>(at - 8))
    store<f64>(at, x)
  }
}

/** Merges [from, middle) and [middle, to) of `sorted` into the same place of `spare`. */
function merge(from: i32, middle: i32, to: i32): void {
  let left = from
  let right = middle
  for (let i = from; i < to; i++) {
    const takeRight =
      left == middle ||
      (right < to && before(load<f64>(sorted + (<usize>right << 3)), load<f64>(sorted + (<usize>left << 3))))
    store<f64>(spare + (<usize>i << 3), load<f64>(sorted + (<usize>(takeRight ? right++ : left++) << 3)))
  }
}
