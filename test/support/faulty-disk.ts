// node:fs/promises whose calls fail by a plan: for vi.mock, so that what is under test finds a disk that is full or gone.
// Owns which calls are faulty; what is open can always be closed.
import type * as realSyncFs from 'node:fs'
import type * as realFs from 'node:fs/promises'
import type { Faults } from './faults.ts'

type Call = (...args: unknown[]) => Promise<unknown>

const handleCalls: ReadonlySet<keyof realFs.FileHandle> = new Set([
  'write',
  'read',
  'sync',
  'datasync',
  'stat',
] as const)
const calls = ['mkdir', 'rename', 'readdir', 'stat', 'writeFile', 'readFile', 'link', 'rm'] as const

/** The module, its calls failing while `failing.faults` is there. */
export function faultyDisk(original: typeof realFs, failing: { readonly faults: Faults | undefined }): typeof realFs {
  const close = async (answer: unknown) => {
    const { close } = Object(answer) as { close?: () => Promise<void> }
    await close?.()
  }
  const through =
    (name: string, call: Call): Call =>
    (...args) =>
      failing.faults ? failing.faults.call(name, () => call(...args), close) : call(...args)
  const faulty = (name: keyof typeof realFs) => through(name, original[name] as Call)
  return {
    ...original,
    open: through('open', async (...args) => {
      const handle = await (original.open as Call)(...args)
      return new Proxy(handle as realFs.FileHandle, {
        get(target, key: keyof realFs.FileHandle) {
          const value = target[key]
          if (typeof value !== 'function') return value
          const call = (value as Call).bind(target)
          // What is open can always be closed, and a stream of the handle is the handle's own.
          return handleCalls.has(key) ? through(String(key), call) : call
        },
      })
    }) as typeof realFs.open,
    ...Object.fromEntries(calls.map((name) => [name, faulty(name)])),
  }
}

/** The same of node:fs: of its calls that answer at once those on a file that is open. */
export function faultyDiskNow(
  original: typeof realSyncFs,
  failing: { readonly faults: Faults | undefined },
): typeof realSyncFs {
  const through = <A extends unknown[]>(name: string, call: (...args: A) => number) => {
    return (...args: A) => (failing.faults ? failing.faults.callNow(name, () => call(...args)) : call(...args))
  }
  return {
    ...original,
    writeSync: through('writeSync', original.writeSync as never) as typeof realSyncFs.writeSync,
    readSync: through('readSync', original.readSync as never) as typeof realSyncFs.readSync,
  }
}

/** As of a disk without room. */
export function diskIsFull(what: string): Error {
  return Object.assign(new Error(`ENOSPC: no space left on device, ${what}`), { code: 'ENOSPC' })
}
