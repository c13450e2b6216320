// Window functions that look at a window's first and last sample or at its size alone. Values keep their bits.
import { WindowCall, windows } from './window'

export function first(call: WindowCall): void {
  eachEdge(call, Edge.First)
}

export function last(call: WindowCall): void {
  eachEdge(call, Edge.Last)
}

/** Seconds. */
export function tsOfFirst(call: WindowCall): void {
  eachEdge(call, Edge.FirstTime)
}

/** Seconds. */
export function tsOfLast(call: WindowCall): void {
  eachEdge(call, Edge.LastTime)
}

export function sampleCount(call: WindowCall): void {
  eachEdge(call, Edge.Count)
}

export function present(call: WindowCall): void {
  eachEdge(call, Edge.One)
}

enum Edge {
  First,
  Last,
  FirstTime,
  LastTime,
  Count,
  One,
}

/** The value of a window of byte offsets [first, end), as the bits of a double. */
@inline
function edgeOf(call: WindowCall, first: usize, end: usize, edge: Edge): u64 {
  if (edge == Edge.First) return load<u64>(call.values + first)
  if (edge == Edge.Last) return load<u64>(call.values + end - 8)
  if (edge == Edge.FirstTime) return reinterpret<u64>(load<f64>(call.times + first) / 1000)
  if (edge == Edge.LastTime) return reinterpret<u64>(load<f64>(call.times + end - 8) / 1000)
  if (edge == Edge.Count) return reinterpret<u64>(<f64>((end - first) >> 3))
  return reinterpret<u64>(<f64>1)
}

@inline
function eachEdge(call: WindowCall, edge: Edge): void {
  const bounds = windows(call)
  for (let i: usize = 0; i < <usize>call.steps; i++) {
    const first = <usize>load<u32>(bounds + (i << 3))
    const end = <usize>load<u32>(bounds + (i << 3), 4)
    const some = end > first
    store<u8>(call.outPresent + i, <u8>some)
    store<u64>(call.outValues + (i << 3), some ? edgeOf(call, first, end, edge) : 0)
  }
}
