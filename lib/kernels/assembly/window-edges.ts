// Window functions that look at a window's first and last sample or at its size alone. Values keep their bits.
import { eachWindow, WindowCall, WindowValue } from './window'

export function first(call: WindowCall): void {
  eachWindow(call, 1, (times, values, count, t, call) => load<f64>(values))
}

export function last(call: WindowCall): void {
  eachWindow(call, 1, (times, values, count, t, call) => load<f64>(values + ((<usize>(count - 1)) << 3)))
}

/** Seconds. */
export function tsOfFirst(call: WindowCall): void {
  eachWindow(call, 1, (times, values, count, t, call) => load<f64>(times) / 1000)
}

/** Seconds. */
export function tsOfLast(call: WindowCall): void {
  eachWindow(call, 1, (times, values, count, t, call) => load<f64>(times + ((<usize>(count - 1)) << 3)) / 1000)
}

export function sampleCount(call: WindowCall): void {
  eachWindow(call, 1, (times, values, count, t, call) => <f64>count)
}

export function present(call: WindowCall): void {
  eachWindow(call, 1, (times, values, count, t, call) => 1)
}
