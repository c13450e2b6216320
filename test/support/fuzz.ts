// Mutated bytes for readers of files: whatever comes out is an answer or a typed error, in bounded memory.
// CI tries 10,000 mutants of each format, NIGHTLY=1 ten times as many. SEED in the environment repeats a run.
// Owns the mutations, the count, and the watch over what is allocated; a sync loop without end shows by the test that hangs.
import { expect } from 'vitest'
import { crc32c } from '../../lib/bytes/crc32c.ts'
import { MnemoError } from '../../lib/kit/errors.ts'
import { isNightly } from './nightly.ts'
import { Random, seed } from './random.ts'

export const mutants = isNightly ? 100_000 : 10_000
/** For vitest: a nightly run takes its time. */
export const fuzzTimeoutMs = isNightly ? 1_200_000 : 120_000
/** No single allocation of a reader may be larger, whatever a length in a small file says. */
const allocationCapBytes = 16 * 1024 * 1024

/** Bytes of a file that a checksum covers: [start, end), its CRC-32C behind them. */
export type Frame = readonly [start: number, end: number]

export interface FuzzInput {
  readonly bytes: Uint8Array
  /** Damage inside of these is covered by a right checksum, half of the time and more. */
  readonly frames?: readonly Frame[]
}

/** Reads mutants of the inputs. A typed error about the bytes is as good as an answer; anything else fails, and tells the case. */
export async function fuzz(
  name: string,
  inputs: readonly FuzzInput[],
  read: (bytes: Uint8Array, random: Random) => unknown,
): Promise<void> {
  const random = new Random(seed)
  const watch = watchAllocations()
  try {
    for (let round = 0; round < mutants; round++) {
      const input = random.pick(inputs)
      const bytes =
        input.frames && random.chance(0.7)
          ? damageFrame(input.bytes, input.frames, random)
          : mutate(input.bytes, random)
      const failure = await outcome(() => read(bytes, random))
      const told = () =>
        `${name}: SEED=${seed}, mutant ${round}, ${Buffer.from(bytes).toString('base64').slice(0, 4000)}`
      if (failure !== undefined) throw new Error(told(), { cause: failure })
      if (watch.largestBytes > allocationCapBytes)
        expect.fail(`${told()}: allocated ${watch.largestBytes} bytes at once`)
    }
  } finally {
    watch.end()
  }
}

/** Reads every prefix of the bytes; each must be refused with a typed error. */
export async function truncate(name: string, bytes: Uint8Array, read: (bytes: Uint8Array) => unknown): Promise<void> {
  for (let length = 0; length < bytes.length; length++) {
    const where = `${name}, cut to ${length} of ${bytes.length} bytes`
    try {
      await read(bytes.subarray(0, length))
    } catch (error) {
      if (isTyped(error)) continue
      throw new Error(where, { cause: error })
    }
    expect.fail(`${where}: read without an error`)
  }
}

async function outcome(read: () => unknown): Promise<unknown> {
  try {
    await read()
    return undefined
  } catch (error) {
    return isTyped(error) ? undefined : error
  }
}

function isTyped(error: unknown): boolean {
  return error instanceof MnemoError && (error.code === 'corrupt' || error.code === 'unsupported')
}

const telling = [0, 1, 0x7f, 0x80, 0xfe, 0xff]

/** One to four changes anywhere: bits, bytes, runs of 0xff (long varints), cuts, repetitions, insertions. */
export function mutate(original: Uint8Array, random: Random): Uint8Array {
  let bytes = Buffer.from(original)
  for (let changes = 1 + random.below(4); changes > 0 && bytes.length > 0; changes--) {
    const at = random.below(bytes.length)
    const length = 1 + random.below(Math.min(16, bytes.length - at))
    switch (random.below(7)) {
      case 0:
        bytes[at]! ^= 1 << random.below(8)
        break
      case 1:
        bytes[at] = random.chance(0.5) ? random.pick(telling) : random.below(256)
        break
      case 2:
        bytes.fill(0xff, at, at + length)
        break
      case 3:
        bytes = bytes.subarray(0, at)
        break
      case 4:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)])
        break
      case 5:
        bytes = Buffer.concat([bytes.subarray(0, at + length), bytes.subarray(at)])
        break
      default:
        bytes = Buffer.concat([bytes.subarray(0, at), random.bytes(length), bytes.subarray(at)])
    }
  }
  return bytes
}

/** One to three changes within a frame, its checksum made anew. */
export function damageFrame(original: Uint8Array, frames: readonly Frame[], random: Random): Uint8Array {
  const bytes = Buffer.from(original)
  const [start, end] = random.pick(frames)
  for (let changes = 1 + random.below(3); changes > 0 && end > start; changes--) {
    const at = start + random.below(end - start)
    const length = random.chance(0.2) ? 1 + random.below(Math.min(9, end - at)) : 1
    bytes.fill(random.chance(0.5) ? random.pick(telling) : random.below(256), at, at + length)
  }
  bytes.writeUInt32BE(crc32c(bytes.subarray(start, end)), end)
  return bytes
}

interface AllocationWatch {
  readonly largestBytes: number
  end(): void
}

const arrays = [
  'ArrayBuffer',
  'Uint8Array',
  'Int32Array',
  'Uint32Array',
  'Float64Array',
  'BigUint64Array',
  'Array',
] as const
const allocators = ['alloc', 'allocUnsafe', 'allocUnsafeSlow'] as const

/** Notes the largest array that anything makes by a number, until the end. */
function watchAllocations(): AllocationWatch {
  let largestBytes = 0
  const note = (bytes: number) => {
    if (bytes > largestBytes) largestBytes = bytes
  }
  const scope = globalThis as unknown as Record<
    string,
    { new (...args: unknown[]): object; BYTES_PER_ELEMENT?: number }
  >
  const before = arrays.map((name) => [name, scope[name]!] as const)
  for (const [name, original] of before)
    scope[name] = new Proxy(original, {
      construct(target, args, newTarget) {
        if (typeof args[0] === 'number') note(args[0] * (target.BYTES_PER_ELEMENT ?? (name === 'Array' ? 8 : 1)))
        return Reflect.construct(target, args, newTarget as never)
      },
    })
  const buffers = Buffer as unknown as Record<string, (size: number, ...rest: unknown[]) => Buffer>
  const made = allocators.map((name) => [name, buffers[name]!] as const)
  for (const [name, original] of made)
    buffers[name] = (size, ...rest) => {
      note(size)
      return original(size, ...rest)
    }
  return {
    get largestBytes() {
      return largestBytes
    },
    end() {
      for (const [name, original] of before) scope[name] = original
      for (const [name, original] of made) buffers[name] = original
    },
  }
}
