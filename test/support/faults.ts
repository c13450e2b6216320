// Calls that fail at the n-th: for tests that go over every call of a piece of work, one after the other.
// Owns the count.
import { MnemoError } from '../../lib/kit/errors.ts'
import type { Bucket } from '../../lib/objstore/bucket.ts'

/** The n-th call fails; or it is done and its answer lost; or it and all after it fail, as if the process had been killed. */
export const faultModes = ['fails', 'answer lost', 'gone'] as const
export type FaultMode = (typeof faultModes)[number]

export class Faults {
  readonly #n: number
  readonly #mode: FaultMode
  readonly #error: (what: string) => Error
  #calls = 0

  constructor(n: number, mode: FaultMode, error: (what: string) => Error) {
    this.#n = n
    this.#mode = mode
    this.#error = error
  }

  /** Whether there were as many calls. */
  get reached(): boolean {
    return this.#calls >= this.#n
  }

  /** `discard` is told of an answer that is lost, e.g. to close it. */
  async call<T>(what: string, run: () => Promise<T>, discard?: (answer: T) => Promise<void>): Promise<T> {
    const fate = this.#next()
    if (fate === 'runs') return run()
    if (fate === 'answer lost') await discard?.(await run())
    throw this.#error(what)
  }

  /** As call(), of a call that answers at once. */
  callNow<T>(what: string, run: () => T): T {
    const fate = this.#next()
    if (fate === 'runs') return run()
    if (fate === 'answer lost') run()
    throw this.#error(what)
  }

  #next(): 'runs' | 'answer lost' | 'fails' {
    const call = ++this.#calls
    if (call < this.#n || (call > this.#n && this.#mode !== 'gone')) return 'runs'
    return call === this.#n && this.#mode === 'answer lost' ? 'answer lost' : 'fails'
  }
}

/** The bucket, its calls failing by the plan. */
export function faultyBucket(bucket: Bucket, faults: Faults): Bucket {
  return new Proxy(bucket, {
    get(target, key: keyof Bucket) {
      const value = target[key]
      if (typeof value !== 'function') return value
      if (key === 'list')
        return async function* (folder: string, options?: Parameters<Bucket['list']>[1]) {
          yield* await faults.call('list', async () => target.list(folder, options))
        }
      return (...args: unknown[]) => faults.call(key, () => Reflect.apply(value, target, args) as Promise<unknown>)
    },
  })
}

/** `unavailable`, as a bucket that cannot be reached. */
export function bucketIsGone(what: string): MnemoError {
  return new MnemoError('unavailable', `cannot ${what}: the bucket is gone`)
}
