// Kahan summation in Neumaier's variant, in the order and with the infinity rule of Prometheus's util/kahansum.
// A sum is a pair (sum, compensation): `const next = sum + x; c = compensate(sum, x, next, c); sum = next`.

/** The compensation after x was added to `sum` giving `next`. */
@inline
export function compensate(sum: f64, x: f64, next: f64, c: f64): f64 {
  if (abs(next) == Infinity) return 0
  return c + (abs(sum) >= abs(x) ? sum - next + x : x - next + sum)
}

/** The same for two sums side by side. */
@inline
export function compensatePair(sum: v128, x: v128, next: v128, c: v128): v128 {
  const larger = v128.ge<f64>(v128.abs<f64>(sum), v128.abs<f64>(x))
  const big = v128.bitselect(sum, x, larger)
  const small = v128.bitselect(x, sum, larger)
  const sumC = v128.add<f64>(c, v128.add<f64>(v128.sub<f64>(big, next), small))
  return v128.andnot(sumC, v128.eq<f64>(v128.abs<f64>(next), v128.splat<f64>(Infinity)))
}
