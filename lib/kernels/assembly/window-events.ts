// changes() and resets(): the places where a value differs from the one before are listed once; a window's number of them
// is the difference of two positions in that list.
import { take, WindowCall, windows } from './window'

export function changes(call: WindowCall): void {
  countEvents(call, false)
}

export function resets(call: WindowCall): void {
  countEvents(call, true)
}

/**
 * Lists the byte offsets (u32) of values smaller than the one before them, closed by 2^32 − 1. No NaN is smaller or larger than
 * anything.
 */
export function listResets(call: WindowCall): usize {
  const values = call.values
  const list = take(call, (<usize>call.length + 1) << 2)
  let to = list
  if (call.length > 0) {
    const last = values + ((<usize>(call.length - 1)) << 3)
    let at = values
    while (at < last) {
      // Rising pairs are passed four at a time.
      if (at + 32 <= last) {
        const fallsA = v128.gt<f64>(v128.load(at), v128.load(at, 8))
        const fallsB = v128.gt<f64>(v128.load(at, 16), v128.load(at, 24))
        if (!v128.any_true(v128.or(fallsA, fallsB))) {
          at += 32
          continue
        }
      }
      const block = at + 32 < last ? at + 32 : last
      for (; at < block; at += 8) {
        if (load<f64>(at, 8) < load<f64>(at)) {
          store<u32>(to, <u32>(at + 8 - values))
          to += 4
        }
      }
    }
  }
  store<u32>(to, u32.MAX_VALUE)
  return list
}

/** The same for values that differ from the one before; one NaN does not differ from another. */
function listChanges(call: WindowCall): usize {
  const values = call.values
  const list = take(call, (<usize>call.length + 1) << 2)
  const end = values + ((<usize>call.length) << 3)
  let to = list
  for (let at = values + 8; at < end; at += 8) {
    const x = load<f64>(at)
    const before = load<f64>(at - 8)
    if (x != before && !(x != x && before != before)) {
      store<u32>(to, <u32>(at - values))
      to += 4
    }
  }
  store<u32>(to, u32.MAX_VALUE)
  return list
}

function countEvents(call: WindowCall, falls: bool): void {
  const bounds = windows(call)
  let from = falls ? listResets(call) : listChanges(call)
  let to = from
  for (let i: usize = 0; i < <usize>call.steps; i++) {
    const first = load<u32>(bounds + (i << 3))
    const end = load<u32>(bounds + (i << 3), 4)
    // An event at the window's first sample is between it and a sample outside.
    while (load<u32>(from) <= first) from += 4
    while (load<u32>(to) < end) to += 4
    const some = end > first
    store<u8>(call.outPresent + i, <u8>some)
    store<f64>(call.outValues + (i << 3), some && to > from ? <f64>((to - from) >> 2) : 0)
  }
}
