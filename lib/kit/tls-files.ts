// Certificates and keys in files, read again while the process runs: what was renewed is taken, what is broken is not.
// Whoever writes them may take a moment for two files: a pair that does not fit leaves what was there before.
// Owns the reading; who speaks TLS with it is grpc-tls.ts, http.ts and http-client.ts.
import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import { describeError, MnemoError } from './errors.ts'
import type { Logger } from './log.ts'

export interface TlsPaths {
  readonly caFile?: string
  readonly certFile?: string
  readonly keyFile?: string
}

/** What the files hold; absent where there is no such file. */
export interface TlsMaterial {
  readonly ca?: Buffer
  readonly cert?: Buffer
  readonly key?: Buffer
}

const intervalMs = 10_000

export class TlsFiles {
  readonly #paths: TlsPaths
  readonly #logger: Logger | undefined
  readonly #listeners = new Set<(material: TlsMaterial) => void>()
  #current: TlsMaterial
  #timer: NodeJS.Timeout | undefined
  #problem: string | undefined

  /** Reads the files; throws `config` where one cannot be read or used. */
  constructor(paths: TlsPaths, logger?: Logger) {
    this.#paths = paths
    this.#logger = logger
    this.#current = readMaterial(paths)
  }

  get current(): TlsMaterial {
    return this.#current
  }

  /** Calls the listener with what has changed, until the returned function is called. Keeps no process alive. */
  watch(listener: (material: TlsMaterial) => void): () => void {
    this.#listeners.add(listener)
    this.#timer ??= setInterval(() => this.refresh(), intervalMs).unref()
    return () => {
      this.#listeners.delete(listener)
      if (this.#listeners.size > 0) return
      clearInterval(this.#timer)
      this.#timer = undefined
    }
  }

  /** Reads the files again now. Throws nothing: what cannot be used is logged, once. */
  refresh(): void {
    let found: TlsMaterial
    try {
      found = readMaterial(this.#paths)
    } catch (error) {
      const problem = describeError(error)
      if (problem !== this.#problem) this.#logger?.error({ err: error }, 'TLS files cannot be used: those before stay')
      this.#problem = problem
      return
    }
    this.#problem = undefined
    if (isSame(found, this.#current)) return
    this.#current = found
    this.#logger?.info({ ...this.#paths }, 'TLS files were read again')
    for (const listener of this.#listeners) listener(found)
  }
}

const shared = new Map<string, TlsFiles>()

/** The same for all that name the same files: connections to many stores read them once. Throws as the constructor. */
export function sharedTlsFiles(paths: TlsPaths): TlsFiles {
  const key = JSON.stringify([paths.caFile, paths.certFile, paths.keyFile])
  let files = shared.get(key)
  if (!files) {
    files = new TlsFiles(paths)
    shared.set(key, files)
  }
  return files
}

function readMaterial(paths: TlsPaths): TlsMaterial {
  const ca = readTlsFile(paths.caFile)
  const cert = readTlsFile(paths.certFile)
  const key = readTlsFile(paths.keyFile)
  const material = { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) }
  try {
    createSecureContext(material)
  } catch (cause) {
    const names = [paths.certFile, paths.keyFile, paths.caFile].filter((name) => name !== undefined)
    throw new MnemoError('config', `cannot use TLS files ${names.join(', ')}`, { cause })
  }
  return material
}

function readTlsFile(path: string | undefined): Buffer | undefined {
  if (path === undefined) return undefined
  try {
    return readFileSync(path)
  } catch (cause) {
    throw new MnemoError('config', `cannot read TLS file ${path}`, { cause })
  }
}

function isSame(a: TlsMaterial, b: TlsMaterial): boolean {
  return (['ca', 'cert', 'key'] as const).every((name) => a[name]?.equals(b[name] ?? Buffer.alloc(0)) ?? !b[name])
}
