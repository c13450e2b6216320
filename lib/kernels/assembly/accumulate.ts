// Adds a series' row into its group's state, a step at a time (promql/engine.go: aggregation).
// Sixteen steps that are all there go two by two through SIMD, sixteen that are all absent are passed, others go one by one.
// Owns the layout of the states; instance.ts allocates them.
import { compensate, compensatePair } from './kahan'

/** A group's state: this header of 16 bytes, then f64 rows of `stride` bytes each, then u8 × steps: 1 where a value was seen. */
@unmanaged
export class GroupState {
  steps: u32
  /** Bytes from one row to the next, a multiple of 16. */
  stride: u32
  /** Number of f64 rows. */
  rows: u32
  reserved: u32

  @inline
  row(index: usize): usize {
    return changetype<usize>(this) + 16 + <usize>this.stride * index
  }

  @inline
  get seen(): usize {
    return this.row(this.rows)
  }
}

/** Adds the row's values at `offset` bytes into the state: those of sixteen steps or of one. */
type Cell = (state: GroupState, values: usize, offset: usize) => void

function eachPresent(state: GroupState, values: usize, present: usize, sixteen: Cell, one: Cell): void {
  const steps = <usize>state.steps
  const seen = state.seen
  let i: usize = 0
  for (; i + 16 <= steps; i += 16) {
    const there = v128.load(present + i)
    if (v128.all_true<i8>(there)) sixteen(state, values, i << 3)
    else if (v128.any_true(there)) {
      for (let k = i; k < i + 16; k++) if (load<u8>(present + k)) one(state, values, k << 3)
    }
    v128.store(seen + i, v128.or(v128.load(seen + i), there))
  }
  for (; i < steps; i++) {
    if (!load<u8>(present + i)) continue
    one(state, values, i << 3)
    store<u8>(seen + i, 1)
  }
}

/** Rows: sum, compensation. A sum that starts at 0 equals one that starts with its first value. */
export function accumulateSum(state: GroupState, values: usize, present: usize): void {
  eachPresent(
    state,
    values,
    present,
    (state, values, offset) => {
      const sums = state.row(0)
      const cs = state.row(1)
      for (let o = offset; o < offset + 128; o += 16) {
        const sum = v128.load(sums + o)
        const x = v128.load(values + o)
        const next = v128.add<f64>(sum, x)
        v128.store(cs + o, compensatePair(sum, x, next, v128.load(cs + o)))
        v128.store(sums + o, next)
      }
    },
    (state, values, offset) => {
      const sum = load<f64>(state.row(0) + offset)
      const x = load<f64>(values + offset)
      const next = sum + x
      const c = state.row(1) + offset
      store<f64>(c, compensate(sum, x, next, load<f64>(c)))
      store<f64>(state.row(0) + offset, next)
    },
  )
}

/** Rows: sum (or mean, where the count is negative: incremental), compensation, count. */
export function accumulateAvg(state: GroupState, values: usize, present: usize): void {
  eachPresent(state, values, present, avgSixteen, avgOne)
}

function avgSixteen(state: GroupState, values: usize, offset: usize): void {
  const sums = state.row(0)
  const cs = state.row(1)
  const counts = state.row(2)
  const zero = v128.splat<f64>(0)
  for (let o = offset; o < offset + 128; o += 16) {
    const sum = v128.load(sums + o)
    const x = v128.load(values + o)
    const count = v128.load(counts + o)
    const next = v128.add<f64>(sum, x)
    const plain = v128.and(v128.gt<f64>(count, zero), v128.ne<f64>(v128.abs<f64>(next), v128.splat<f64>(Infinity)))
    if (!v128.all_true<i64>(plain)) {
      avgOne(state, values, o)
      avgOne(state, values, o + 8)
      continue
    }
    v128.store(cs + o, compensatePair(sum, x, next, v128.load(cs + o)))
    v128.store(sums + o, next)
    v128.store(counts + o, v128.add<f64>(count, v128.splat<f64>(1)))
  }
}

function avgOne(state: GroupState, values: usize, offset: usize): void {
  const sums = state.row(0) + offset
  const cs = state.row(1) + offset
  const counts = state.row(2) + offset
  const x = load<f64>(values + offset)
  const before = load<f64>(counts)
  if (before == 0) {
    store<f64>(sums, x)
    store<f64>(counts, 1)
    return
  }
  let sum = load<f64>(sums)
  let c = load<f64>(cs)
  if (before > 0) {
    const next = sum + x
    if (abs(next) != Infinity) {
      store<f64>(sums, next)
      store<f64>(cs, compensate(sum, x, next, c))
      store<f64>(counts, before + 1)
      return
    }
    sum /= before
    c /= before
  }
  const count = abs(before) + 1
  const q = (count - 1) / count
  const scaled = q * sum
  const share = x / count
  const mean = scaled + share
  store<f64>(sums, mean)
  store<f64>(cs, compensate(scaled, share, mean, q * c))
  store<f64>(counts, -count)
}

/** Row: count. */
export function accumulateCount(state: GroupState, values: usize, present: usize): void {
  eachPresent(
    state,
    values,
    present,
    (state, values, offset) => {
      for (let at = state.row(0) + offset, end = at + 128; at < end; at += 16) {
        v128.store(at, v128.add<f64>(v128.load(at), v128.splat<f64>(1)))
      }
    },
    (state, values, offset) => {
      const at = state.row(0) + offset
      store<f64>(at, load<f64>(at) + 1)
    },
  )
}

