// Sections of a YAML configuration, read key by key: what is left over is an error that names it.
// Scalars are kept as they were written (an access key may be all digits), so each reader parses its own text.
// Owns the error texts of a wrong configuration.
import { parseDurationMs } from './duration.ts'
import { MnemoError } from './errors.ts'

const yes = new Set(['true', 'yes', 'on', 'y'])
const no = new Set(['false', 'no', 'off', 'n', ''])

/** A mapping of texts and mappings, as YAML's failsafe schema gives it. */
export class ConfigSection {
  readonly #path: string
  readonly #what: string
  readonly #values: Map<string, unknown>

  /**
   * `path` names the section in errors: 'config.http_config'; `what` the whole: "cannot use the bucket configuration".
   * An absent or empty section has no keys.
   */
  constructor(value: unknown, path: string, what = 'the bucket configuration') {
    this.#path = path
    this.#what = what
    if (value === undefined || value === null || value === '') this.#values = new Map()
    else if (typeof value === 'object' && !Array.isArray(value)) this.#values = new Map(Object.entries(value))
    else throw wrong({ what, path }, JSON.stringify(value), 'a mapping')
  }

  has(key: string): boolean {
    return this.#values.has(key)
  }

  string(key: string, fallback = ''): string {
    const value = this.#take(key)
    if (value === undefined || value === null) return fallback
    if (typeof value !== 'string') throw this.wrong(key, JSON.stringify(value), 'text')
    return value
  }

  boolean(key: string, fallback: boolean): boolean {
    const text = this.string(key, String(fallback)).toLowerCase()
    if (yes.has(text)) return true
    if (no.has(text)) return false
    throw this.wrong(key, text, 'true or false')
  }

  /** A whole number of at least 0. */
  count(key: string, fallback: number): number {
    const text = this.string(key, String(fallback))
    if (!/^\d+$/.test(text)) throw this.wrong(key, text, 'a whole number of at least 0')
    return Number(text)
  }

  durationMs(key: string, fallback: string): number {
    const text = this.string(key, fallback)
    try {
      return parseDurationMs(text)
    } catch (cause) {
      throw this.wrong(key, text, 'a duration such as 1m30s', cause)
    }
  }

  oneOf<V extends string>(key: string, values: readonly V[], fallback: V): V {
    const text = this.string(key, fallback)
    const value = values.find((known) => known === text)
    if (value === undefined) throw this.wrong(key, `"${text}"`, `one of ${values.map((v) => `"${v}"`).join(', ')}`)
    return value
  }

  /** A mapping of texts. */
  map(key: string): Map<string, string> {
    const section = this.section(key)
    return new Map([...section.#values.keys()].map((name) => [name, section.string(name)]))
  }

  /** A list of texts; none where the key is not there. */
  list(key: string): string[] {
    const value = this.#take(key) ?? []
    if (value === '') return []
    if (!Array.isArray(value) || !value.every((item) => typeof item === 'string'))
      throw this.wrong(key, JSON.stringify(value), 'a list of texts')
    return value
  }

  section(key: string): ConfigSection {
    return new ConfigSection(this.#take(key), this.#pathOf(key), this.#what)
  }

  /** Throws `config` where a key was not read. */
  end(): void {
    const [unknown] = this.#values.keys()
    if (unknown === undefined) return
    throw new MnemoError('config', `cannot use ${this.#what}: got unknown key ${this.#pathOf(unknown)}`)
  }

  /** The error for a key that is known, but whose value is not supported here. */
  unsupported(key: string, got: string, why: string): MnemoError {
    return this.wrong(key, got, `it left out: ${why}`)
  }

  #take(key: string): unknown {
    const value = this.#values.get(key)
    this.#values.delete(key)
    return value
  }

  /** The error for a value that cannot be. */
  wrong(key: string, got: string, want: string, cause?: unknown): MnemoError {
    return wrong({ what: this.#what, path: this.#pathOf(key) }, got, want, cause)
  }

  #pathOf(key: string): string {
    return this.#path === '' ? key : `${this.#path}.${key}`
  }
}

interface Place {
  readonly what: string
  readonly path: string
}

function wrong({ what, path }: Place, got: string, want: string, cause?: unknown): MnemoError {
  const message = `cannot use ${what}: ${path || 'it all'}: got ${got || '""'}, want ${want}`
  return new MnemoError('config', message, cause === undefined ? {} : { cause })
}
