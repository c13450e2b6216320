// The instant selector over all steps: the last sample in (t − lookback, t], none where that is stale.
import { closeTimes, firstAfter, STALE, WindowCall } from './window'

/** Range is the lookback; `outTimes` takes f64 × steps of sample times in ms, or is 0. */
export function lookback(call: WindowCall, outTimes: usize): void {
  const times = call.times
  const end = times + ((<usize>call.length) << 3)
  const toValue = call.values - times
  const stride = closeTimes(call)
  let behind = times
  let t = call.startMs
  for (let i: usize = 0; i < <usize>call.steps; i++, t += call.stepMs) {
    behind = firstAfter(behind, stride, end, t)
    let some = false
    let bits: u64 = 0
    let time: f64 = 0
    if (behind > times) {
      time = load<f64>(behind - 8)
      bits = load<u64>(behind - 8 + toValue)
      // A sample exactly at t counts whatever the lookback is.
      some = (time > t - call.rangeMs || time == t) && bits != STALE
    }
    store<u8>(call.outPresent + i, <u8>some)
    store<u64>(call.outValues + (i << 3), some ? bits : 0)
    if (outTimes) store<f64>(outTimes + (i << 3), some ? time : 0)
  }
}
