// Writes the points of a series as JSON, times and values as Prometheus's HTTP API does: `[1700006400,"1.5"],[…],…`.
// Owns an instance of the kernels and its memory: one a thread is enough, for nothing in it outlives a call of write().
import { instantiate, type KernelExports } from './module.ts'

const pageBytes = 65_536
/** Points of one kernel call, and what one takes at most; assembly/points.ts writes some bytes behind the last one. */
const mostPoints = 2048
const pointBytes = 64
/** Behind the compiled module's own page: times, values, text. */
const timesPtr = pageBytes
const valuesPtr = timesPtr + 8 * mostPoints
const textPtr = valuesPtr + 8 * mostPoints
const memoryBytes = textPtr + pointBytes * (mostPoints + 1)

const leastPower = -292n
const mostPower = 324n

export class PointWriter {
  readonly #wasm: KernelExports
  readonly #bytes: Uint8Array
  readonly #times: Float64Array
  readonly #values: Float64Array

  constructor() {
    const memory = new WebAssembly.Memory({ initial: Math.ceil(memoryBytes / pageBytes) })
    this.#wasm = instantiate(memory)
    this.#bytes = new Uint8Array(memory.buffer)
    this.#times = new Float64Array(memory.buffer, timesPtr, mostPoints)
    this.#values = new Float64Array(memory.buffer, valuesPtr, mostPoints)
    fillPowersOfTen(new BigUint64Array(memory.buffer, this.#wasm.powersOfTen()))
  }

  /**
   * Gives the text of the points in pieces, each borrowed until the next one; a comma stands behind each point but the last.
   * Times are whole ms.
   */
  write(times: Float64Array, values: Float64Array, take: (text: Uint8Array) => void): void {
    const { length } = times
    for (let from = 0; from < length; from += mostPoints) {
      const to = Math.min(from + mostPoints, length)
      const isAll = to - from === length
      this.#times.set(isAll ? times : times.subarray(from, to))
      this.#values.set(isAll ? values : values.subarray(from, to))
      const end = this.#wasm.writePoints(timesPtr, valuesPtr, to - from, textPtr)
      take(this.#bytes.subarray(textPtr, to === length ? end - 1 : end))
    }
  }
}

/** Of each power the first 128 bits, rounded up: high word, low word. */
function fillPowersOfTen(words: BigUint64Array): void {
  let at = 0
  for (let power = leastPower; power <= mostPower; power++) {
    const bits = power < 0n ? inverse(10n ** -power) : leading(10n ** power)
    words[at++] = bits >> 64n
    words[at++] = bits & 0xffff_ffff_ffff_ffffn
  }
}

function bitLength(number: bigint): number {
  return number.toString(16).length * 4 - Math.clz32(Number.parseInt(number.toString(16)[0]!, 16)) + 28
}

function leading(number: bigint): bigint {
  const excess = BigInt(bitLength(number) - 128)
  if (excess <= 0n) return number << -excess
  return ceilDivide(number, 1n << excess)
}

/** Of 1 / number, which is no power of two. */
function inverse(number: bigint): bigint {
  return ceilDivide(1n << BigInt(127 + bitLength(number)), number)
}

function ceilDivide(a: bigint, b: bigint): bigint {
  return (a + b - 1n) / b
}