/** No row. */
export function accumulateGroup(state: GroupState, values: usize, present: usize): void {
  eachPresent(state, values, present, (state, values, offset) => {}, (state, values, offset) => {})
}

/** Row: minimum, NaN at first: NaN gives way to anything. Bits are kept. */
export function accumulateMin(state: GroupState, values: usize, present: usize): void {
  eachPresent(
    state,
    values,
    present,
    (state, values, offset) => keepSixteen(state, values, offset, false),
    (state, values, offset) => keepOne(state, values, offset, false),
  )
}

/** Row: maximum, NaN at first. */
export function accumulateMax(state: GroupState, values: usize, present: usize): void {
  eachPresent(
    state,
    values,
    present,
    (state, values, offset) => keepSixteen(state, values, offset, true),
    (state, values, offset) => keepOne(state, values, offset, true),
  )
}

@inline
function keepSixteen(state: GroupState, values: usize, offset: usize, greatest: bool): void {
  const row = state.row(0)
  for (let o = offset; o < offset + 128; o += 16) {
    const kept = v128.load(row + o)
    const x = v128.load(values + o)
    const loses = greatest ? v128.lt<f64>(kept, x) : v128.gt<f64>(kept, x)
    v128.store(row + o, v128.bitselect(x, kept, v128.or(loses, v128.ne<f64>(kept, kept))))
  }
}

@inline
function keepOne(state: GroupState, values: usize, offset: usize, greatest: bool): void {
  const at = state.row(0) + offset
  const kept = load<f64>(at)
  const x = load<f64>(values + offset)
  if ((greatest ? kept < x : kept > x) || kept != kept) store<u64>(at, load<u64>(values + offset))
}

/** Rows: mean, sum of squared differences, count. Starting at 0 a first NaN or infinity makes the squares NaN, any other value 0. */
export function accumulateVariance(state: GroupState, values: usize, present: usize): void {
  eachPresent(
    state,
    values,
    present,
    (state, values, offset) => {
      const means = state.row(0)
      const squares = state.row(1)
      const counts = state.row(2)
      for (let o = offset; o < offset + 128; o += 16) {
        const x = v128.load(values + o)
        const mean = v128.load(means + o)
        const count = v128.add<f64>(v128.load(counts + o), v128.splat<f64>(1))
        const difference = v128.sub<f64>(x, mean)
        const next = v128.add<f64>(mean, v128.div<f64>(difference, count))
        const square = v128.mul<f64>(difference, v128.sub<f64>(x, next))
        v128.store(counts + o, count)
        v128.store(means + o, next)
        v128.store(squares + o, v128.add<f64>(v128.load(squares + o), square))
      }
    },
    (state, values, offset) => {
      const x = load<f64>(values + offset)
      const mean = load<f64>(state.row(0) + offset)
      const squares = state.row(1) + offset
      const count = load<f64>(state.row(2) + offset) + 1
      const difference = x - mean
      const next = mean + difference / count
      store<f64>(state.row(0) + offset, next)
      store<f64>(squares, load<f64>(squares) + difference * (x - next))
      store<f64>(state.row(2) + offset, count)
    },
  )
}

/** Writes a state's values where it saw any, as `value` makes them of the step at a byte offset; 0 elsewhere. */
function finish(state: GroupState, outValues: usize, outPresent: usize, value: (state: GroupState, offset: usize) => f64): void {
  const seen = state.seen
  memory.copy(outPresent, seen, state.steps)
  for (let i: usize = 0; i < <usize>state.steps; i++) {
    store<f64>(outValues + (i << 3), load<u8>(seen + i) ? value(state, i << 3) : 0)
  }
}

export function finishSum(state: GroupState, outValues: usize, outPresent: usize): void {
  finish(state, outValues, outPresent, (state, o) => load<f64>(state.row(0) + o) + load<f64>(state.row(1) + o))
}

export function finishAvg(state: GroupState, outValues: usize, outPresent: usize): void {
  finish(state, outValues, outPresent, (state, o) => {
    const sum = load<f64>(state.row(0) + o)
    const c = load<f64>(state.row(1) + o)
    const count = load<f64>(state.row(2) + o)
    return count < 0 ? sum + c : sum / count + c / count
  })
}

/** count, min and max: the row as it is. */
export function finishCopy(state: GroupState, outValues: usize, outPresent: usize): void {
  finish(state, outValues, outPresent, (state, o) => load<f64>(state.row(0) + o))
}

export function finishGroup(state: GroupState, outValues: usize, outPresent: usize): void {
  finish(state, outValues, outPresent, (state, o) => 1)
}

export function finishStdvar(state: GroupState, outValues: usize, outPresent: usize): void {
  finish(state, outValues, outPresent, (state, o) => load<f64>(state.row(1) + o) / load<f64>(state.row(2) + o))
}

export function finishStddev(state: GroupState, outValues: usize, outPresent: usize): void {
  finish(state, outValues, outPresent, (state, o) => sqrt(load<f64>(state.row(1) + o) / load<f64>(state.row(2) + o)))
}
