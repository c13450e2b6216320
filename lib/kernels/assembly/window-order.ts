// quantile and median absolute deviation over time: each window's values sorted, NaN first (promql/quantile.go: quantile).
import { eachWindow, take, WindowCall } from './window'

let sorted: usize = 0
let spare: usize = 0

export function quantile(call: WindowCall): void {
  sorted = take(call, <usize>call.length << 3)
  spare = take(call, <usize>call.length << 3)
  eachWindow(call, 1, (times, values, count, t, call) => {
    memory.copy(sorted, values, <usize>count << 3)
    return quantileOf(call.param0, count)
  })
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
  const median = quantileOf(0.5, count)
  for (let i: usize = 0; i < <usize>count; i++) {
    store<f64>(sorted + (i << 3), abs(load<f64>(sorted + (i << 3)) - median))
  }
  return quantileOf(0.5, count)
}

/** The φ-quantile of the `count` values in `sorted`, which it sorts; between two of them it is their weighted mean. */
function quantileOf(phi: f64, count: i32): f64 {
  if (phi != phi) return NaN
  if (phi < 0) return -Infinity
  if (phi > 1) return Infinity
  sort(count)
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
