// Seeded random numbers for tests and benchmarks (mulberry32): the same seed gives the same run everywhere.
// Owns where a seed comes from: SEED in the environment, else the clock; put it into the test's name.

/** The seed to use and to print. */
export const seed = Number(process.env.SEED ?? Date.now() % 1_000_000_000)

export class Random {
  private state: number

  constructor(seed: number) {
    this.state = seed >>> 0
  }

  /** An unsigned 32-bit integer. */
  u32(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0
    let t = this.state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return (t ^ (t >>> 14)) >>> 0
  }

  u64(): bigint {
    return (BigInt(this.u32()) << 32n) | BigInt(this.u32())
  }

  /** A number in [0, 1). */
  float(): number {
    return this.u32() / 2 ** 32
  }

  /** An integer in [0, below). */
  below(below: number): number {
    return Math.floor(this.float() * below)
  }

  chance(probability: number): boolean {
    return this.float() < probability
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.u32() & 0xff)
  }
}
