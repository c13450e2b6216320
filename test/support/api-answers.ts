// Queries of test/e2e/queries.txt against servers of Prometheus's HTTP API, and where two answers differ.
// A line's fields are told at the head of that file. Values may differ by 1e-12: Prometheus 2.42 adds plainly where 3 and we sum
// with compensation. Owns nothing.
import { readFile } from 'node:fs/promises'

export interface Answer {
  readonly status: string
  readonly error?: string
  readonly warnings?: readonly string[]
  readonly data?: unknown
}

/** The data's beginning and end, which queries are told relative to. */
export interface DataTimes {
  readonly fromMs: number
  readonly toMs: number
}

const hourMs = 3_600_000
const relativeTolerance = 1e-12

/** The lines of queries.txt. */
export async function readQueries(): Promise<readonly string[]> {
  const text = await readFile(new URL('../e2e/queries.txt', import.meta.url), 'utf8')
  return text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
}

/** A query's answer. */
export function ask(url: string, query: string, { fromMs, toMs }: DataTimes): Promise<Answer> {
  const [kind, ...rest] = query.split(' ')
  const [first = '', ...others] = rest
  const whole = `start=${seconds(fromMs)}&end=${seconds(toMs)}`
  const matches = (texts: readonly string[]) => texts.map((text) => `&match[]=${encodeURIComponent(text)}`).join('')
  const expression = encodeURIComponent(others.join(' '))
  switch (kind) {
    case 'range': {
      const times = `start=${seconds(fromMs + hourMs + 37_000)}&end=${seconds(toMs + 10 * 60_000)}&step=${first}`
      return get(`${url}/api/v1/query_range?${times}&query=${expression}`)
    }
    case 'instant':
      return get(`${url}/api/v1/query?time=${seconds(fromMs + afterMs(first))}&query=${expression}`)
    case 'series':
      return get(`${url}/api/v1/series?${whole}${matches(rest)}`)
    case 'labels':
      return get(`${url}/api/v1/labels?${whole}${matches(rest)}`)
    case 'values':
      return get(`${url}/api/v1/label/${first}/values?${whole}${matches(others)}`)
    default:
      throw new Error(`queries.txt has ${query}`)
  }
}

/** `5h30m` in ms, and 17 s more: off the samples and off whole minutes. */
function afterMs(text: string): number {
  const [, hours = '0', minutes = '0'] = /^(?:(\d+)h)?(?:(\d+)m)?$/.exec(text) ?? []
  return Number(hours) * hourMs + Number(minutes) * 60_000 + 17_000
}

const seconds = (timeMs: number) => timeMs / 1000

export async function get(url: string): Promise<Answer> {
  return (await (await fetch(url)).json()) as Answer
}

interface Entry {
  readonly metric: Readonly<Record<string, string>>
}

/**
 * A vector's samples come in no order unless sorted: they are put in the order of their labels. Labels become one string,
 * so that they are compared as they are.
 */
function canonical(data: unknown, ignored: readonly string[]): unknown {
  const { resultType, result } = data as { resultType?: string; result: Entry[] }
  if (Array.isArray(data)) return data.filter((value) => !ignored.includes(String(value)))
  // Thanos puts more beside them.
  if (resultType !== 'vector' && resultType !== 'matrix') return { resultType, result }
  const keyed = result.map((entry) => ({ ...entry, metric: JSON.stringify(Object.entries(entry.metric).sort()) }))
  return { resultType, result: keyed.sort((a, b) => (a.metric < b.metric ? -1 : 1)) }
}

/** Where two answers' data differ, each with what was got and what was wanted. `ignored`: names that lists may have or not. */
export function differences(got: Answer, want: Answer, ignored: readonly string[]): string[] {
  return differencesOf(canonical(got.data, ignored), canonical(want.data, ignored), '')
}

function differencesOf(got: unknown, want: unknown, at: string): string[] {
  if (Object.is(got, want)) return []
  if (isObject(got) && isObject(want)) {
    const keys = new Set([...Object.keys(got), ...Object.keys(want)])
    return [...keys].flatMap((key) => differencesOf(got[key], want[key], `${at}/${key}`))
  }
  if (typeof got === 'string' && typeof want === 'string' && isClose(got, want)) return []
  return [`${at}: got ${JSON.stringify(got)}, want ${JSON.stringify(want)}`]
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}

function isClose(got: string, want: string): boolean {
  const difference = Math.abs(Number(got) - Number(want))
  return difference <= relativeTolerance * Math.abs(Number(want))
}
